//! How long operations take, told apart from how long the machine let their thread wait.
//!
//! An operation is too slow if it took more than [`TOO_LONG_NS`] although its own process was not
//! stopped meanwhile, its thread was not waiting for a processor, and the kernel did not keep it for a
//! disk (see `blocked`): such time was spent waiting for somebody else. The kernel's count of time in the run queue is read now and then, and again when an
//! operation took long; what is deducted is all of it since the last reading. So is time that the
//! machine itself did not run because its host ran something else, which a thread's own statistics
//! count as running.

use std::fs::File;
use std::os::unix::fs::FileExt;

use guira_shm::sync::Ordering;
use nix::time::{ClockId, clock_gettime};

use crate::board::{
    Board, HISTOGRAM_WORDS, ROW_BEGAN_NS, ROW_BLOCKED_NS, ROW_CURRENT, ROW_DELAYED, ROW_DISK, ROW_HISTOGRAM,
    ROW_KINDS, ROW_LONGEST_KIND, ROW_LONGEST_NS, ROW_LONGEST_OWN_KIND, ROW_LONGEST_OWN_NS,
    ROW_LONGEST_OWN_RAN_NS, ROW_LONGEST_RAN_NS, ROW_OPERATIONS, ROW_SLOW, ROW_STOPPED, ROW_STOPS_BEGUN,
    ROW_STOPS_ENDED,
};
use crate::histogram;

/// What nobody may wait for another process.
pub const TOO_LONG_NS: u64 = 100_000_000;
/// From here the run queue's time is looked at.
const LONG_NS: u64 = 2_000_000;
/// Between readings of the time that the host took, and from where it is looked at.
const STOLEN_PERIOD_NS: u64 = 20_000_000;
/// Operations between readings of the run queue's time.
const READING_PERIOD: u64 = 64;
/// From here a precise stopwatch looks at the run queue's time.
const PRECISE_NS: u64 = 20_000;
/// Words on the board for each kind of a precise stopwatch: whole durations, and own ones.
pub const WORDS_PER_KIND: usize = 2 * histogram::WORDS;

/// Times the operations of one thread into its row of the board.
#[derive(Debug)]
pub struct Stopwatch<'b> {
    board: &'b Board,
    row: usize,
    /// The first row of the worker, where its stops are counted.
    worker_row: usize,
    statistics: Option<File>,
    machine: Option<File>,
    last: Spent,
    last_stolen_ns: u64,
    last_stolen_at_ns: u64,
    operations: u64,
    /// The first of the board's extra words with durations by kind.
    precise: Option<usize>,
}

/// A running operation.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    kind: usize,
    began_ns: u64,
    stops_ended: u64,
    blocked_ns: u64,
}

/// An operation that took too long without an excuse.
#[derive(Clone, Copy, Debug)]
pub struct Slow {
    /// Its kind.
    pub kind: usize,
    /// From begin to end.
    pub took_ns: u64,
    /// Of that, at most this was spent waiting for a processor.
    pub queued_ns: u64,
    /// Of that, at most this was spent on a processor; the rest was sleep.
    pub ran_ns: u64,
    /// Of that sleep, about this was the kernel's own, see [`ROW_BLOCKED_NS`].
    pub blocked_ns: u64,
}

/// The monotonic clock, the same in all processes.
pub(crate) fn now_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
        now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
    })
}

impl<'b> Stopwatch<'b> {
    /// The stopwatch of the calling thread.
    #[must_use]
    pub fn new(board: &'b Board, row: usize, worker_row: usize) -> Self {
        let mut stopwatch = Self {
            board,
            row,
            worker_row,
            statistics: File::open("/proc/thread-self/schedstat").ok(),
            machine: File::open("/proc/stat").ok(),
            last: Spent::default(),
            last_stolen_ns: 0,
            last_stolen_at_ns: 0,
            operations: 0,
            precise: None,
        };
        stopwatch.since_last();
        stopwatch
    }

    /// It also counts durations by kind, whole and without waits for a processor, from the extra word
    /// `first_word` of the board on: [`WORDS_PER_KIND`] for each kind. It reads the kernel's count before
    /// every operation.
    #[must_use]
    pub const fn precise(mut self, first_word: usize) -> Self {
        self.precise = Some(first_word);
        self
    }

    /// An operation begins.
    #[must_use]
    pub fn begin(&mut self, kind: usize) -> Running {
        self.operations += 1;
        let began_ns = now_ns();
        if self.precise.is_some() || self.operations.is_multiple_of(READING_PERIOD) {
            self.since_last();
            if began_ns - self.last_stolen_at_ns > STOLEN_PERIOD_NS {
                self.stolen_since_last(began_ns);
            }
        }
        self.board
            .row_word(self.row, ROW_CURRENT)
            .store(kind as u64 + 1, Ordering::Relaxed);
        let stops_ended = self.stops(ROW_STOPS_ENDED);
        let blocked_ns = self.blocked_ns();
        let began_ns = now_ns();
        self.board
            .row_word(self.row, ROW_BEGAN_NS)
            .store(began_ns, Ordering::Relaxed);
        Running {
            kind,
            stops_ended,
            blocked_ns,
            began_ns,
        }
    }

