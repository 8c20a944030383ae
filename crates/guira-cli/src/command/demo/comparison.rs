//! The hit ratios of LRU and OPT over the same requests, invalidations included.

use std::collections::HashMap;

use guira_trace::{Access, Capacity, Lru, Opt, Policy};

/// A request for one version of an object, as an access: versions are apart from each other.
pub(crate) fn access(object: u32, version: u64) -> Access {
    Access::unit(version << 32 | u64::from(object))
}

/// LRU with room for `entries` objects. A changed object keeps its place, and the next request for it
/// misses: so no policy loses room to what was invalidated.
pub(crate) fn lru_hit_ratio(played: &[Access], entries: u64) -> f64 {
    let mut lru = Lru::new(Capacity::Entries(entries));
    let mut seen: HashMap<u64, u64> = HashMap::new();
    let mut hits = 0_u64;
    for access in played {
        let object = access.key & u64::from(u32::MAX);
        let is_resident = lru.access(Access::unit(object));
        let is_current = seen.insert(object, access.key) == Some(access.key);
        hits += u64::from(is_resident && is_current);
    }
    hits as f64 / played.len().max(1) as f64
}

/// The best that anyone could do who knew the future.
pub(crate) fn opt_hit_ratio(played: &[Access], entries: u64) -> f64 {
    Opt::new(played).simulate(Capacity::Entries(entries)).ratio()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_object_misses_once_and_takes_no_second_place() {
        let played =
            [(1, 0), (2, 0), (1, 1), (2, 0), (1, 1), (2, 0)].map(|(object, version)| access(object, version));
        assert_eq!(lru_hit_ratio(&played, 2), 0.5);
        assert_eq!(opt_hit_ratio(&played, 2), 0.5);
        assert_eq!(lru_hit_ratio(&played, 1), 0.0);
        assert_eq!(lru_hit_ratio(&[], 1), 0.0);
    }
}
