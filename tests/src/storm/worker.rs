//! One thread of a storm: random operations, each timed, each value that is read checked.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use guira_segment::{Expiry, Segment, StoreError, ValueRef};

use crate::board::{
    Board, ROW_CONTENDED, ROW_FALSE_MISSES, ROW_HITS, ROW_MISSES, ROW_NO_RUN, ROW_NO_SPACE, ROW_NOT_ATTACHED,
    ROW_SUPERSEDED,
};
use crate::experiment::{ExperimentError, Plan};
use crate::journal::Journal;
use crate::random::Random;
use crate::record::{MIN_RECORD_BYTES, Record, read_value};
use crate::stopwatch::Stopwatch;
use crate::storm::StormPlan;
use crate::storm::counter::Field;
use crate::storm::guest::Forked;
use crate::storm::history::{Gone, History, Verdict};
use crate::storm::kind::{Kind, kind_name};

/// Operations of a round.
const ROUND: u64 = 32;
/// Most time between forks, ms.
const FORK_PERIOD_MS: u64 = 400;
/// Most time before a replacement of the program, ms.
const SHIFT_PERIOD_MS: u64 = 2_000;
/// Guards that a thread keeps for a while.
pub(super) const KEPT_GUARDS: usize = 3;

/// Where a thread stands: which worker it belongs to, and which row of the board it writes.
#[derive(Clone, Copy)]
pub(super) struct Post<'s> {
    pub(super) told: &'s Plan,
    pub(super) plan: &'s StormPlan,
    pub(super) board: &'s Board,
    pub(super) worker: usize,
    pub(super) row: usize,
    /// Where the stops of its process are counted.
    pub(super) worker_row: usize,
    /// 0 in a worker, 1 in its children, 2 in theirs.
    pub(super) generation: u32,
    /// Whether it replaces its program now and then.
    pub(super) shifts: bool,
}

/// What a thread works with.
pub(super) struct Hand<'s> {
    pub(super) post: Post<'s>,
    pub(super) segment: &'s Segment,
    pub(super) side: &'s Segment,
    pub(super) board: &'s Board,
    pub(super) row: usize,
    pub(super) writer: u64,
    pub(super) keys: u64,
    pub(super) large_bytes: u64,
    pub(super) random: Random,
    pub(super) stopwatch: Stopwatch<'s>,
    pub(super) journal: Journal<'s>,
    pub(super) history: History,
    pub(super) field: Field,
    /// For each counter, the number that its next epoch begins with.
    pub(super) reserved: HashMap<u64, i64>,
    pub(super) sequence: u64,
    pub(super) guards: VecDeque<(u64, ValueRef<'s>)>,
    pub(super) children: Vec<Forked>,
}

impl<'s> Hand<'s> {
    pub(super) fn new(
        post: Post<'s>,
        segment: &'s Segment,
        side: &'s Segment,
    ) -> Result<Self, ExperimentError> {
        let Post { plan, board, row, .. } = post;
        let writer = (row as u64) << 40 | board.ticket();
        let block_bytes = segment.stats().block_bytes;
        Ok(Self {
            post,
            segment,
            side,
            board,
            row,
            writer,
            keys: plan.keys,
            large_bytes: if plan.large_values { 2 * block_bytes } else { 0 },
            random: Random::new(plan.world.seed, writer),
            stopwatch: match plan.latency_words(row) {
                Some(first_word) => Stopwatch::new(board, row, post.worker_row).precise(first_word),
                None => Stopwatch::new(board, row, post.worker_row),
            },
            journal: Journal::open(&plan.world.journal_path(), board, row, writer)?,
            history: History::new(writer),
            field: if post.generation == 0 {
                Field::new(row)
            } else {
                Field::reader()
            },
            reserved: HashMap::new(),
            sequence: 0,
            guards: VecDeque::new(),
            children: Vec::new(),
        })
    }

