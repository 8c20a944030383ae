//! One operation at a time: informs what may be done inside an operation: steps of reclaim, waits,
//! tidying. The clock's own share is subtracted; no operation overlaps the next.

use std::ops::Range;
use std::time::Instant;

use hdrhistogram::Histogram;

use super::{Operation, Room, Scratch, Spec, Tally, get, set};
use crate::error::BenchError;
use crate::peers::Cache;
use crate::workload::{Stream, fold};

pub(super) const GET: Spec = Spec {
    title: "latency of GET, Zipf 0.99, 100 B copied out",
    operation: Operation::TimedGet,
    is_paired: false,
    ..get::COPIED
};

pub(super) const SET: Spec = Spec {
    title: "latency of SET, uniform, 100 B as before, slack 10 %",
    operation: Operation::TimedPut,
    room: Room::Slack { percent: 10 },
    is_paired: false,
    ..set::UNIFORM
};

/// Readings from which the clock's cost is taken.
const CLOCK_READINGS: usize = 10_000;

/// The longest operation that is told from longer ones: a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// Nanoseconds of single operations, with three digits.
pub(crate) fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("the bounds are in order")
}

/// What reading the clock twice takes, in nanoseconds: the median.
pub(crate) fn clock_ns() -> u64 {
    let mut readings: Vec<u64> = (0..CLOCK_READINGS)
        .map(|_| Instant::now().elapsed().as_nanos() as u64)
        .collect();
    readings.sort_unstable();
    readings[CLOCK_READINGS / 2]
}

/// Records how long each operation of `range` takes, less `clock_ns`.
pub(crate) fn each<C: Cache>(
    cache: &mut C,
    stream: &Stream,
    scratch: &mut Scratch,
    range: Range<usize>,
    is_get: bool,
    (clock_ns, histogram): (u64, &mut Histogram<u64>),
) -> Result<Tally, BenchError> {
    let bytes = scratch.value_bytes;
    let mut tally = Tally::default();
    for at in range {
        let key = stream.key(at);
        let took = if is_get {
            let began = Instant::now();
            let is_hit = cache.get(key, &mut scratch.copy)?;
            let took = began.elapsed();
            tally.count(is_hit.then(|| fold(&scratch.copy)));
            took
        } else {
            let value = scratch.values.value(stream.index(at), bytes);
            let began = Instant::now();
            cache.put(key, value)?;
            began.elapsed()
        };
        let took_ns = (took.as_nanos() as u64).saturating_sub(clock_ns);
        histogram.saturating_record(took_ns.max(1));
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_told_from_microseconds() {
        let mut histogram = empty_histogram();
        for took_ns in [100, 3_000_000, u64::MAX] {
            histogram.saturating_record(took_ns);
        }
        let near = |quantile, ns: u64| {
            let value = histogram.value_at_quantile(quantile);
            assert!(value.abs_diff(ns) <= ns / 500, "{value} for {ns}");
        };
        near(0.1, 100);
        near(0.5, 3_000_000);
        assert!(histogram.max() >= LONGEST_NS);
    }
}
