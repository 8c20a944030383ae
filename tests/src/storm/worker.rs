//! One thread of a storm: random operations, each timed, each value that is read checked.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use guira_segment::{
    Add, Expiry, Fill, Flight, FlightEnd, Lookup, Put, PutOptions, Replace, Segment, StoreError, Swap,
    ValueRef,
};
use guira_shm::sync::Ordering;

use crate::board::{
    Board, ROW_CONTENDED, ROW_FALSE_MISSES, ROW_HITS, ROW_MISSES, ROW_NO_RUN, ROW_NO_SPACE, ROW_SUPERSEDED,
};
use crate::journal::Journal;
use crate::random::Random;
use crate::record::{MIN_RECORD_BYTES, NO_TAG, Record, read_value};
use crate::stopwatch::Stopwatch;
use crate::storm::counter::{COUNTERS, Field, initial};
use crate::storm::history::{History, TAGS, Verdict};
use crate::storm::kind::{Kind, kind_name};

/// Keys of large values, none of which is in the side namespace.
const FIRST_LARGE_KEY: u64 = 1 << 63;
const LARGE_KEYS: u64 = 16;
/// A value that grew to so many bytes is replaced, not appended to.
const MAX_APPENDED_BYTES: usize = 3_000;
/// How long a flight's owner may take, and how long it is waited for.
const FLIGHT_PATIENCE: Duration = Duration::from_millis(20);
const FLIGHT_WAIT: Duration = Duration::from_millis(10);
/// Guards that a thread keeps for a while.
const KEPT_GUARDS: usize = 3;

/// What a thread works with.
pub(super) struct Hand<'s> {
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
}

impl<'s> Hand<'s> {
    pub(super) fn run(&mut self) {
        while !self.board.is_ended() {
            for _ in 0..32 {
                self.step();
            }
        }
        self.guards.clear();
    }

    fn timed<R>(&mut self, kind: Kind, operation: impl FnOnce() -> R) -> R {
        let running = self.stopwatch.begin(kind as usize);
        let result = operation();
        if let Some(slow) = self.stopwatch.end(running) {
            self.journal.note(&format!(
                "{} took {} ms, of which {} ms waiting for a processor and {} ms running",
                kind_name(slow.kind as u64),
                slow.took_ns / 1_000_000,
                slow.queued_ns / 1_000_000,
                slow.ran_ns / 1_000_000
            ));
        }
        result
    }