    /// Works for so many rounds, or until the board says that it is over.
    pub(super) fn run(&mut self, rounds: u64) {
        let customs = self.post.plan.customs;
        let mut next_fork = self.within(FORK_PERIOD_MS);
        let next_shift = self.within(SHIFT_PERIOD_MS);
        for _ in 0..rounds {
            if self.board.is_ended() {
                break;
            }
            for _ in 0..ROUND {
                self.step();
            }
            self.look_after_children();
            let now = Instant::now();
            if customs.fork && now >= next_fork {
                next_fork = self.within(FORK_PERIOD_MS);
                self.fork_maybe();
            }
            if self.post.shifts && now >= next_shift {
                self.shift();
            }
        }
        if self.post.generation == 0 {
            self.guards.clear();
            self.wait_for_children();
        }
    }

    fn within(&mut self, period_ms: u64) -> Instant {
        Instant::now() + Duration::from_micros(self.random.below(period_ms * 1_000))
    }

    pub(super) fn timed<R>(&mut self, kind: Kind, operation: impl FnOnce() -> R) -> R {
        let running = self.stopwatch.begin(kind as usize);
        let result = operation();
        if let Some(slow) = self.stopwatch.end(running) {
            self.journal.note(&format!(
                "{} took {} ms, of which {} ms waiting for a processor, {} ms for a disk and {} ms running",
                kind_name(slow.kind as u64),
                slow.took_ns / 1_000_000,
                slow.queued_ns / 1_000_000,
                slow.blocked_ns / 1_000_000,
                slow.ran_ns / 1_000_000
            ));
        }
        result
    }

    pub(super) fn step(&mut self) {
        self.sequence += 1;
        let key = self.choose_key();
        match self.random.below(1000) {
            0..=239 => self.get(key),
            240..=359 => self.get_into(key),
            360..=399 => self.get_many(key),
            400..=419 => self.peek(key),
            420..=599 => self.put(key),
            600..=629 => self.add(key),
            630..=659 => self.replace(key),
            660..=689 => self.swap(key),
            690..=729 => self.append(key),
            730..=749 => self.touch(key),
            750..=759 => self.expire(key),
            760..=789 => self.remove(key),
            790..=829 => self.invalidate(key),
            830..=909 => self.fill(key),
            910..=959 => self.increment(),
            960..=979 => self.read_counter(),
            980..=989 => self.large(),
            990..=991 => self.invalidate_tag(),
            992 if self.random.one_in(20) => self.clear_side(),
            993 if self.random.one_in(20) => self.recover(),
            _ => self.release_guard(),
        }
    }

    pub(super) fn recover(&mut self) {
        let segment = self.segment;
        self.timed(Kind::Recover, || segment.recover());
    }

    /// Half of the operations go to a fiftieth of the keys.
    pub(super) fn choose_key(&mut self) -> u64 {
        let keys = if self.random.one_in(2) {
            (self.keys / 50).max(16)
        } else {
            self.keys
        };
        self.random.below(keys)
    }

    pub(super) fn is_side(key: u64) -> bool {
        key % 64 == 63
    }

