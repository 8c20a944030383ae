//! What the segment's counters must show.

use guira_segment::Stats;

/// Counts since the sequence began; `superseded` between two bounds, where a fill may be refused by
/// a look or by a stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) stores: u64,
    pub(super) removes: u64,
    pub(super) invalidations: u64,
    pub(super) fills: u64,
    pub(super) superseded_at_least: u64,
    pub(super) superseded_at_most: u64,
    pub(super) waits: u64,
}

impl Counters {
    /// One read that found a value or did not.
    pub(super) fn read(&mut self, was_found: bool) {
        if was_found {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
    }

    /// What the segment showed before the sequence began is taken as it is.
    pub(super) fn begin(stats: &Stats) -> Self {
        Self {
            hits: stats.hits,
            misses: stats.misses,
            stores: stats.stores,
            removes: stats.removes,
            invalidations: stats.invalidations,
            fills: stats.fills,
            superseded_at_least: stats.superseded,
            superseded_at_most: stats.superseded,
            waits: stats.flights_waited,
        }
    }

    pub(super) fn compare(&self, stats: &Stats) {
        assert_eq!(stats.hits, self.hits, "hits");
        assert_eq!(stats.misses, self.misses, "misses");
        assert_eq!(stats.stores, self.stores, "stores");
        assert_eq!(stats.removes, self.removes, "removes");
        assert_eq!(stats.invalidations, self.invalidations, "invalidations");
        assert_eq!(stats.fills, self.fills, "fills");
        assert_eq!(stats.flights_waited, self.waits, "waits");
        let bounds = self.superseded_at_least..=self.superseded_at_most;
        assert!(
            bounds.contains(&stats.superseded),
            "superseded: {} of {bounds:?}",
            stats.superseded
        );
        assert_eq!(stats.damaged, 0, "damage");
        assert_eq!(stats.retries, 0, "retries of one thread");
        assert_eq!(stats.recoveries, 0, "recoveries");
        let reads = self.hits + self.misses;
        let ratio = if reads == 0 {
            0.0
        } else {
            self.hits as f64 / reads as f64
        };
        assert!((stats.hit_ratio() - ratio).abs() < 1e-9, "hit ratio");
    }
}
