//! One thread of a hunt for stale reads.

use std::time::Duration;

use guira_segment::{
    Clock, Expiry, Fill, Flight, FlightEnd, Lookup, Put, PutOptions, Segment, StoreError, ValueRef,
};
use guira_shm::sync::{AtomicU64, Ordering};

use crate::board::{Board, ROW_KINDS, ROW_OPERATIONS};
use crate::journal::Journal;
use crate::random::Random;
use crate::record::{MIN_RECORD_BYTES, NO_TAG, Record, read_value};
use crate::stale::WORDS_PER_KEY;

const SOURCE: usize = 0;
const PUBLISHED: usize = 1;
const PUBLISHED_MS: usize = 2;

/// The record holds the version of the source.
const FILLED: u16 = 1;
/// The deadline tells when the put began.
const PUT: u16 = 2;
/// Swapped for a value that held the version of the source, which this holds too.
const SWAPPED: u16 = 3;
/// Swapped for a value that was put; the deadline is the swap's own.
const PUT_SWAPPED: u16 = 4;
/// The lifetime of every hot entry that is put or touched.
const LIFETIME: Duration = Duration::from_secs(100_000);
const LIFETIME_MS: u64 = 100_000_000;
/// Hot keys of one tag.
const KEYS_PER_TAG: u64 = 4;
/// Operations between reports to the board.
const BATCH: u64 = 256;
const FLIGHT_PATIENCE: Duration = Duration::from_millis(20);
const FLIGHT_WAIT: Duration = Duration::from_millis(2);

/// What is counted, by index.
pub(super) const COUNTED: [&str; COUNTS] = [
    "reads of filled values",
    "reads of put values",
    "misses",
    "fills stored",
    "fills superseded",
    "puts stored",
    "puts superseded",
    "invalidations of keys",
    "invalidations of tags",
    "clears",
    "writes refused",
    "derived values",
];
pub(super) const COUNTS: usize = 12;
const READ_FILLED: usize = 0;
const READ_PUT: usize = 1;
const MISS: usize = 2;
const FILL_STORED: usize = 3;
const FILL_SUPERSEDED: usize = 4;
const PUT_STORED: usize = 5;
const PUT_SUPERSEDED: usize = 6;
const INVALIDATION: usize = 7;
const TAG_INVALIDATION: usize = 8;
const CLEAR: usize = 9;
const REFUSED: usize = 10;
const DERIVED: usize = 11;

pub(super) struct Hunter<'s> {
    pub(super) segment: &'s Segment,
    pub(super) board: &'s Board,
    pub(super) row: usize,
    pub(super) writer: u64,
    pub(super) hot_keys: u64,
    pub(super) cold_keys: u64,
    pub(super) random: Random,
    pub(super) journal: Journal<'s>,
    pub(super) clock: Clock,
    pub(super) sequence: u64,
    pub(super) counts: [u64; COUNTS],
    pub(super) buffer: Vec<u8>,
}

/// How an invalidation was made; two low bits of what is published.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Key,
    Tag,
    Namespace,
    All,
}

const MANNERS: [Manner; 4] = [Manner::Key, Manner::Tag, Manner::Namespace, Manner::All];

/// What was published: a number that only grows, and how the invalidation was made.
#[derive(Clone, Copy)]
struct Published(u64);

impl Published {
    const fn new(number: u64, manner: Manner) -> Self {
        Self(number << 2 | manner as u64)
    }

    const fn number(self) -> u64 {
        self.0 >> 2
    }

    fn manner(self) -> Option<&'static Manner> {
        MANNERS.get((self.0 & 3) as usize)
    }
}

/// What was published before a read began.
#[derive(Clone, Copy)]
struct Before {
    version: Published,
    ms: Published,
}

