//! One worker process of the demo: answers requests from the segment, computes what is missing, and
//! holds every value against the source.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use guira_segment::{Expiry, Fill, FillToken, Flight, FlightEnd, Lookup, PutOptions, Segment};
use nix::time::{ClockId, clock_gettime};

use super::function::Function;
use super::message::{Change, Computation, Deal, Reply, Task};
use super::source::Source;
use crate::error::CliError;
use crate::exit::Exit;
use crate::stopwatch::Stopwatch;
use crate::worker_process::{receive, send};

/// How long a computation may take before another worker begins it anew.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a worker waits for another's computation before it computes itself.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// One of so many hits is timed.
const TIMED_HITS: u64 = 16;
/// One of so many hits is computed again and compared byte for byte.
const RECOMPUTED_HITS: u64 = 1_000;
/// What one reply tells of wrong values at most.
const MAX_EVIDENCE: usize = 3;

/// Answers deals until there are no more.
pub(crate) fn run(task: &Task, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<Exit, CliError> {
    let mut worker = Worker {
        segment: Segment::builder().open(&task.segment)?,
        source: Source::open(&task.source).map_err(CliError::io("open", &task.source))?,
        function: task.function,
        stopwatch: Stopwatch::calibrated(),
        hits: 0,
        reply: Reply::default(),
    };
    while let Some(deal) = receive::<Deal>(input).map_err(CliError::Output)? {
        worker
            .answer_all(&deal)
            .map_err(CliError::io("read or write", &task.source))?;
        send(out, &std::mem::take(&mut worker.reply)).map_err(CliError::Output)?;
    }
    Ok(Exit::Done)
}

struct Worker {
    segment: Segment,
    source: Source,
    function: Function,
    stopwatch: Stopwatch,
    hits: u64,
    reply: Reply,
}

/// The key of an object.
pub(crate) fn key_of(object: u32) -> String {
    format!("object:{object}")
}

impl Worker {
    fn answer_all(&mut self, deal: &Deal) -> io::Result<()> {
        for (index, object) in deal.objects.iter().enumerate() {
            if let Some(change) = deal.change.filter(|change| change.before == index) {
                self.change(&change)?;
            }
            self.answer(*object)?;
        }
        Ok(())
    }

    /// Changes the source first, then invalidates, and only then says so.
    fn change(&mut self, change: &Change) -> io::Result<()> {
        self.source.change(change.object, change.version)?;
        let key = key_of(change.object);
        let begin = Instant::now();
        self.segment.invalidate(key.as_bytes());
        self.reply.invalidation_ns = Some(self.stopwatch.ns_since(begin));
        self.source.announce(change.object, change.version)
    }

    /// One request: a hit, or else a value that this or another worker computes.
    fn answer(&mut self, object: u32) -> io::Result<()> {
        let key = key_of(object);
        let key = key.as_bytes();
        let announced = self.source.announced(object)?;
        let missed_ns = monotonic_ns();
        let is_timed = self.hits.is_multiple_of(TIMED_HITS);
        let begin = is_timed.then(Instant::now);
        let found = self.segment.lookup(key);
        let took_ns = begin.map(|begin| self.stopwatch.ns_since(begin));
        match copied(found) {
            Ok(value) => {
                self.reply.hits += 1;
                self.reply.hits_ns.extend(took_ns);
                self.check(&value, object, announced)
            }
            Err(token) => self.answer_miss(key, object, announced, missed_ns, token),
        }
    }

    fn answer_miss(
        &mut self,
        key: &[u8],
        object: u32,
        announced: u64,
        mut missed_ns: u64,
        mut token: FillToken,
    ) -> io::Result<()> {
        // Handles are cheap; a flight borrows this one while the worker counts.
        let segment = self.segment.clone();
        loop {
            let lead = match segment.flight(key, &token, PATIENCE) {
                Flight::Lead(lead) => Some(lead),
                Flight::Alone => return self.compute(key, object, missed_ns, &token),
                Flight::Wait(wait) => match wait.wait(MAX_WAIT) {
                    FlightEnd::Landed => None,
                    FlightEnd::TakenOver(lead) => Some(lead),
                    FlightEnd::TimedOut => return self.compute(key, object, missed_ns, &token),
                },
            };
            // Another worker may have filled the key between the look-up and the flight.
            missed_ns = monotonic_ns();
            match copied(segment.lookup(key)) {
                Ok(value) => {
                    drop(lead);
                    self.reply.joined += 1;
                    return self.check(&value, object, announced);
                }
                Err(newer) => token = newer,
            }
            if let Some(lead) = lead {
                let computed = self.compute(key, object, missed_ns, &token);
                drop(lead);
                return computed;
            }
        }
    }

    /// The source is read after the token was taken: what changes later supersedes the fill.
    fn compute(&mut self, key: &[u8], object: u32, missed_ns: u64, token: &FillToken) -> io::Result<()> {
        let version = self.source.current(object)?;
        let begin = Instant::now();
        let value = self.function.compute(object, version);
        let work_ns = self.stopwatch.ns_since(begin);
        let options = PutOptions::from(Expiry::never());
        if self.segment.fill(key, &value, token, &options) != Ok(Fill::Stored) {
            self.reply.not_stored += 1;
        }
        self.reply.computations.push(Computation {
            object,
            version,
            missed_ns,
            filled_ns: monotonic_ns(),
            work_ns,
        });
        Ok(())
    }

    /// Holds a value that was read against the function and the source.
    fn check(&mut self, value: &[u8], object: u32, announced: u64) -> io::Result<()> {
        self.hits += 1;
        let version = match self.function.version_in(value, object) {
            None => {
                self.wrong(format!(
                    "object {object}: {} bytes that are no value of it",
                    value.len()
                ));
                return Ok(());
            }
            Some(version) => version,
        };
        if version < announced {
            self.reply.stale_reads += 1;
            self.tell(format!(
                "object {object}: version {version}, {announced} was invalidated before"
            ));
        }
        if version > announced && version > self.source.current(object)? {
            self.wrong(format!("object {object}: version {version} was never there"));
        }
        if self.hits.is_multiple_of(RECOMPUTED_HITS) && self.function.compute(object, version) != value {
            self.wrong(format!(
                "object {object}: version {version} computed again differs"
            ));
        }
        Ok(())
    }

    fn wrong(&mut self, evidence: String) {
        self.reply.wrong_values += 1;
        self.tell(evidence);
    }

    fn tell(&mut self, evidence: String) {
        if self.reply.evidence.len() < MAX_EVIDENCE {
            self.reply.evidence.push(evidence);
        }
    }
}

/// The value, copied so that its block is free again, or the token to compute it with.
fn copied(found: Lookup<'_>) -> Result<Vec<u8>, FillToken> {
    match found {
        Lookup::Hit(value) | Lookup::Stale(value, _) => Ok(value.to_vec()),
        Lookup::Miss(token) => Err(token),
    }
}

/// The clock on which all processes agree.
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has a monotonic clock");
    u64::try_from(Duration::from(now).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(directory: &tempfile::TempDir) -> Worker {
        let source = Source::create(&directory.path().join("source"), 10).expect("a new file");
        Worker {
            segment: Segment::builder()
                .size(8 << 20)
                .private()
                .expect("a private segment"),
            source,
            function: Function {
                rounds: 10,
                value_bytes: 100,
            },
            stopwatch: Stopwatch::calibrated(),
            hits: 0,
            reply: Reply::default(),
        }
    }

    #[test]
    fn a_miss_is_computed_once_and_then_hit_until_it_changes() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut worker = worker(&directory);
        let change = Change {
            before: 2,
            object: 3,
            version: 1,
        };
        let deal = Deal {
            objects: vec![3, 3, 3, 3],
            change: Some(change),
        };
        worker.answer_all(&deal).expect("in range");
        let reply = &worker.reply;
        let versions: Vec<u64> = reply.computations.iter().map(|done| done.version).collect();
        assert_eq!((reply.hits, versions), (2, vec![0, 1]));
        assert_eq!(
            (reply.wrong_values, reply.stale_reads, reply.not_stored),
            (0, 0, 0)
        );
        assert!(reply.invalidation_ns.is_some());
    }

    #[test]
    fn stale_wrong_and_impossible_values_are_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut worker = worker(&directory);
        let put = |worker: &Worker, value: &[u8]| {
            worker
                .segment
                .put(b"object:3", value, Expiry::never())
                .expect("room");
        };
        put(&worker, &worker.function.compute(3, 0));
        worker.source.change(3, 1).expect("in range");
        worker.source.announce(3, 1).expect("in range");
        worker.answer(3).expect("in range");
        assert_eq!((worker.reply.stale_reads, worker.reply.wrong_values), (1, 0));
        put(&worker, &worker.function.compute(4, 1));
        worker.answer(3).expect("in range");
        put(&worker, &worker.function.compute(3, 2));
        worker.answer(3).expect("in range");
        assert_eq!((worker.reply.stale_reads, worker.reply.wrong_values), (1, 2));
        // A value whose check fits but whose work was never done.
        let lazy = Function {
            rounds: 9,
            ..worker.function
        };
        put(&worker, &lazy.compute(3, 1));
        worker.hits = RECOMPUTED_HITS - 1;
        worker.answer(3).expect("in range");
        assert_eq!(worker.reply.wrong_values, 3);
        assert_eq!(worker.reply.evidence.len(), MAX_EVIDENCE);
    }
}
