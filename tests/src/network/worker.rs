//! A worker of a host: one thread reads and judges, another changes the source, invalidates and promises.

use std::time::Duration;

use guira::coherence::{Announced, Coherence, Reach, WhenSuspect};
use guira::{Cache, Error, FlightOptions, Guira};
use guira_shm::sync::Ordering;

use super::truth::{KEYS, Truth, now_ns};
use super::{CACHE, CLUSTER, Mistake, NetworkError, NetworkPlan};
use crate::board::{Board, ROW_KINDS, ROW_OPERATIONS};
use crate::experiment::Assignment;
use crate::journal::Journal;
use crate::random::Random;

/// What is counted, by index.
pub(super) const COUNTED: [&str; 11] = [
    "reads",
    "trusted hits",
    "fills",
    "invalidations",
    "promises after Accepted",
    "promises after Applied",
    "promises without room",
    "waits that took long",
    "waits that were given up",
    "calls that failed",
    "hits that a promise was judged by",
];
const READS: usize = 0;
pub(super) const HITS: usize = 1;
const FILLS: usize = 2;
pub(super) const INVALIDATIONS: usize = 3;
pub(super) const ACCEPTED: usize = 4;
pub(super) const APPLIED: usize = 5;
const NO_ROOM: usize = 6;
const LONG_WAITS: usize = 7;
const GIVEN_UP: usize = 8;
pub(super) const FAILED: usize = 9;
pub(super) const JUDGED: usize = 10;
/// Whether this process is its host's agent: in the row of its first thread.
pub(super) const IS_AGENT: usize = ROW_KINDS + 31;

/// Threads of a worker.
pub(super) const THREADS: usize = 2;

const LIFETIME: Duration = Duration::from_secs(3_600);
/// A stopped leader of a computation is replaced so soon.
const PATIENCE: Duration = Duration::from_millis(50);
/// Reads between pauses, and the pause: the machine is to have time for other processes.
const READS_AT_ONCE: u64 = 20;
const READ_PAUSE: Duration = Duration::from_millis(3);
/// Likewise of writes.
const WRITES_AT_ONCE: u64 = 4;
const WRITE_PAUSE: Duration = Duration::from_millis(20);
/// In a flood: more than 100,000 a second of all together, where the machine has the time for it.
const FLOOD: u64 = 64;
const FLOOD_PAUSE: Duration = Duration::from_millis(2);
/// What takes longer is looked at again later.
const WAIT: Duration = Duration::from_millis(200);
const MAX_PENDING: usize = 64;

/// Works until the board says that it is over.
///
/// # Errors
/// What could not be opened.
pub(super) fn work(plan: &NetworkPlan, board: &Board, assignment: Assignment) -> Result<(), NetworkError> {
    let host = assignment.worker / plan.workers;
    let guira = Guira::builder()
        .coherence(plan.coherence(host))
        .open_existing(plan.segment_path(host))?;
    let first_row = assignment.worker * THREADS;
    let worker = |thread: usize| -> Result<Worker<'_>, NetworkError> {
        let row = first_row + thread;
        let writer = (row as u64) << 32 | assignment.incarnation;
        Ok(Worker {
            plan,
            host,
            guira: guira.clone(),
            cache: cache(&guira, plan.mistake),
            truth: Truth::on(board),
            board,
            row,
            random: Random::new(plan.seed, writer),
            journal: Journal::open(&plan.journal_path(), board, row, writer)?,
        })
    };
    let (mut reader, mut writer) = (worker(0)?, worker(1)?);
    std::thread::scope(|scope| {
        scope.spawn(move || reader.read_on());
        scope.spawn(move || writer.write_on());
    });
    Ok(())
}

fn cache(guira: &Guira, mistake: Option<Mistake>) -> Cache<u64, Answer> {
    let policy = match mistake {
        Some(Mistake::IgnoreTrust) => WhenSuspect::ServeStale,
        _ => WhenSuspect::Refuse,
    };
    guira
        .cache_builder(CACHE)
        .lifetime(LIFETIME)
        .flights(FlightOptions::default().patience(PATIENCE))
        .when_suspect(policy)
        .open()
}

/// A key, and a version of it in the source.
type Answer = (u64, u64);

struct Worker<'b> {
    plan: &'b NetworkPlan,
    host: usize,
    guira: Guira,
    cache: Cache<u64, Answer>,
    truth: Truth<'b>,
    board: &'b Board,
    row: usize,
    random: Random,
    journal: Journal<'b>,
}

/// Invalidations that are on their way.
struct Pending {
    announced: Announced,
    reach: Reach,
    changed: Vec<(u64, u64)>,
}

