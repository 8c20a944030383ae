//! Which computations need not have been: told from the times of all of them.

use super::message::Computation;

/// Computations that began while another of the same object and version was under way. One of each
/// such group was needed; with none of the others the run would have had its ideal number.
///
/// A computation is under way from the look-up that missed to the end of its fill, so one that began
/// after the value was there counts too if its look-up was before. One that an invalidation
/// overtook, and that was therefore needed again, is counted against the run all the same. Give those of
/// one host: each host keeps its own values. While a host is not trusted every request computes, which is the
/// price of that and no stampede.
pub(crate) fn needless(computations: &mut [Computation]) -> u64 {
    computations.sort_unstable_by_key(|done| (done.object, done.version, done.missed_ns));
    let mut needless = 0;
    let mut under_way: Option<Computation> = None;
    for done in computations.iter().filter(|done| done.is_trusted) {
        match &mut under_way {
            Some(other)
                if (other.object, other.version) == (done.object, done.version)
                    && done.missed_ns < other.filled_ns =>
            {
                needless += 1;
                other.filled_ns = other.filled_ns.max(done.filled_ns);
            }
            _ => under_way = Some(*done),
        }
    }
    needless
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn computation(object: u32, version: u64, missed_ns: u64, filled_ns: u64) -> Computation {
        Computation {
            object,
            version,
            missed_ns,
            filled_ns,
            is_trusted: true,
            work_ns: 0,
        }
    }

    #[test]
    fn only_computations_of_one_version_at_one_time_are_needless() {
        let mut apart = [
            computation(1, 0, 0, 10),
            computation(1, 0, 10, 20),
            computation(1, 0, 50, 60),
        ];
        assert_eq!(needless(&mut apart), 0);
        let mut others = [
            computation(1, 0, 0, 10),
            computation(2, 0, 5, 15),
            computation(1, 1, 5, 15),
        ];
        assert_eq!(needless(&mut others), 0);
        let mut together = [
            computation(1, 0, 5, 15),
            computation(1, 0, 0, 10),
            computation(1, 0, 12, 30),
        ];
        assert_eq!(needless(&mut together), 2);
        assert_eq!(needless(&mut []), 0);
        let suspect = |done| Computation {
            is_trusted: false,
            ..done
        };
        let mut untrusted = together.map(suspect);
        assert_eq!(needless(&mut untrusted), 0);
    }
}
