//! Timing what takes about as long as reading the clock.

use std::time::Instant;

use crate::histogram::Histogram;

/// Measures spans, less what reading the clock itself takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    clock_ns: u64,
}

impl Stopwatch {
    /// Finds out what two readings of the clock, one right after the other, lie apart.
    pub(crate) fn calibrated() -> Self {
        let mut costs = Histogram::default();
        for _ in 0..10_000 {
            costs.record(elapsed_ns(Instant::now()));
        }
        Self {
            clock_ns: costs.percentile_ns(0.5),
        }
    }

    /// Nanoseconds since `begin`.
    pub(crate) fn ns_since(self, begin: Instant) -> u64 {
        elapsed_ns(begin).saturating_sub(self.clock_ns)
    }
}

fn elapsed_ns(begin: Instant) -> u64 {
    u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
