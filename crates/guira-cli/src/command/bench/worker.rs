//! One process of a bench: its threads repeat their accesses until the time is over.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use guira_segment::{Expiry, Segment, StoreError};
use guira_trace::Access;
use serde::{Deserialize, Serialize};

use super::NAMESPACE;
use super::workload::{Workload, key_bytes, value_of};
use crate::error::CliError;
use crate::exit::Exit;
use crate::histogram::Histogram;
use crate::random::Random;
use crate::stopwatch::Stopwatch;
use crate::target::Target;
use crate::worker_process::{receive, send};

/// One of so many operations is timed.
const TIMED_EVERY: u64 = 8;
/// The time is looked at after so many accesses.
const ACCESSES_PER_LOOK: usize = 64;

/// What a worker process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) path: PathBuf,
    pub(crate) allow_group: bool,
    pub(crate) threads: u32,
    pub(crate) seconds: Duration,
    pub(crate) workload: Workload,
    pub(crate) seed: u64,
}

/// Everything is drawn and opened: said by a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready;

/// Begin: said to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Go;

/// What was done, by one thread or by all.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    pub(crate) gets: u64,
    pub(crate) hits: u64,
    pub(crate) puts: u64,
    /// Puts for which there was no room, or too much contention.
    pub(crate) failed_puts: u64,
    pub(crate) ops_per_s: f64,
    pub(crate) latency: Histogram,
}

impl Sums {
    pub(crate) fn add(&mut self, other: &Self) {
        self.gets += other.gets;
        self.hits += other.hits;
        self.puts += other.puts;
        self.failed_puts += other.failed_puts;
        self.ops_per_s += other.ops_per_s;
        self.latency.add(&other.latency);
    }

    pub(crate) const fn ops(&self) -> u64 {
        self.gets + self.puts
    }
}

pub(crate) fn run(task: &Task, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<Exit, CliError> {
    let target = Target {
        path: task.path.clone(),
        allow_group: task.allow_group,
    };
    let space = target.made(target.open()?, Some(NAMESPACE))?;
    let mut plans = Vec::new();
    for thread in 0..task.threads {
        let mut random = Random::new(task.seed + u64::from(thread));
        plans.push((task.workload.accesses(&mut random)?, random));
    }
    let stopwatch = Stopwatch::calibrated();
    send(out, &Ready).map_err(CliError::Output)?;
    if receive::<Go>(input).map_err(CliError::Output)?.is_none() {
        return Ok(Exit::Done);
    }
    let start = Barrier::new(plans.len());
    let mut sums = Sums::default();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = plans
            .into_iter()
            .enumerate()
            .map(|(thread, (accesses, random))| {
                let mut runner = Runner {
                    space: &space,
                    workload: &task.workload,
                    random,
                    value: Vec::new(),
                    stopwatch,
                    sums: Sums::default(),
                };
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    // Threads that repeat the same trace do so from different places.
                    let first = accesses.len() / task.threads as usize * thread;
                    runner
                        .repeat(&accesses, first, task.seconds)
                        .map(|()| runner.sums)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    for result in results {
        match result {
            Ok(done) => sums.add(&done.map_err(CliError::store(&task.path))?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    send(out, &sums).map_err(CliError::Output)?;
    Ok(Exit::Done)
}

struct Runner<'s> {
    space: &'s Segment,
    workload: &'s Workload,
    random: Random,
    value: Vec<u8>,
    stopwatch: Stopwatch,
    sums: Sums,
}

impl Runner<'_> {
    fn repeat(&mut self, accesses: &[Access], first: usize, seconds: Duration) -> Result<(), StoreError> {
        let begin = Instant::now();
        let mut turn = accesses.iter().cycle().skip(first);
        let elapsed = loop {
            for access in turn.by_ref().take(ACCESSES_PER_LOOK) {
                self.access(*access)?;
            }
            let elapsed = begin.elapsed();
            if elapsed >= seconds {
                break elapsed;
            }
        };
        self.sums.ops_per_s = self.sums.ops() as f64 / elapsed.as_secs_f64();
        Ok(())
    }

    fn access(&mut self, access: Access) -> Result<(), StoreError> {
        let mix = self.workload.mix;
        let is_put = self.workload.trace.is_none()
            && self.random.below(u64::from(mix.gets) + u64::from(mix.puts)) >= u64::from(mix.gets);
        if is_put || !self.get(access) {
            self.put(access)
        } else {
            Ok(())
        }
    }

    fn get(&mut self, access: Access) -> bool {
        let begin = self.timed_begin();
        let hit = self.space.get_into(&key_bytes(access.key), &mut self.value);
        self.timed_end(begin);
        self.sums.gets += 1;
        self.sums.hits += u64::from(hit);
        hit
    }

    fn put(&mut self, access: Access) -> Result<(), StoreError> {
        value_of(
            access.key,
            self.workload.value_bytes_of(access.size_bytes),
            &mut self.value,
        );
        let begin = self.timed_begin();
        let put = self
            .space
            .put(&key_bytes(access.key), &self.value, Expiry::never());
        self.timed_end(begin);
        self.sums.puts += 1;
        match put {
            Ok(_) => {}
            Err(StoreError::NoSpace | StoreError::Contended { .. }) => self.sums.failed_puts += 1,
            // A trace may hold an object that no segment of this size takes.
            Err(StoreError::ValueTooLarge { .. }) if self.workload.trace.is_some() => {
                self.sums.failed_puts += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn timed_begin(&self) -> Option<Instant> {
        self.sums.ops().is_multiple_of(TIMED_EVERY).then(Instant::now)
    }

    fn timed_end(&mut self, begin: Option<Instant>) {
        if let Some(begin) = begin {
            self.sums.latency.record(self.stopwatch.ns_since(begin));
        }
    }
}
