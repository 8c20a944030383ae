//! One worker process of the demo: answers requests from its host's cache, computes what is missing, and
//! holds every value against the source.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use guira::{Guira, Lifetime};
use guira_segment::Trust;
use nix::time::{ClockId, clock_gettime};

use super::announcer::{Announcer, Invalidated};
use super::function::Function;
use super::hosts::{Objects, coherence, objects};
use super::message::{Change, Computation, Deal, Reply, Task};
use super::source::Source;
use crate::error::{CliError, of_guira};
use crate::exit::Exit;
use crate::stopwatch::Stopwatch;
use crate::worker_process::{receive, send};

/// One of so many hits is timed.
const TIMED_HITS: u64 = 16;
/// One of so many hits is computed again and compared byte for byte.
const RECOMPUTED_HITS: u64 = 1_000;
/// What one reply tells of wrong values at most.
const MAX_EVIDENCE: usize = 3;

/// Answers deals until there are no more.
pub(crate) fn run(task: &Task, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<Exit, CliError> {
    let segment = task
        .segments
        .get(task.host)
        .ok_or_else(|| CliError::Usage(format!("there is no host {}; run `guira demo`", task.host)))?;
    let guira = Guira::builder()
        .coherence(coherence(&task.cluster, &task.broker, task.host))
        .open_existing(segment)
        .map_err(of_guira)?;
    let source = Source::open(&task.source).map_err(failed)?;
    let mut worker = Worker::new(guira, task.host, source, task.function)?;
    while let Some(deal) = receive::<Deal>(input).map_err(CliError::Output)? {
        worker.answer_all(&deal)?;
        send(out, &std::mem::take(&mut worker.reply)).map_err(CliError::Output)?;
    }
    Ok(Exit::Done)
}

struct Worker {
    guira: Guira,
    objects: Objects,
    host: usize,
    source: Arc<Source>,
    function: Function,
    stopwatch: Stopwatch,
    announcer: Announcer,
    hits: u64,
    reply: Reply,
}

/// What a failed read or write of the source is called.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
fn failed(error: std::io::Error) -> CliError {
    CliError::Failed(format!(
        "a worker cannot use the source or its threads: {error}; run the demo again"
    ))
}

impl Worker {
    fn new(guira: Guira, host: usize, source: Source, function: Function) -> Result<Self, CliError> {
        let source = Arc::new(source);
        Ok(Self {
            objects: objects(&guira)?,
            announcer: Announcer::start(Arc::clone(&source), host).map_err(failed)?,
            guira,
            host,
            source,
            function,
            stopwatch: Stopwatch::calibrated(),
            hits: 0,
            reply: Reply::default(),
        })
    }

    fn answer_all(&mut self, deal: &Deal) -> Result<(), CliError> {
        for (index, object) in deal.objects.iter().enumerate() {
            for change in deal.changes.iter().filter(|change| change.before == index) {
                self.change(change)?;
            }
            self.answer(*object)?;
        }
        let done = self.announcer.done().map_err(failed)?;
        self.reply.announced = done.objects;
        self.reply.accepted_ns = done.accepted_ns;
        self.reply.is_agent = self
            .guira
            .coherence_status()
            .is_some_and(|status| status.is_agent);
        Ok(())
    }

    /// Changes the source first, then invalidates, and only then says so: at once to this host.
    fn change(&mut self, change: &Change) -> Result<(), CliError> {
        let Change { object, version, .. } = *change;
        self.source.change(object, version).map_err(failed)?;
        let called_at = Instant::now();
        self.objects.invalidate(&object)?;
        self.reply
            .invalidations_ns
            .push(self.stopwatch.ns_since(called_at));
        self.source.announce(object, self.host, version).map_err(failed)?;
        self.announcer.follow(Invalidated {
            object,
            version,
            called_at,
            announced: self.guira.announced()?,
        });
        Ok(())
    }

    /// One request: a hit, or else a value that this or another worker computes.
    fn answer(&mut self, object: u32) -> Result<(), CliError> {
        let announced = self.source.announced(object, self.host).map_err(failed)?;
        let is_timed = self.hits.is_multiple_of(TIMED_HITS);
        let begin = is_timed.then(Instant::now);
        let found = self.objects.get(&object)?;
        let took_ns = begin.map(|begin| self.stopwatch.ns_since(begin));
        if let Some(value) = found {
            self.reply.hits += 1;
            self.reply.hits_ns.extend(took_ns);
            return self.check(&value, object, announced);
        }
        let is_trusted = self.is_trusted()?;
        let missed_ns = monotonic_ns();
        let (source, function, stopwatch) = (&self.source, self.function, self.stopwatch);
        let mut computed = None;
        // Whoever computes reads the source after its fill token was taken: what changes later supersedes it.
        let value = self
            .objects
            .try_get_or_compute_with(&object, Lifetime::never(), || {
                let version = source.current(object).map_err(failed)?;
                let begin = Instant::now();
                let value = function.compute(object, version);
                computed = Some((version, stopwatch.ns_since(begin)));
                Ok::<_, CliError>(value)
            })?;
        match computed {
            Some((version, work_ns)) => {
                self.reply.computations.push(Computation {
                    object,
                    version,
                    missed_ns,
                    filled_ns: monotonic_ns(),
                    is_trusted,
                    work_ns,
                });
                Ok(())
            }
            None => {
                self.reply.joined += 1;
                // Without trust nothing is promised of what was computed before.
                let announced = if is_trusted && self.is_trusted()? {
                    announced
                } else {
                    0
                };
                self.check(&value, object, announced)
            }
        }
    }

    fn is_trusted(&self) -> Result<bool, CliError> {
        Ok(matches!(self.objects.segment()?.trust(), Trust::Trusted { .. }))
    }

    /// Holds a value that was read against the function and the source.
    fn check(&mut self, value: &[u8], object: u32, announced: u64) -> Result<(), CliError> {
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
                "object {object} on host {}: version {version}, {announced} was to be seen before",
                self.host
            ));
        }
        if version > announced && version > self.source.current(object).map_err(failed)? {
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

/// The clock on which all processes agree.
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has a monotonic clock");
    u64::try_from(Duration::from(now).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use guira_bus::runtime::{Broker, BrokerConfig, BrokerHandle};

    use super::*;

    fn worker(directory: &tempfile::TempDir) -> (BrokerHandle, Worker) {
        let source = Source::create(&directory.path().join("source"), 10).expect("a new file");
        let endpoint = "tcp://127.0.0.1:0".parse().expect("an address");
        let broker = Broker::bind(BrokerConfig::new(endpoint, "demo")).expect("a free port");
        let broker = broker.spawn().expect("a thread");
        let guira = Guira::builder()
            .size(16 << 20)
            .coherence(coherence("demo", &broker.endpoint().to_string(), 0))
            .private()
            .expect("a coherent cache");
        let function = Function {
            rounds: 10,
            value_bytes: 100,
        };
        let worker = Worker::new(guira, 0, source, function).expect("a worker");
        let begin = Instant::now();
        while !worker.is_trusted().expect("a namespace") {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "the namespace is not followed"
            );
            std::thread::park_timeout(Duration::from_millis(2));
        }
        (broker, worker)
    }

    #[test]
    fn a_miss_is_computed_once_and_then_hit_until_it_changes() {
        let directory = tempfile::tempdir().expect("a directory");
        let (_broker, mut worker) = worker(&directory);
        let change = Change {
            before: 2,
            object: 3,
            version: 1,
        };
        let deal = Deal {
            objects: vec![3, 3, 3, 3],
            changes: vec![change],
        };
        worker.answer_all(&deal).expect("in range");
        let reply = std::mem::take(&mut worker.reply);
        let versions: Vec<u64> = reply.computations.iter().map(|done| done.version).collect();
        assert_eq!((reply.hits, versions), (2, vec![0, 1]));
        assert_eq!((reply.wrong_values, reply.stale_reads), (0, 0));
        assert_eq!(reply.invalidations_ns.len(), 1);
        assert!(reply.is_agent);
        assert_eq!(worker.source.announced(3, 0).expect("in range"), 1);
        // The other host is to know it one bound after it was accepted, and not before.
        assert_eq!(
            (reply.announced, worker.source.announced(3, 1).expect("in range")),
            (vec![], 0)
        );
        let begin = Instant::now();
        let done = loop {
            let done = worker.announcer.done().expect("the source is there");
            if !done.objects.is_empty() {
                break done;
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "it is never announced");
            std::thread::park_timeout(Duration::from_millis(2));
        };
        assert_eq!(
            (done.objects, worker.source.announced(3, 1).expect("in range")),
            (vec![3], 1)
        );
    }

    #[test]
    fn stale_wrong_and_impossible_values_are_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (_broker, mut worker) = worker(&directory);
        let put = |worker: &Worker, value: Vec<u8>| {
            worker.objects.put(&3, &value, Lifetime::never()).expect("room");
        };
        put(&worker, worker.function.compute(3, 0));
        worker.source.change(3, 1).expect("in range");
        worker.source.announce(3, 1, 1).expect("in range");
        worker.answer(3).expect("in range");
        assert_eq!(worker.reply.stale_reads, 0, "only the other host must know it");
        worker.source.announce(3, 0, 1).expect("in range");
        worker.answer(3).expect("in range");
        assert_eq!((worker.reply.stale_reads, worker.reply.wrong_values), (1, 0));
        put(&worker, worker.function.compute(4, 1));
        worker.answer(3).expect("in range");
        put(&worker, worker.function.compute(3, 2));
        worker.answer(3).expect("in range");
        assert_eq!((worker.reply.stale_reads, worker.reply.wrong_values), (1, 2));
        // A value whose check fits but whose work was never done.
        let lazy = Function {
            rounds: 9,
            ..worker.function
        };
        put(&worker, lazy.compute(3, 1));
        worker.hits = RECOMPUTED_HITS - 1;
        worker.answer(3).expect("in range");
        assert_eq!(worker.reply.wrong_values, 3);
        assert_eq!(worker.reply.evidence.len(), MAX_EVIDENCE);
    }
}
