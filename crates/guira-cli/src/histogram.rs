//! Latencies by size: buckets whose width is about 1.6 % of what they hold, so that percentiles are
//! as exact as that and histograms of many threads add up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Each power of two is cut into this many buckets.
const PARTS_BITS: u32 = 6;

/// How often each latency was met.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Histogram {
    counts: BTreeMap<u32, u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, ns: u64) {
        *self.counts.entry(bucket_of(ns)).or_default() += 1;
        self.total += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            *self.counts.entry(*bucket).or_default() += count;
        }
        self.total += other.total;
    }

    pub(crate) const fn count(&self) -> u64 {
        self.total
    }

    /// The least latency that at least `share` (0 to 1) of all do not exceed, up to a bucket's
    /// width; 0 where nothing was recorded.
    pub(crate) fn percentile_ns(&self, share: f64) -> u64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.counts {
            seen += count;
            if seen >= wanted {
                return middle_of(*bucket);
            }
        }
        0
    }
}

fn bucket_of(ns: u64) -> u32 {
    let shift = (u64::BITS - ns.leading_zeros()).saturating_sub(PARTS_BITS + 1);
    (shift << PARTS_BITS) + (ns >> shift) as u32
}

fn middle_of(bucket: u32) -> u64 {
    let parts = 1_u32 << PARTS_BITS;
    let shift = (bucket >> PARTS_BITS).saturating_sub(1);
    let least = u64::from(bucket - shift * parts) << shift;
    least + (1_u64 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_kept_to_within_a_bucket() {
        for ns in (0..300).chain((8..63).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 12_345]))
        {
            let kept = middle_of(bucket_of(ns));
            assert!(kept.abs_diff(ns) * 64 <= ns, "{ns} became {kept}");
        }
    }

    #[test]
    fn percentiles_are_of_all_histograms_that_were_added() {
        let mut low = Histogram::default();
        let mut high = Histogram::default();
        (1..=50).for_each(|ns| low.record(ns));
        (51..=100).for_each(|ns| high.record(ns));
        low.add(&high);
        assert_eq!(low.count(), 100);
        assert_eq!(low.percentile_ns(0.5), 50);
        assert_eq!(low.percentile_ns(0.99), 99);
        assert_eq!(low.percentile_ns(1.0), 100);
        assert_eq!(Histogram::default().percentile_ns(0.5), 0);
    }
}