impl Hunter<'_> {
    pub(super) fn run(&mut self) {
        while !self.board.is_ended() {
            for _ in 0..BATCH {
                self.step();
            }
            self.board.add(self.row, ROW_OPERATIONS, BATCH);
            for (index, count) in self.counts.iter_mut().enumerate() {
                self.board.add(self.row, ROW_KINDS + index, std::mem::take(count));
            }
        }
    }

    fn step(&mut self) {
        self.sequence += 1;
        let key = self.random.below(self.hot_keys);
        match self.random.below(1000) {
            0..=349 => self.get(key),
            350..=499 => self.get_into(key),
            500..=519 => self.get_many(key),
            520..=699 => self.fill(key),
            700..=759 => self.put(key),
            760..=769 => self.derive(key),
            770..=779 => {
                self.segment.remove(&hot_name(key));
            }
            780..=784 => {
                self.segment.expire(&hot_name(key));
            }
            785..=854 => self.invalidate(key),
            855..=859 => self.invalidate_tag(key / KEYS_PER_TAG),
            860 if self.random.one_in(500) => self.clear(),
            861..=869 => self.increment(),
            _ => self.cold(),
        }
    }

    fn count(&mut self, what: usize) {
        if let Some(count) = self.counts.get_mut(what) {
            *count += 1;
        }
    }

    fn word(&self, key: u64, field: usize) -> &AtomicU64 {
        self.board.extra_word(key as usize * WORDS_PER_KEY + field)
    }

    // ---- reading and judging

    /// Taken before a read begins.
    fn before(&self, key: u64) -> Before {
        // SeqCst: an invalidation that is seen here has returned before the read begins.
        Before {
            version: Published(self.word(key, PUBLISHED).load(Ordering::SeqCst)),
            ms: Published(self.word(key, PUBLISHED_MS).load(Ordering::SeqCst)),
        }
    }

    /// Judges a value; `latest_put_ms` is at or after the time at which its deadline was made.
    fn judge(&mut self, key: u64, value: &[u8], before: Before, latest_put_ms: Option<u64>, how: &str) {
        let record = match read_value(value, key) {
            Ok(record) => record,
            Err(damage) => {
                let what = format!("{how} of key {key} gave bytes nobody wrote: {damage:?}");
                return self.journal.wrong(&what);
            }
        };
        if record.kind == FILLED || record.kind == SWAPPED {
            self.count(READ_FILLED);
            if record.version < before.version.number() {
                self.journal.wrong(&format!(
                    "STALE {how} of key {key}: version {} after the invalidation ({:?}) of {} returned: {record:?}",
                    record.version,
                    before.version.manner(),
                    before.version.number()
                ));
            }
        } else if let Some(put_ms) = latest_put_ms {
            self.count(READ_PUT);
            if put_ms < before.ms.number() {
                self.journal.wrong(&format!(
                    "STALE {how} of key {key}: put at {put_ms} ms, invalidated ({:?}) from {} ms on: {record:?}",
                    before.ms.manner(),
                    before.ms.number()
                ));
            }
        }
    }

    fn judge_guard(&mut self, key: u64, value: &ValueRef<'_>, before: Before, how: &str) {
        let ttl = value.metadata().ttl;
        // Read after the time to live, which is counted when it is asked for: what they give together
        // is at or after the deadline.
        let now_ms = self.clock.now_ms();
        let latest_put_ms = ttl.map(|ttl| (now_ms + ttl.as_millis() as u64).saturating_sub(LIFETIME_MS));
        self.judge(key, value, before, latest_put_ms, how);
    }

    fn get(&mut self, key: u64) {
        let before = self.before(key);
        match self.segment.get(&hot_name(key)) {
            Some(value) => self.judge_guard(key, &value, before, "get"),
            None => self.count(MISS),
        }
    }

    fn get_into(&mut self, key: u64) {
        let before = self.before(key);
        let mut buffer = std::mem::take(&mut self.buffer);
        if self.segment.get_into(&hot_name(key), &mut buffer) {
            self.judge(key, &buffer, before, None, "get_into");
        } else {
            self.count(MISS);
        }
        self.buffer = buffer;
    }

    fn get_many(&mut self, first: u64) {
        let ids: Vec<u64> = (0..8).map(|step| (first + step) % self.hot_keys).collect();
        let befores: Vec<Before> = ids.iter().map(|&key| self.before(key)).collect();
        let names: Vec<[u8; 9]> = ids.iter().map(|&key| hot_name(key)).collect();
        let keys: Vec<&[u8]> = names.iter().map(<[u8; 9]>::as_slice).collect();
        let mut values: Vec<Option<Vec<u8>>> = Vec::new();
        self.segment
            .get_many(&keys, |_, value| values.push(value.map(<[u8]>::to_vec)));
        for ((key, before), value) in ids.into_iter().zip(befores).zip(values) {
            match value {
                Some(value) => self.judge(key, &value, before, None, "get_many"),
                None => self.count(MISS),
            }
        }
    }

    // ---- writing

    fn record(&mut self, key: u64, kind: u16, version: u64) -> Vec<u8> {
        let record = Record {
            key,
            writer: self.writer,
            sequence: self.sequence,
            version,
            record_bytes: (MIN_RECORD_BYTES as u64 + self.random.below(150)) as u32,
            kind,
            tag: NO_TAG,
        };
        let mut value = Vec::new();
        record.append_to(&mut value);
        value
    }

    fn refused(&mut self, key: u64, error: StoreError) {
        match error {
            StoreError::NoSpace | StoreError::Contended { .. } => self.count(REFUSED),
            error => self
                .journal
                .wrong(&format!("a write of key {key} failed: {error}")),
        }
    }

    /// Looks up, and on a miss computes: the token comes before the look at the source.
    fn fill(&mut self, key: u64) {
        let (segment, name) = (self.segment, hot_name(key));
        let before = self.before(key);
        let token = match segment.lookup(&name) {
            Lookup::Hit(value) => return self.judge_guard(key, &value, before, "lookup"),
            Lookup::Stale(value, token) => {
                self.judge_guard(key, &value, before, "lookup");
                token
            }
            Lookup::Miss(token) => {
                self.count(MISS);
                token
            }
        };
        let lead = if self.random.one_in(4) {
            match segment.flight(&name, &token, FLIGHT_PATIENCE) {
                Flight::Lead(lead) => Some(lead),
                Flight::Alone => None,
                Flight::Wait(wait) => match wait.wait(FLIGHT_WAIT) {
                    FlightEnd::TakenOver(lead) => Some(lead),
                    FlightEnd::Landed | FlightEnd::TimedOut => return self.get(key),
                },
            }
        } else {
            None
        };
        // SeqCst: after the token, before the fill.
        let version = self.word(key, SOURCE).load(Ordering::SeqCst);
        let value = self.record(key, FILLED, version);
        let tag = tag_name(key / KEYS_PER_TAG);
        let tags = [tag.as_slice()];
        let options = PutOptions::from(Expiry::after(LIFETIME)).tags(&tags);
        match segment.fill(&name, &value, &token, &options) {
            Ok(Fill::Stored) => self.count(FILL_STORED),
            Ok(Fill::Superseded) => self.count(FILL_SUPERSEDED),
            Err(error) => self.refused(key, error),
        }
        drop(lead);
    }

    /// Puts go to even keys; on odd ones `touch` makes deadlines that say nothing of a put.
    fn put(&mut self, key: u64) {
        let key = key & !1;
        let value = self.record(key, PUT, 0);
        let tag = tag_name(key / KEYS_PER_TAG);
        let tags = [tag.as_slice()];
        let options = PutOptions::from(Expiry::after(LIFETIME)).tags(&tags);
        match self.segment.put_with(&hot_name(key), &value, &options) {
            Ok(Put::Stored) => self.count(PUT_STORED),
            Ok(Put::Superseded) => self.count(PUT_SUPERSEDED),
            Err(error) => self.refused(key, error),
        }
    }

    /// Makes a value of the present one: it holds the same version or deadline, or, where there are
    /// no puts, a new deadline. A swap makes its deadline before it looks at what is there, but
    /// succeeds only if that is what was there earlier still.
    fn derive(&mut self, key: u64) {
        let (segment, name) = (self.segment, hot_name(key));
        let before = self.before(key);
        let Some(present) = segment.get(&name) else {
            return self.count(MISS);
        };
        self.judge_guard(key, &present, before, "get");
        let Ok(record) = read_value(&present, key) else {
            return;
        };
        let is_short = present.len() < 1000;
        let version = present.version();
        drop(present);
        let kind = match record.kind {
            FILLED | SWAPPED => SWAPPED,
            _ => PUT_SWAPPED,
        };
        let suffix = self.record(key, kind, record.version);
        let tag = tag_name(key / KEYS_PER_TAG);
        let tags = [tag.as_slice()];
        let options = PutOptions::from(Expiry::after(LIFETIME)).tags(&tags);
        let refused = match self.random.below(3) {
            0 if key % 2 == 1 => segment.touch(&name, Expiry::after(LIFETIME)).err(),
            1 if is_short => segment.append(&name, &suffix).err(),
            _ => segment.compare_and_swap(&name, version, &suffix, &options).err(),
        };
        match refused {
            None => self.count(DERIVED),
            Some(error) => self.refused(key, error),
        }
    }

    // ---- invalidating

    /// The source changes first; what is published has returned.
    fn invalidate_with(&mut self, keys: std::ops::Range<u64>, manner: Manner, how: impl FnOnce(&Segment)) {
        let keys = keys.start..keys.end.min(self.hot_keys);
        // SeqCst: the version and the time are taken before the invalidation begins.
        let versions: Vec<u64> = keys
            .clone()
            .map(|key| self.word(key, SOURCE).fetch_add(1, Ordering::SeqCst) + 1)
            .collect();
        let ms = self.clock.now_ms();
        how(self.segment);
        // SeqCst: published after the invalidation returned.
        for (key, version) in keys.zip(versions) {
            let raise = |field, number| {
                self.word(key, field)
                    .fetch_max(Published::new(number, manner).0, Ordering::SeqCst);
            };
            raise(PUBLISHED, version);
            raise(PUBLISHED_MS, ms);
        }
    }

    fn invalidate(&mut self, key: u64) {
        self.count(INVALIDATION);
        self.invalidate_with(key..key + 1, Manner::Key, |segment| {
            segment.invalidate(&hot_name(key));
        });
    }

    fn invalidate_tag(&mut self, tag: u64) {
        self.count(TAG_INVALIDATION);
        self.invalidate_with(
            tag * KEYS_PER_TAG..(tag + 1) * KEYS_PER_TAG,
            Manner::Tag,
            |segment| {
                segment.invalidate_tag(&tag_name(tag));
            },
        );
    }

    fn clear(&mut self) {
        self.count(CLEAR);
        if self.random.one_in(2) {
            self.invalidate_with(0..self.hot_keys, Manner::All, Segment::clear_all);
        } else {
            self.invalidate_with(0..self.hot_keys, Manner::Namespace, Segment::clear);
        }
    }

    // ---- for good measure

    fn increment(&mut self) {
        let name = [b'#', self.random.below(16) as u8];
        if let Err(error) = self.segment.increment(&name, 1, Some(0), Expiry::never()) {
            self.refused(0, error);
        }
    }

    /// Keeps eviction busy.
    fn cold(&mut self) {
        let key = self.hot_keys + self.random.below(self.cold_keys);
        let name = key.to_be_bytes();
        let mut buffer = std::mem::take(&mut self.buffer);
        if self.segment.get_into(&name, &mut buffer) {
            if let Err(damage) = read_value(&buffer, key) {
                self.journal
                    .wrong(&format!("cold key {key} gave bytes nobody wrote: {damage:?}"));
            }
        } else {
            let value = self.record(key, 0, 0);
            if let Err(error) = self.segment.put(&name, &value, Expiry::never()) {
                self.refused(key, error);
            }
        }
        self.buffer = buffer;
    }
}

fn hot_name(key: u64) -> [u8; 9] {
    let mut name = [b'h'; 9];
    for (byte, digit) in name.iter_mut().skip(1).zip(key.to_be_bytes()) {
        *byte = digit;
    }
    name
}

fn tag_name(tag: u64) -> Vec<u8> {
    format!("tag {tag}").into_bytes()
}