    fn step(&mut self) {
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
            993 if self.random.one_in(20) => {
                let segment = self.segment;
                self.timed(Kind::Recover, || segment.recover());
            }
            _ => self.release_guard(),
        }
    }

    /// Half of the operations go to a fiftieth of the keys.
    fn choose_key(&mut self) -> u64 {
        let keys = if self.random.one_in(2) {
            (self.keys / 50).max(16)
        } else {
            self.keys
        };
        self.random.below(keys)
    }

    fn is_side(key: u64) -> bool {
        key % 64 == 63
    }

    fn home(&self, key: u64) -> &'s Segment {
        if Self::is_side(key) {
            self.side
        } else {
            self.segment
        }
    }

    fn record(&mut self, key: u64, tag: u16, record_bytes: u64) -> Vec<u8> {
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
    fn value(&mut self, key: u64, tag: u16) -> Vec<u8> {
        let limit = if self.random.one_in(50) { 4_000 } else { 250 };
        let record_bytes = MIN_RECORD_BYTES as u64 + self.random.below(limit);
        self.record(key, tag, record_bytes)
    }

    fn expiry(&mut self) -> Expiry {
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

    fn check(&mut self, key: u64, value: &[u8], how: &str) {
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
                Verdict::Returned(gone) => self.journal.wrong(&format!(
                    "{how} of key {key} gave the own value {} that was gone at {} through {}, now {}: {record:?}",
                    record.sequence, gone.before, gone.through, self.sequence
                )),
            },
        }
    }

    fn seen(&mut self, key: u64, value: Option<&[u8]>, how: &str) {
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
    fn accepted<T>(&mut self, key: u64, result: Result<T, StoreError>, what: Kind) -> Option<T> {
        match result {
            Ok(done) => return Some(done),
            Err(StoreError::NoSpace) if what == Kind::PutLarge => self.board.add(self.row, ROW_NO_RUN, 1),
            Err(StoreError::NoSpace) => self.board.add(self.row, ROW_NO_SPACE, 1),
            Err(StoreError::Contended { .. }) => self.board.add(self.row, ROW_CONTENDED, 1),
            Err(error) => self
                .journal
                .wrong(&format!("{what:?} of key {key} failed: {error}")),
        }
        None
    }

    fn superseded(&self) {
        self.board.add(self.row, ROW_SUPERSEDED, 1);
    }

    // ---- reading

    fn get(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let value = self.timed(Kind::Get, || home.get(&name));
        self.seen(key, value.as_deref(), "get");
        if let Some(value) = value
            && self.random.one_in(100)
        {
            if self.guards.len() >= KEPT_GUARDS {
                self.release_guard();
            }
            self.guards.push_back((key, value));
        }
    }

    /// A guard's bytes are the same as long as it stands.
    fn release_guard(&mut self) {
        let Some((key, value)) = self.guards.pop_front() else {
            return;
        };
        if let Err(damage) = read_value(&value, key) {
            self.journal.wrong(&format!(
                "the bytes under a guard of key {key} changed: {damage:?}"
            ));
        }
        self.timed(Kind::Release, || drop(value));
    }

    fn get_into(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let mut buffer = Vec::new();
        let is_hit = self.timed(Kind::GetInto, || home.get_into(&name, &mut buffer));
        self.seen(key, is_hit.then_some(buffer.as_slice()), "get_into");
    }

    fn get_many(&mut self, first: u64) {
        let ids: Vec<u64> = (0..16)
            .map(|step| (first + step * 7) % self.keys)
            .filter(|&key| !Self::is_side(key))
            .collect();
        let names: Vec<Vec<u8>> = ids.iter().map(|&key| key_bytes(key)).collect();
        let keys: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let mut values: Vec<Option<Vec<u8>>> = Vec::new();
        let segment = self.segment;
        self.timed(Kind::GetMany, || {
            segment.get_many(&keys, |_, value| values.push(value.map(<[u8]>::to_vec)));
        });
        for (key, value) in ids.into_iter().zip(values) {
            self.seen(key, value.as_deref(), "get_many");
        }
    }

    fn peek(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        match self.random.below(4) {
            0 => drop(self.timed(Kind::Peek, || home.metadata(&name))),
            1 => drop(self.timed(Kind::Peek, || home.ttl(&name))),
            2 => drop(self.timed(Kind::Peek, || home.contains(&name))),
            _ => drop(self.timed(Kind::Peek, || home.tags(&name))),
        }
    }

    // ---- writing

    fn put(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let tag = if self.random.one_in(5) {
            self.random.below(TAGS) as u16
        } else {
            NO_TAG
        };
        let value = self.value(key, tag);
        let options = PutOptions::from(self.expiry()).aligned(self.random.one_in(8));
        let tag_name = tag_bytes(tag);
        let tags = [tag_name.as_slice()];
        let options = if tag == NO_TAG {
            options
        } else {
            options.tags(&tags)
        };
        let result = self.timed(Kind::Put, || home.put_with(&name, &value, &options));
        self.was_put(key, result, Kind::Put);
    }

    /// Whatever came of a put, what was there before is gone.
    fn was_put(&mut self, key: u64, result: Result<Put, StoreError>, kind: Kind) {
        let through = match self.accepted(key, result, kind) {
            Some(Put::Stored) => "a put",
            Some(Put::Superseded) => {
                self.superseded();
                "a superseded put"
            }
            None => "a put that failed",
        };
        self.history.key_gone(key, self.sequence, through);
    }

    fn add(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let value = self.value(key, NO_TAG);
        let options = PutOptions::from(self.expiry());
        let result = self.timed(Kind::Add, || home.add(&name, &value, &options));
        match self.accepted(key, result, Kind::Add) {
            Some(Add::Stored) => self.history.key_gone(key, self.sequence, "an add"),
            Some(Add::Superseded) => self.superseded(),
            Some(Add::Exists) | None => {}
        }
    }

    fn replace(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let value = self.value(key, NO_TAG);
        let options = PutOptions::from(self.expiry());
        let result = self.timed(Kind::Replace, || home.replace(&name, &value, &options));
        match self.accepted(key, result, Kind::Replace) {
            Some(Replace::Superseded) => self.superseded(),
            Some(Replace::NotFound) => self.history.key_missed(key, self.sequence),
            Some(Replace::Stored) | None => self.history.key_gone(key, self.sequence, "a replace"),
        }
    }

    fn swap(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let Some(seen) = self.timed(Kind::Get, || home.get(&name)) else {
            return self.seen(key, None, "get before a swap");
        };
        self.seen(key, Some(&seen), "get before a swap");
        let version = seen.version();
        drop(seen);
        let value = self.value(key, NO_TAG);
        let options = PutOptions::from(self.expiry());
        let result = self.timed(Kind::Swap, || {
            home.compare_and_swap(&name, version, &value, &options)
        });
        match self.accepted(key, result, Kind::Swap) {
            Some(Swap::Stored) => self.history.key_gone(key, self.sequence, "a swap"),
            Some(Swap::Superseded) => self.superseded(),
            Some(Swap::Conflict(_) | Swap::NotFound) | None => {}
        }
    }

    fn append(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let present = self.timed(Kind::Peek, || home.metadata(&name));
        if present.is_some_and(|metadata| metadata.value_bytes > MAX_APPENDED_BYTES) {
            return self.put(key);
        }
        let record_bytes = MIN_RECORD_BYTES as u64 + self.random.below(100);
        let suffix = self.record(key, NO_TAG, record_bytes);
        let result = self.timed(Kind::Append, || home.append(&name, &suffix));
        if self.accepted(key, result, Kind::Append) == Some(Replace::Superseded) {
            self.superseded();
        }
    }

    fn touch(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let expiry = self.expiry();
        let result = self.timed(Kind::Touch, || home.touch(&name, expiry));
        self.accepted(key, result, Kind::Touch);
    }

    fn expire(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        self.timed(Kind::Expire, || home.expire(&name));
    }

    fn large(&mut self) {
        let key = FIRST_LARGE_KEY + self.random.below(LARGE_KEYS);
        let (home, name) = (self.segment, key_bytes(key));
        if self.random.one_in(4) && self.large_bytes > 0 {
            let record_bytes = self.large_bytes / 2 + self.random.below(self.large_bytes);
            let value = self.record(key, NO_TAG, record_bytes);
            let result = self.timed(Kind::PutLarge, || home.put(&name, &value, Expiry::never()));
            self.was_put(key, result, Kind::PutLarge);
        } else {
            let value = self.timed(Kind::Get, || home.get(&name));
            self.seen(key, value.as_deref(), "get of a large value");
        }
    }

    fn fill(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let token = match self.timed(Kind::Lookup, || home.lookup(&name)) {
            Lookup::Hit(value) => return self.seen(key, Some(&value), "lookup"),
            Lookup::Stale(value, token) => {
                self.seen(key, Some(&value), "lookup");
                token
            }
            Lookup::Miss(token) => {
                self.seen(key, None, "lookup");
                token
            }
        };
        let flight = self.timed(Kind::Flight, || home.flight(&name, &token, FLIGHT_PATIENCE));
        let lead = match flight {
            Flight::Lead(lead) => Some(lead),
            Flight::Alone => None,
            Flight::Wait(wait) => match self.timed(Kind::Wait, || wait.wait(FLIGHT_WAIT)) {
                FlightEnd::TakenOver(lead) => Some(lead),
                FlightEnd::Landed | FlightEnd::TimedOut => return self.get(key),
            },
        };
        let value = self.value(key, NO_TAG);
        let options = PutOptions::from(self.expiry());
        let result = self.timed(Kind::Fill, || home.fill(&name, &value, &token, &options));
        match self.accepted(key, result, Kind::Fill) {
            Some(Fill::Stored) => self.history.key_gone(key, self.sequence, "a fill"),
            Some(Fill::Superseded) => self.superseded(),
            None => {}
        }
        self.timed(Kind::Release, || drop(lead));
    }

    // ---- removing

    fn remove(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        self.timed(Kind::Remove, || home.remove(&name));
        self.history.key_gone(key, self.sequence, "a remove");
    }

    fn invalidate(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        self.timed(Kind::Invalidate, || home.invalidate(&name));
        self.history.key_gone(key, self.sequence, "an invalidation");
    }

    fn invalidate_tag(&mut self) {
        let tag = self.random.below(TAGS) as u16;
        let (segment, name) = (self.segment, tag_bytes(tag));
        self.timed(Kind::InvalidateTag, || segment.invalidate_tag(&name));
        self.history.tag_gone(tag, self.sequence);
    }

    fn clear_side(&mut self) {
        let side = self.side;
        self.timed(Kind::Clear, || side.clear());
        self.history.side_gone(self.sequence);
    }

    // ---- counters

    fn increment(&mut self) {
        if !self.field.counts() {
            return self.read_counter();
        }
        let counter = self.random.below(COUNTERS);
        let (segment, name, one) = (self.segment, counter_bytes(counter), self.field.one());
        let began = self.next_epoch(counter);
        let result = self.timed(Kind::Increment, || {
            segment.increment(&name, one, Some(began), Expiry::never())
        });
        let Some(Some(sum)) = self.accepted(counter, result, Kind::Increment) else {
            return self.field.forget(counter);
        };
        if sum == began {
            self.reserved.remove(&counter);
        }
        if let Err(what) = self.field.incremented(counter, sum, began) {
            self.journal.wrong(&what);
        }
        if Field::is_full(sum) {
            self.timed(Kind::Remove, || segment.remove(&name));
            self.field.forget(counter);
        }
    }

    fn next_epoch(&mut self, counter: u64) -> i64 {
        let board = self.board;
        *self
            .reserved
            .entry(counter)
            .or_insert_with(|| initial(board.extra_word(counter as usize).fetch_add(1, Ordering::Relaxed)))
    }

    fn read_counter(&mut self) {
        let counter = self.random.below(COUNTERS);
        let (segment, name) = (self.segment, counter_bytes(counter));
        let mut buffer = Vec::new();
        if !self.timed(Kind::GetInto, || segment.get_into(&name, &mut buffer)) {
            return;
        }
        let number = std::str::from_utf8(&buffer)
            .ok()
            .and_then(|text| text.parse().ok());
        let verdict = match number {
            Some(number) => self.field.read(counter, number),
            None => Err(format!("counter {counter} holds {buffer:?}")),
        };
        if let Err(what) = verdict {
            self.journal.wrong(&what);
        }
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

fn counter_bytes(counter: u64) -> Vec<u8> {
    format!("#{counter}").into_bytes()
}

fn tag_bytes(tag: u16) -> Vec<u8> {
    format!("tag {tag}").into_bytes()
}
