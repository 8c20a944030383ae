//! Many sequences on all processors, each told by the run's seed and its number; one that fails is
//! made as short as it can be.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Tally, World, check};
use crate::random::Random;

/// How much is run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Of every random choice but the segments' own.
    pub seed: u64,
    /// Sequences.
    pub sequences: u64,
    /// Number of the first one: `1` more than the last of an earlier run goes on with that.
    pub first: u64,
    /// At once.
    pub threads: usize,
    /// After this no further sequence is begun.
    pub time: Option<Duration>,
}

/// What a run has done.
#[derive(Debug, Default)]
pub struct Report {
    /// Sequences that were run.
    pub sequences: u64,
    /// What their operations came to.
    pub tally: Tally,
    /// The first few that failed.
    pub failures: Vec<Failure>,
    /// How many failed.
    pub failed: u64,
}

/// A sequence that was answered wrongly.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its number.
    pub sequence: u64,
    /// Where.
    pub world: World,
    /// What was wrong.
    pub message: String,
    /// As few operations as still fail.
    pub numbers: Vec<u64>,
}

/// Failures that are shortened and shown.
const MAX_SHOWN: usize = 8;
/// How often a shortened sequence is tried: the segments' hash seeds are their own.
const TRIES: u32 = 12;

/// The world and the operations of one sequence.
#[must_use]
pub fn sequence(seed: u64, number: u64) -> (World, Vec<u64>) {
    let random = &mut Random::new(seed, number);
    let world = World::random(random);
    let length = 10 + random.below(if world.may_evict { 200 } else { 80 });
    (world, (0..length).map(|_| random.next()).collect())
}

/// Runs them all.
///
/// # Panics
///
/// When a thread of the run itself panics.
#[must_use]
pub fn run(run: &Run) -> Report {
    install_quiet_hook();
    let next = AtomicU64::new(0);
    let began = Instant::now();
    let report = Mutex::new(Report::default());
    thread::scope(|scope| {
        for _ in 0..run.threads.max(1) {
            scope.spawn(|| {
                let own = work(run, &next, began);
                report.lock().expect("no thread panics with it").add(own);
            });
        }
    });
    report.into_inner().expect("no thread panics with it")
}

fn work(run: &Run, next: &AtomicU64, began: Instant) -> Report {
    let mut report = Report::default();
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        if at >= run.sequences || run.time.is_some_and(|time| began.elapsed() >= time) {
            return report;
        }
        let number = run.first + at;
        let (world, numbers) = sequence(run.seed, number);
        report.sequences += 1;
        if let Err(message) = attempt(world, &numbers, &mut report.tally) {
            report.failed += 1;
            if report.failures.len() < MAX_SHOWN {
                report.failures.push(shorten(number, world, numbers, message));
            }
        }
    }
}

impl Report {
    fn add(&mut self, other: Self) {
        self.sequences += other.sequences;
        self.tally.add(&other.tally);
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(MAX_SHOWN);
    }
}

/// One sequence; what was wrong if it was answered wrongly.
///
/// # Errors
///
/// The message of the check that failed.
pub fn attempt(world: World, numbers: &[u64], tally: &mut Tally) -> Result<(), String> {
    panic::catch_unwind(AssertUnwindSafe(|| check(world, numbers, tally)))
        .map_err(|cause| format!("{} {}", message_of(&*cause), PLACE.take()))
}

fn message_of(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

thread_local! {
    /// Where the last panic of this thread was.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics are results here: they are reported once, shortened.
fn install_quiet_hook() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|location| format!("({location})"));
        PLACE.set(place.unwrap_or_default());
    }));
}

/// Leaves out operations, first many at once, as long as what is left still fails.
fn shorten(sequence: u64, world: World, mut numbers: Vec<u64>, mut message: String) -> Failure {
    let mut chunk = numbers.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        while at < numbers.len() {
            let mut fewer = numbers.clone();
            fewer.drain(at..(at + chunk).min(fewer.len()));
            match fails(world, &fewer) {
                Some(told) => (numbers, message) = (fewer, told),
                None => at += chunk,
            }
        }
        chunk /= 2;
    }
    Failure {
        sequence,
        world,
        message,
        numbers,
    }
}

fn fails(world: World, numbers: &[u64]) -> Option<String> {
    (0..TRIES).find_map(|_| attempt(world, numbers, &mut Tally::default()).err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_number_tell_a_sequence() {
        assert_eq!(sequence(1, 7), sequence(1, 7));
        assert_ne!(sequence(1, 7), sequence(1, 8));
        assert_ne!(sequence(1, 7), sequence(2, 7));
    }
}
