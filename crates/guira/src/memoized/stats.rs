//! What the calls of one memoized function came to.

use crate::flight::FlightStats;

/// Figures of one memoized function, of this process.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct MemoStats {
    /// Calls that found a fresh value.
    pub hits: u64,
    /// Calls that took a stale one.
    pub stale_hits: u64,
    /// Calls that found none.
    pub misses: u64,
    /// Calls that went to the function directly, for it is switched off or there is no cache.
    pub unmemoized: u64,
    /// Calls that went to the function directly, for the arguments have no key.
    pub key_failures: u64,
    /// Refreshes that were left to a later call, for too many were under way.
    pub refreshes_left_out: u64,
    /// What the computations came to.
    pub flights: FlightStats,
}

impl MemoStats {
    /// The part of the calls that were answered from the cache; none if there was no call.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let found = self.hits + self.stale_hits;
        let asked = found + self.misses;
        (asked > 0).then(|| found as f64 / asked as f64)
    }
}