    /// The operation ended.
    pub fn end(&mut self, running: Running) -> Option<Slow> {
        let took_ns = now_ns() - running.began_ns;
        self.board
            .row_word(self.row, ROW_CURRENT)
            .store(0, Ordering::Relaxed);
        let (board, row) = (self.board, self.row);
        let add = |field| board.add(row, field, 1);
        add(ROW_OPERATIONS);
        add(ROW_KINDS + running.kind);
        if self.stops(ROW_STOPS_BEGUN) > running.stops_ended {
            if took_ns > TOO_LONG_NS {
                add(ROW_STOPPED);
            }
            return None;
        }
        add(ROW_HISTOGRAM + histogram::step_of(took_ns, HISTOGRAM_WORDS));
        let mut spent = Spent::default();
        if took_ns > LONG_NS || self.precise.is_some() && took_ns > PRECISE_NS {
            spent = self.since_last();
        }
        if took_ns > STOLEN_PERIOD_NS {
            spent.queued_ns += self.stolen_since_last(running.began_ns + took_ns);
        }
        let queued_ns = spent.queued_ns;
        let own_ns = took_ns.saturating_sub(queued_ns);
        if let Some(first_word) = self.precise {
            let of_kind = first_word + running.kind * WORDS_PER_KIND;
            histogram::record(|word| board.extra_word(of_kind + word), took_ns);
            histogram::record(|word| board.extra_word(of_kind + histogram::WORDS + word), own_ns);
        }
        self.raise(
            took_ns,
            [ROW_LONGEST_NS, ROW_LONGEST_KIND, ROW_LONGEST_RAN_NS],
            running.kind,
            spent,
        );
        self.raise(
            own_ns,
            [ROW_LONGEST_OWN_NS, ROW_LONGEST_OWN_KIND, ROW_LONGEST_OWN_RAN_NS],
            running.kind,
            spent,
        );
        if took_ns <= TOO_LONG_NS {
            return None;
        }
        // Where the kernel does not tell, nothing can be held against the operation.
        let is_own = own_ns > TOO_LONG_NS && self.statistics.is_some();
        let blocked_ns = self.blocked_ns().saturating_sub(running.blocked_ns);
        let is_slow = is_own && own_ns.saturating_sub(blocked_ns) > TOO_LONG_NS;
        add(match (is_own, is_slow) {
            (_, true) => ROW_SLOW,
            (true, false) => ROW_DISK,
            (false, false) => ROW_DELAYED,
        });
        is_slow.then_some(Slow {
            kind: running.kind,
            took_ns,
            queued_ns,
            ran_ns: spent.ran_ns.min(own_ns),
            blocked_ns,
        })
    }

    fn blocked_ns(&self) -> u64 {
        self.board
            .row_word(self.row, ROW_BLOCKED_NS)
            .load(Ordering::Relaxed)
    }

    fn stops(&self, field: usize) -> u64 {
        // Acquire: a begin is counted before its signal is sent, so it is seen after a stop.
        self.board
            .row_word(self.worker_row, field)
            .load(Ordering::Acquire)
    }

    fn raise(&self, ns: u64, [field, kind_field, ran_field]: [usize; 3], kind: usize, spent: Spent) {
        let store = |field, value| {
            self.board
                .row_word(self.row, field)
                .store(value, Ordering::Relaxed);
        };
        if ns > self.board.row_word(self.row, field).load(Ordering::Relaxed) {
            store(field, ns);
            store(kind_field, kind as u64);
            store(ran_field, spent.ran_ns.min(ns));
        }
    }

    /// What the host took from the whole machine since the last call, in steps of a clock tick.
    fn stolen_since_last(&mut self, at_ns: u64) -> u64 {
        let stolen_ns = self.machine.as_ref().and_then(read_stolen_ns).unwrap_or(0);
        self.last_stolen_at_ns = at_ns;
        stolen_ns.saturating_sub(std::mem::replace(&mut self.last_stolen_ns, stolen_ns))
    }

    /// What this thread spent since the last call.
    fn since_last(&mut self) -> Spent {
        let Some(spent) = self.statistics.as_ref().and_then(read_spent) else {
            return Spent::default();
        };
        let before = std::mem::replace(&mut self.last, spent);
        Spent {
            ran_ns: spent.ran_ns.saturating_sub(before.ran_ns),
            queued_ns: spent.queued_ns.saturating_sub(before.queued_ns),
        }
    }
}

/// A thread's time on processors and waiting for one.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    ran_ns: u64,
    queued_ns: u64,
}

/// The first two numbers of the kernel's scheduling statistics of a thread.
fn read_spent(statistics: &File) -> Option<Spent> {
    let mut text = [0_u8; 96];
    let len = statistics.read_at(&mut text, 0).ok()?;
    let text = std::str::from_utf8(text.get(..len)?).ok()?;
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    Some(Spent {
        ran_ns: numbers.next()?.ok()?,
        queued_ns: numbers.next()?.ok()?,
    })
}

/// The eighth number of the first line, in ticks of a hundredth of a second.
fn read_stolen_ns(machine: &File) -> Option<u64> {
    let mut text = [0_u8; 256];
    let len = machine.read_at(&mut text, 0).ok()?;
    let text = std::str::from_utf8(text.get(..len)?).ok()?;
    let ticks: u64 = text.split_ascii_whitespace().nth(8)?.parse().ok()?;
    Some(ticks * 10_000_000)
}

/// The duration that `fraction` of all operations on the board did not exceed, ns.
#[must_use]
pub fn quantile_ns(board: &Board, fraction: f64) -> u64 {
    let counts: Vec<u64> = (0..HISTOGRAM_WORDS)
        .map(|index| board.sum(ROW_HISTOGRAM + index))
        .collect();
    histogram::quantile_ns(&counts, fraction)
}
