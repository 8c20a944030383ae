//! One thread's way through its stream with one handle to a cache.

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use super::message::Outcome;
use crate::bench::{Operation, Scratch, Tally, Workload, expected_sum, get, latency, mix, multi_get, set};
use crate::error::BenchError;
use crate::peers::{Cache, Subject};
use crate::rounds::Lap;
use crate::workload::{Stream, Values, write_key};

/// Bytes read or written between two looks at the clock.
const BYTES_PER_CHECK: usize = 128 << 10;
const MOST_OPERATIONS_PER_CHECK: usize = 256;
const SERVER_OPERATIONS_PER_CHECK: usize = 16;
/// Look-ups whose values are compared byte by byte before anything is measured.
const COMPARED_OPERATIONS: usize = 20_000;
/// Most turns of warming in multiples of the keys; a log turns over long before.
const MOST_WARMING_TURNS: usize = 40;

/// A handle, and how far it is in the stream.
pub(super) struct Lane<C> {
    cache: C,
    subject: Subject,
    operation: Operation,
    keeps_all: bool,
    stream: Arc<Stream>,
    next: usize,
    keys: usize,
    scratch: Scratch,
}

impl<C: Cache> Lane<C> {
    pub(super) fn new(
        cache: C,
        subject: Subject,
        workload: Workload,
        keys: usize,
        stream: Arc<Stream>,
    ) -> Self {
        let spec = workload.spec();
        let holding = workload.holding(keys);
        Self {
            cache,
            subject,
            operation: spec.operation,
            keeps_all: spec.room != crate::bench::Room::Tenth,
            stream,
            next: 0,
            keys: holding.keys,
            scratch: Scratch {
                copy: Vec::with_capacity(holding.longest_value_bytes + 2),
                values: Values::new(holding.longest_value_bytes),
                value_bytes: spec.value_bytes,
            },
        }
    }

    /// The same, its first key being another of the stream.
    pub(super) fn beginning_at(mut self, next: usize) -> Self {
        self.next = next;
        self
    }

    pub(super) fn sibling(&self) -> Option<crate::peers::MakeSibling<C>> {
        self.cache.sibling()
    }

    /// Stores values in the stream's order until the cache is as it will be after hours.
    pub(super) fn warm(&mut self) -> Result<(), BenchError> {
        if !self.operation.writes() {
            return Ok(());
        }
        // A server stores in place, and takes its time.
        let sets = if C::IS_SERVER {
            self.keys / 20
        } else {
            2 * self.keys
        };
        for turn in 0..MOST_WARMING_TURNS {
            if turn > 0 && self.cache.has_turned_over() {
                break;
            }
            for _ in 0..sets.div_ceil(MOST_OPERATIONS_PER_CHECK) {
                let range = self.advance(MOST_OPERATIONS_PER_CHECK);
                let store = if self.operation == Operation::PutOtherSize {
                    set::other_sizes
                } else {
                    set::same_size
                };
                store(&mut self.cache, &self.stream, &mut self.scratch, range)?;
            }
        }
        Ok(())
    }

    /// Compares the values of the stream's first keys, byte by byte.
    pub(super) fn compare(&mut self) -> Result<(), BenchError> {
        if self.subject.is_raw() {
            return Ok(());
        }
        for at in 0..COMPARED_OPERATIONS.min(self.stream.len()).min(10 * self.keys) {
            let index = self.stream.index(at);
            let is_hit = self.cache.get(self.stream.key(at), &mut self.scratch.copy)?;
            let is_right = self.scratch.values.is_value_of(index, &self.scratch.copy);
            if (is_hit && !is_right) || (!is_hit && self.keeps_all) {
                return Err(BenchError::WrongValue {
                    subject: self.subject.name(),
                    key: index,
                });
            }
        }
        Ok(())
    }

    /// The share of all keys that have a value.
    pub(super) fn kept_share(&mut self) -> Result<f64, BenchError> {
        let mut key = Vec::new();
        let mut kept = 0;
        for index in 0..self.keys {
            write_key(index, &mut key);
            kept += usize::from(self.cache.get(&key, &mut self.scratch.copy)?);
        }
        Ok(kept as f64 / self.keys as f64)
    }

