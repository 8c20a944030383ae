//! How long an entry lives.

use std::time::Duration;

use crate::error::StoreError;
use crate::layout::entry::NEVER_MS;

/// An entry's lifetime: a hard deadline after which it is gone, and an optional soft one after
/// which it is returned but reported as stale.
///
/// Durations are kept in milliseconds, rounded up; the coarsest thing that is ever lost is the
/// millisecond. Deadlines up to 278 years after the segment was made are exact; later ones are the
/// same as never.
///
/// ```
/// use guira_segment::Expiry;
/// use std::time::Duration;
///
/// let five_minutes = Expiry::after(Duration::from_secs(300));
/// let stale_after_one = five_minutes.soft(Duration::from_secs(60));
/// assert_ne!(five_minutes, stale_after_one);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expiry {
    hard: Option<Duration>,
    soft: Option<Duration>,
}

impl Expiry {
    /// Lives until it is evicted, replaced or removed.
    #[must_use]
    pub const fn never() -> Self {
        Self {
            hard: None,
            soft: None,
        }
    }

    /// Gone after `lifetime`, which must not be zero.
    #[must_use]
    pub const fn after(lifetime: Duration) -> Self {
        Self {
            hard: Some(lifetime),
            soft: None,
        }
    }

    /// Stale after `lifetime`, which must not be after the hard deadline.
    #[must_use]
    pub const fn soft(self, lifetime: Duration) -> Self {
        Self {
            hard: self.hard,
            soft: Some(lifetime),
        }
    }

    /// Its hard and its soft deadline, from the put on.
    pub(crate) const fn lifetimes(&self) -> (Option<Duration>, Option<Duration>) {
        (self.hard, self.soft)
    }

    /// No later than `other`, in both deadlines.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        let sooner = |one: Option<Duration>, two: Option<Duration>| match (one, two) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        let hard = sooner(self.hard, other.hard);
        let soft = sooner(self.soft, other.soft).map(|soft| sooner(Some(soft), hard).unwrap_or(soft));
        Self { hard, soft }
    }

    /// Deadlines on the segment's clock, `NEVER_MS` where there is none.
    pub(crate) fn deadlines_ms(self, now_ms: u64) -> Result<(u64, u64), StoreError> {
        let deadline = |lifetime: Option<Duration>, problem| match lifetime {
            None => Ok(NEVER_MS),
            Some(lifetime) if lifetime.is_zero() => Err(StoreError::BadExpiry { problem }),
            Some(lifetime) => {
                let ms = u64::try_from(lifetime.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
                Ok(now_ms.saturating_add(ms).min(NEVER_MS))
            }
        };
        let hard_ms = deadline(self.hard, "zero")?;
        let soft_ms = deadline(self.soft, "zero for its soft deadline")?;
        if self.soft.is_some() && soft_ms > hard_ms {
            return Err(StoreError::BadExpiry {
                problem: "shorter than its soft deadline",
            });
        }
        Ok((hard_ms, soft_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sooner_deadline_counts_of_two_lives() {
        let of = |hard, soft| Expiry {
            hard: (hard > 0).then(|| Duration::from_secs(hard)),
            soft: (soft > 0).then(|| Duration::from_secs(soft)),
        };
        for (own, other, both) in [
            (of(0, 0), of(0, 0), of(0, 0)),
            (of(9, 0), of(0, 0), of(9, 0)),
            (of(9, 5), of(7, 0), of(7, 5)),
            (of(9, 5), of(3, 0), of(3, 3)),
            (of(0, 0), of(8, 2), of(8, 2)),
            (of(5, 0), of(8, 6), of(5, 5)),
        ] {
            assert_eq!(own.within(other), both, "{own:?} {other:?}");
        }
    }

    #[test]
    fn deadlines_are_rounded_up_and_saturate_to_never() {
        let at = |expiry: Expiry| expiry.deadlines_ms(1_000);
        assert_eq!(at(Expiry::never()), Ok((NEVER_MS, NEVER_MS)));
        assert_eq!(at(Expiry::after(Duration::from_nanos(1))), Ok((1_001, NEVER_MS)));
        assert_eq!(at(Expiry::after(Duration::MAX)), Ok((NEVER_MS, NEVER_MS)));
        assert_eq!(
            at(Expiry::after(Duration::from_secs(1)).soft(Duration::from_millis(10))),
            Ok((2_000, 1_010))
        );
    }

    #[test]
    fn zero_and_crossed_lifetimes_are_refused() {
        assert!(Expiry::after(Duration::ZERO).deadlines_ms(0).is_err());
        assert!(Expiry::never().soft(Duration::ZERO).deadlines_ms(0).is_err());
        assert!(
            Expiry::after(Duration::from_secs(1))
                .soft(Duration::from_secs(2))
                .deadlines_ms(0)
                .is_err()
        );
    }
}