    pub(super) fn home(&self, key: u64) -> &'s Segment {
        if Self::is_side(key) {
            self.side
        } else {
            self.segment
        }
    }

    pub(super) fn record(&mut self, key: u64, tag: u16, record_bytes: u64) -> Vec<u8> {
        let record = Record {
            key,
            writer: self.writer,
            sequence: self.sequence,
            version: 0,
            record_bytes: record_bytes as u32,
            kind: 0,
            tag,
        };
        let mut value = Vec::with_capacity(record_bytes as usize);
        record.append_to(&mut value);
        value
    }

    /// Mostly small: 48 to 300 bytes, now and then up to 4 KiB.
    pub(super) fn value(&mut self, key: u64, tag: u16) -> Vec<u8> {
        let limit = if self.random.one_in(50) { 4_000 } else { 250 };
        let record_bytes = MIN_RECORD_BYTES as u64 + self.random.below(limit);
        self.record(key, tag, record_bytes)
    }

    pub(super) fn expiry(&mut self) -> Expiry {
        match self.random.below(10) {
            0 => Expiry::after(Duration::from_millis(1 + self.random.below(500))),
            1 => {
                Expiry::after(Duration::from_secs(60)).soft(Duration::from_millis(1 + self.random.below(200)))
            }
            2..=5 => Expiry::after(Duration::from_secs(300)),
            _ => Expiry::never(),
        }
    }

    // ---- checking

    pub(super) fn check(&mut self, key: u64, value: &[u8], how: &str) {
        match read_value(value, key) {
            Err(damage) => self
                .journal
                .wrong(&format!("{how} of key {key} gave bytes nobody wrote: {damage:?}")),
            Ok(record) => match self.history.judge(&record, Self::is_side(key)) {
                Verdict::Plausible => {}
                Verdict::WasMissed => {
                    self.board.add(self.row, ROW_FALSE_MISSES, 1);
                    self.history.key_missed(key, 0);
                }
                Verdict::Returned(gone) => self.returned(key, value, how, &record, gone),
            },
        }
    }

    /// Says all that is known of a value that came back: how old its entry is tells a copy that was
    /// moved from one that was written anew.
    fn returned(&mut self, key: u64, value: &[u8], how: &str, record: &Record, gone: Gone) {
        let metadata = self.home(key).metadata(&key_bytes(key));
        self.journal.wrong(&format!(
            "{how} of key {key} gave the own value {} ({} bytes) that was gone at {} through {} {:?} ago, now {}: \
             {record:?}; the entry that is there now: {metadata:?}",
            record.sequence,
            value.len(),
            gone.before,
            gone.through,
            gone.at.map(|at| at.elapsed()),
            self.sequence
        ));
    }

    pub(super) fn seen(&mut self, key: u64, value: Option<&[u8]>, how: &str) {
        match value {
            Some(value) => {
                self.board.add(self.row, ROW_HITS, 1);
                self.check(key, value, how);
            }
            None => {
                self.board.add(self.row, ROW_MISSES, 1);
                self.history.key_missed(key, self.sequence);
            }
        }
    }

    /// Counts a refusal; true if the operation was done.
    pub(super) fn accepted<T>(&mut self, key: u64, result: Result<T, StoreError>, what: Kind) -> Option<T> {
        match result {
            Ok(done) => return Some(done),
            Err(StoreError::NoSpace) if what == Kind::PutLarge => self.board.add(self.row, ROW_NO_RUN, 1),
            Err(StoreError::NoSpace) => self.board.add(self.row, ROW_NO_SPACE, 1),
            Err(StoreError::Contended { .. }) => self.board.add(self.row, ROW_CONTENDED, 1),
            Err(StoreError::NotAttached)
                if self.post.generation > 0 && self.post.plan.world.room.is_some() =>
            {
                self.board.add(self.row, ROW_NOT_ATTACHED, 1);
            }
            Err(error) => self
                .journal
                .wrong(&format!("{what:?} of key {key} failed: {error}")),
        }
        None
    }

    pub(super) fn superseded(&self) {
        self.board.add(self.row, ROW_SUPERSEDED, 1);
    }
}

/// 8 to 55 bytes, by the key.
pub(super) fn key_bytes(key: u64) -> Vec<u8> {
    let mut bytes = key.to_be_bytes().to_vec();
    bytes.resize(8 + (key % 48) as usize, b'.');
    bytes
}

/// The key that `bytes` names, if it is one of those with a record.
pub(super) fn key_of(bytes: &[u8]) -> Option<u64> {
    let key = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    (key_bytes(key) == bytes).then_some(key)
}

pub(super) fn counter_bytes(counter: u64) -> Vec<u8> {
    format!("#{counter}").into_bytes()
}

pub(super) fn tag_bytes(tag: u16) -> Vec<u8> {
    format!("tag {tag}").into_bytes()
}