    /// Works for at least `duration`, and proves by a sum that the values were read.
    pub(super) fn lap(&mut self, duration: Duration) -> Result<Outcome, BenchError> {
        let per_check = self.operations_per_check();
        let mut histogram = latency::empty_histogram();
        let clock_ns = if self.operation.is_timed() {
            latency::clock_ns()
        } else {
            0
        };
        let mut ranges = Vec::with_capacity(1 << 12);
        let mut tally = Tally::default();
        let mut operations = 0;
        let cpu_began = thread_time()?;
        let began = Instant::now();
        while began.elapsed() < duration {
            let range = self.advance(per_check);
            let (cache, stream, scratch) = (&mut self.cache, &*self.stream, &mut self.scratch);
            let at = range.clone();
            tally += match self.operation {
                Operation::Get => get::copied(cache, stream, scratch, at),
                Operation::Ends => get::borrowed(cache, stream, at),
                Operation::GetMany => multi_get::batches(cache, stream, scratch, at),
                Operation::Put => set::same_size(cache, stream, scratch, at),
                Operation::PutOtherSize => set::other_sizes(cache, stream, scratch, at),
                Operation::Mix { reads_percent } => mix::mixed(cache, stream, scratch, at, reads_percent),
                Operation::TimedGet => {
                    latency::each(cache, stream, scratch, at, true, (clock_ns, &mut histogram))
                }
                Operation::TimedPut => {
                    latency::each(cache, stream, scratch, at, false, (clock_ns, &mut histogram))
                }
            }?;
            black_box(scratch.copy.as_slice());
            operations += range.len() as u64;
            ranges.push(range);
        }
        let wall = began.elapsed();
        let cpu = thread_time()?.saturating_sub(cpu_began);
        self.prove(tally, &ranges)?;
        Ok(Outcome {
            lap: Lap {
                operations,
                reads: tally.reads,
                hits: tally.hits,
                wall_ns: wall.as_nanos() as u64,
                cpu_ns: cpu.as_nanos() as u64,
            },
            latencies: histogram
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect(),
        })
    }

    /// In the raw loop keys share slots, so its sum says nothing; nor does one with misses in it.
    fn prove(&self, tally: Tally, ranges: &[Range<usize>]) -> Result<(), BenchError> {
        if self.subject.is_raw() || tally.hits != tally.reads {
            return Ok(());
        }
        let values = (&self.scratch.values, self.scratch.value_bytes);
        let expected = ranges.iter().fold(0_u64, |sum, range| {
            sum.wrapping_add(expected_sum(self.operation, &self.stream, values, range.clone()))
        });
        if tally.sum == expected {
            Ok(())
        } else {
            Err(BenchError::WrongSum {
                subject: self.subject.name(),
            })
        }
    }

    fn operations_per_check(&self) -> usize {
        if self.operation == Operation::GetMany {
            return multi_get::KEYS;
        }
        let at_most = if C::IS_SERVER {
            SERVER_OPERATIONS_PER_CHECK
        } else {
            MOST_OPERATIONS_PER_CHECK
        };
        (BYTES_PER_CHECK / self.scratch.value_bytes).clamp(1, at_most)
    }

    fn advance(&mut self, operations: usize) -> Range<usize> {
        if self.next + operations > self.stream.len() {
            self.next = 0;
        }
        let range = self.next..self.next + operations;
        self.next = range.end;
        range
    }
}

fn thread_time() -> Result<Duration, BenchError> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .map_err(|errno| BenchError::System {
            doing: "read the thread's clock",
            source: errno.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::MakeSibling;
    use crate::workload::Popularity;

    const KEYS: usize = 1000;

    /// Knows every value without storing any, and cheats from some look-up on.
    struct Oracle {
        values: Values,
        look_ups: usize,
        honest_look_ups: usize,
    }

    impl Cache for Oracle {
        fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
            self.look_ups += 1;
            let digits = std::str::from_utf8(&key[..8]).expect("keys begin with their number");
            let index: usize = digits.parse().expect("keys begin with their number");
            let cheat = usize::from(self.look_ups > self.honest_look_ups);
            copy.clear();
            copy.extend_from_slice(self.values.value(index + cheat, 100));
            Ok(true)
        }

        fn ends(&mut self, _: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
            Ok(None)
        }

        fn put(&mut self, _: &[u8], _: &[u8]) -> Result<(), BenchError> {
            Ok(())
        }

        fn sibling(&self) -> Option<MakeSibling<Self>> {
            None
        }
    }

    fn lane(honest_look_ups: usize) -> Lane<Oracle> {
        let oracle = Oracle {
            values: Values::new(100),
            look_ups: 0,
            honest_look_ups,
        };
        let stream = Arc::new(Stream::new(KEYS, Popularity::Zipf, 1));
        let guira = Subject::Guira { huge_pages: false };
        Lane::new(oracle, guira, Workload::GetCopied, KEYS, stream)
    }

    #[test]
    fn a_lap_counts_what_an_honest_cache_did() {
        let outcome = lane(usize::MAX).lap(Duration::from_millis(1)).unwrap();
        assert!(outcome.lap.operations > 0);
        assert_eq!(outcome.lap.hits, outcome.lap.operations);
        assert!(outcome.lap.wall_ns >= 1_000_000);
    }

    #[test]
    fn a_cache_that_gives_another_value_is_found_out_before_and_while_it_is_measured() {
        assert!(matches!(lane(10).compare(), Err(BenchError::WrongValue { .. })));
        let mut late = lane(COMPARED_OPERATIONS + 100);
        late.compare().unwrap();
        let outcome = late.lap(Duration::from_millis(1));
        assert!(matches!(outcome, Err(BenchError::WrongSum { .. })));
    }
}