impl Worker<'_> {
    fn count(&self, what: usize, by: u64) {
        self.board.add(self.row, ROW_KINDS + what, by);
    }

    fn failed(&mut self, error: &Error) {
        self.count(FAILED, 1);
        self.journal.note(&format!("a call failed: {error}"));
    }

    // ---- reading

    fn read_on(&mut self) {
        while !self.board.is_ended() {
            for _ in 0..READS_AT_ONCE {
                if let Err(error) = self.read() {
                    self.failed(&error);
                }
            }
            self.board.add(self.row, ROW_OPERATIONS, READS_AT_ONCE);
            let is_agent = self
                .guira
                .coherence_status()
                .is_some_and(|status| status.is_agent);
            self.board
                .row_word(self.row, IS_AGENT)
                .store(u64::from(is_agent), Ordering::Relaxed);
            std::thread::park_timeout(READ_PAUSE);
        }
    }

    fn read(&mut self) -> Result<(), Error> {
        let key = self.random.below(KEYS);
        let allowed = self.truth.oldest_allowed(self.host, key);
        self.count(READS, 1);
        let Some((of, version)) = self.cache.get(&key)? else {
            self.count(FILLS, 1);
            let truth = self.truth;
            return self
                .cache
                .try_get_or_compute_with(&key, LIFETIME, || Ok((key, truth.source(key))))
                .map(drop);
        };
        self.count(HITS, 1);
        self.count(JUDGED, u64::from(allowed.anywhere > 0));
        if of != key {
            self.journal.wrong(&format!("key {key} has a value of key {of}"));
        }
        if version < allowed.anywhere || version < allowed.here {
            let whose = if version < allowed.here {
                "invalidated on this host"
            } else {
                "promised to all hosts"
            };
            self.journal.wrong(&format!(
                "STALE: host {} at {} ms, key {key}: version {version} where {} was {whose}; the source has {}",
                self.host,
                allowed.began_ns / 1_000_000,
                allowed.anywhere.max(allowed.here),
                self.truth.source(key)
            ));
        }
        Ok(())
    }

    // ---- writing

    fn write_on(&mut self) {
        let mut pending: Vec<Pending> = Vec::new();
        while !self.board.is_ended() {
            let is_flood = self.truth.flood().load(Ordering::Relaxed) != 0;
            match self.write(if is_flood { FLOOD } else { WRITES_AT_ONCE }) {
                Ok(written) => {
                    let timeout = if is_flood { Duration::ZERO } else { WAIT };
                    pending.extend(written.and_then(|written| self.promise_once_there(written, timeout)));
                }
                Err(error) => self.failed(&error),
            }
            let waiting = std::mem::take(&mut pending);
            pending.extend(
                waiting
                    .into_iter()
                    .filter_map(|waiting| self.promise_once_there(waiting, Duration::ZERO)),
            );
            if pending.len() > MAX_PENDING {
                let given_up = pending.len() - MAX_PENDING;
                pending.drain(..given_up);
                self.count(GIVEN_UP, given_up as u64);
            }
            self.board.add(self.row, ROW_OPERATIONS, 1);
            std::thread::park_timeout(if is_flood { FLOOD_PAUSE } else { WRITE_PAUSE });
        }
    }

    /// The source changes first. Says what is to be waited for, if anything.
    fn write(&mut self, keys: u64) -> Result<Option<Pending>, Error> {
        let mut changed = Vec::new();
        for _ in 0..keys {
            let key = self.random.below(KEYS);
            let version = self.truth.change(key);
            if self.plan.mistake != Some(Mistake::ForgetSome) || !self.random.one_in(100) {
                self.cache.invalidate(&key)?;
            }
            self.truth.invalidated_here(self.host, key, version);
            self.count(INVALIDATIONS, 1);
            changed.push((key, version));
        }
        let reach = match self.random.below(4) {
            0 => return Ok(None),
            1 => Reach::Applied,
            _ => Reach::Accepted,
        };
        let announced = self.guira.announced()?;
        Ok(Some(Pending {
            announced,
            reach,
            changed,
        }))
    }

    /// Waits, and promises; gives back what has not come so far yet.
    fn promise_once_there(&self, waiting: Pending, timeout: Duration) -> Option<Pending> {
        let is_hasty = self.plan.mistake == Some(Mistake::Haste);
        let reach = if is_hasty { Reach::Accepted } else { waiting.reach };
        if waiting.announced.wait(reach, timeout).is_err() {
            self.count(LONG_WAITS, u64::from(!timeout.is_zero()));
            return Some(waiting);
        }
        let bound_ns = match waiting.reach {
            Reach::Accepted => self.plan.bound_ms * 1_000_000,
            Reach::Applied => 0,
        };
        let from_ns = now_ns() + bound_ns;
        let kept = waiting
            .changed
            .iter()
            .filter(|&&(key, version)| self.truth.promise(key, version, from_ns))
            .count() as u64;
        let what = match waiting.reach {
            Reach::Accepted => ACCEPTED,
            Reach::Applied => APPLIED,
        };
        self.count(what, kept);
        self.count(NO_ROOM, waiting.changed.len() as u64 - kept);
        None
    }
}

impl NetworkPlan {
    /// With whom a host agrees.
    fn coherence(&self, host: usize) -> Coherence {
        let mut coherence = Coherence::of_cluster(CLUSTER)
            .bound(Duration::from_millis(self.bound_ms))
            // A worker may be started while there is no broker.
            .start_within(Duration::ZERO)
            .host_name(&format!("host {host}"));
        for broker in &self.brokers {
            coherence = match &broker.key {
                Some(key) => coherence.broker_with_key(&broker.address, key),
                None => coherence.broker(&broker.address),
            };
        }
        if self.has_keys {
            coherence = coherence.keys(self.host_keys(host));
        }
        coherence
    }
}
