//! Figures of the computations of one cache, as this process made them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Powers of two of microseconds, up to about an hour.
const BUCKETS: usize = 32;

/// What the computations of one cache came to, in this process.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct FlightStats {
    /// Computations that gave a value.
    pub computations: u64,
    /// Computations that gave an error or panicked.
    pub failures: u64,
    /// Calls that were told of the failure of a computation they had waited for.
    pub told_failures: u64,
    /// Calls that waited for somebody else's computation until its end.
    pub waits: u64,
    /// Calls that gave up waiting: at their load timeout, or for a stale value.
    pub timeouts: u64,
    /// Stale values given instead of an error.
    pub stale_on_error: u64,
    /// Computations that replaced one whose process died or overran its patience.
    pub take_overs: u64,
    /// Computations made inline because waiting could never have ended.
    pub entangled: u64,
    /// Values that another host of the cluster computed.
    pub from_other_hosts: u64,
    /// Values for which other hosts were to be asked.
    pub fetches: u64,
    /// Values that another host had, and gave.
    pub fetched_from_hosts: u64,
    /// Values that were not stored because they were invalidated while they were computed.
    pub superseded: u64,
    /// Values that could not be encoded or stored.
    pub not_stored: u64,
    /// How long computations took.
    pub computing: Timing,
    /// How long waits took.
    pub waiting: Timing,
}

/// A distribution of durations.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Timing {
    /// How many.
    pub count: u64,
    /// The shortest; zero if there was none.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
    /// The mean.
    pub mean: Duration,
    /// The standard deviation.
    pub deviation: Duration,
    /// How many took less than 2^n microseconds and not less than half of that, by n; the last one holds all
    /// that were longer.
    pub histogram: Vec<u64>,
}

/// The counters behind it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) computations: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) told_failures: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) stale_on_error: AtomicU64,
    pub(crate) take_overs: AtomicU64,
    pub(crate) entangled: AtomicU64,
    pub(crate) from_other_hosts: AtomicU64,
    pub(crate) fetches: AtomicU64,
    pub(crate) fetched_from_hosts: AtomicU64,
    pub(crate) superseded: AtomicU64,
    pub(crate) not_stored: AtomicU64,
    pub(crate) computing: Durations,
    pub(crate) waiting: Durations,
}

#[derive(Debug)]
pub(crate) struct Durations {
    count: AtomicU64,
    sum_us: AtomicU64,
    /// Bits of a float: squares of microseconds.
    sum_of_squares: AtomicU64,
    min_ns: AtomicU64,
    max_ns: AtomicU64,
    histogram: [AtomicU64; BUCKETS],
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            sum_us: AtomicU64::new(0),
            sum_of_squares: AtomicU64::new(0),
            min_ns: AtomicU64::new(u64::MAX),
            max_ns: AtomicU64::new(0),
            histogram: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Durations {
    pub(crate) fn add(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let us = ns / 1_000;
        count(&self.count);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        let square = (us as f64) * (us as f64);
        let _ = self
            .sum_of_squares
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
                Some((f64::from_bits(bits) + square).to_bits())
            });
        self.min_ns.fetch_min(ns, Ordering::Relaxed);
        self.max_ns.fetch_max(ns, Ordering::Relaxed);
        let bucket = (u64::BITS - us.leading_zeros()) as usize;
        if let Some(bucket) = self.histogram.get(bucket.min(BUCKETS - 1)) {
            count(bucket);
        }
    }

    fn timing(&self) -> Timing {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let count = of(&self.count);
        if count == 0 {
            return Timing::default();
        }
        let mean_us = of(&self.sum_us) as f64 / count as f64;
        let variance = f64::from_bits(of(&self.sum_of_squares)) / count as f64 - mean_us * mean_us;
        Timing {
            count,
            min: Duration::from_nanos(of(&self.min_ns)),
            max: Duration::from_nanos(of(&self.max_ns)),
            mean: Duration::from_secs_f64(mean_us / 1e6),
            deviation: Duration::from_secs_f64(variance.max(0.0).sqrt() / 1e6),
            histogram: self.histogram.iter().map(of).collect(),
        }
    }
}

impl Tally {
    pub(crate) fn stats(&self) -> FlightStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FlightStats {
            computations: of(&self.computations),
            failures: of(&self.failures),
            told_failures: of(&self.told_failures),
            waits: of(&self.waits),
            timeouts: of(&self.timeouts),
            stale_on_error: of(&self.stale_on_error),
            take_overs: of(&self.take_overs),
            entangled: of(&self.entangled),
            from_other_hosts: of(&self.from_other_hosts),
            fetches: of(&self.fetches),
            fetched_from_hosts: of(&self.fetched_from_hosts),
            superseded: of(&self.superseded),
            not_stored: of(&self.not_stored),
            computing: self.computing.timing(),
            waiting: self.waiting.timing(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timing_tells_extremes_mean_deviation_and_distribution() {
        let durations = Durations::default();
        assert_eq!(durations.timing(), Timing::default());
        for ms in [1, 3] {
            durations.add(Duration::from_millis(ms));
        }
        let timing = durations.timing();
        assert_eq!(timing.count, 2);
        assert_eq!(timing.min, Duration::from_millis(1));
        assert_eq!(timing.max, Duration::from_millis(3));
        assert_eq!(timing.mean, Duration::from_millis(2));
        assert_eq!(timing.deviation, Duration::from_millis(1));
        // 1,000 us is below 2^10, 3,000 below 2^12.
        assert_eq!((timing.histogram[10], timing.histogram[12]), (1, 1));
        durations.add(Duration::MAX);
        assert_eq!(durations.timing().histogram[BUCKETS - 1], 1);
    }
}
