//! Every operation of a segment, at random, each answer judged.

use std::time::{Duration, Instant};

use guira_segment::{
    Expiry, FillToken, Flight, FlightEnd, Lookup, PutOptions, Segment, StoreError, ValueRef, Version,
};
use serde::{Deserialize, Serialize};

use super::{LONGEST_OPERATION, Trust};
use crate::random::Random;
use crate::record::{self, MIN_RECORD_BYTES, NO_TAG, Record};

/// Keys in each of the two namespaces.
const KEYS: u64 = 300;
/// Keys of counters.
const COUNTERS: u64 = 16;
/// Guards that are held across operations; what they show is not judged, for damage may free their blocks.
const GUARDS: usize = 3;
const TAGS: [&[u8]; 3] = [b"red", b"green", b"blue"];

/// What one process saw of one image.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// Operations that returned.
    pub operations: u64,
    /// Reads that gave a value.
    pub hits: u64,
    /// Writes that were refused with an error.
    pub errors: u64,
    /// Values that were torn where that is allowed.
    pub torn: u64,
    /// The longest operation, us.
    pub slowest_us: u64,
    /// What must not be: the first few.
    pub wrong: Vec<String>,
}

/// One process's random operations on a segment.
#[derive(Debug)]
pub struct Caller<'s> {
    spaces: [&'s Segment; 2],
    random: Random,
    trust: Trust,
    sequence: u64,
    writer: u64,
    guards: Vec<ValueRef<'s>>,
    token: Option<(u64, usize, FillToken)>,
    version: Option<(u64, usize, Version)>,
    buffer: Vec<u8>,
    verdict: Verdict,
}

impl<'s> Caller<'s> {
    /// A caller that uses a segment through two of its namespaces.
    #[must_use]
    pub fn new(spaces: [&'s Segment; 2], seed: u64, trust: Trust) -> Self {
        Self {
            spaces,
            random: Random::new(seed, 7),
            trust,
            sequence: 0,
            writer: seed,
            guards: Vec::new(),
            token: None,
            version: None,
            buffer: Vec::new(),
            verdict: Verdict::default(),
        }
    }

    /// Does so many operations.
    pub fn run(&mut self, operations: u64) {
        for _ in 0..operations {
            let kind = self.random.below(64);
            let (began, began_ran) = (Instant::now(), processor_time());
            self.step(kind);
            let (took, ran) = (began.elapsed(), processor_time().saturating_sub(began_ran));
            self.verdict.operations += 1;
            let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.verdict.slowest_us = self.verdict.slowest_us.max(took_us);
            if ran > LONGEST_OPERATION {
                self.blame(format!("operation {kind} ran {} ms", ran.as_millis()));
            }
        }
    }

    /// What it saw.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        self.verdict
    }

    /// Does one operation; `kind`, below 64, says which.
    pub fn step(&mut self, kind: u64) {
        let space = usize::from(self.random.one_in(4));
        let number = self.random.below(KEYS);
        let name = key_name(number);
        let segment = self.spaces[space];
        match kind {
            0..14 => self.read(segment, space, number),
            14..16 => self.read_many(segment, space),
            16..30 => {
                let (value, tag) = self.new_value(number, space);
                let tags = tag_list(tag);
                let options = self.options(tags.as_slice());
                let result = match kind {
                    16..24 => segment.put_with(&name, &value, &options).map(drop),
                    24..26 => segment.add(&name, &value, &options).map(drop),
                    26 => segment.replace(&name, &value, &options).map(drop),
                    27 => self.swap(segment, space, number, &value),
                    _ => self.fill(segment, space, number, &value),
                };
                self.count_error(&result);
            }
            30..32 => {
                let (value, _) = self.new_value(number, space);
                let result = segment.append(&name, &value).map(drop);
                self.count_error(&result);
            }
            32..35 => {
                let counter = counter_name(self.random.below(COUNTERS));
                let initial = self.random.one_in(2).then_some(1);
                let result = segment.increment(&counter, 3, initial, Expiry::never()).map(drop);
                self.count_error(&result);
            }
            35..38 => {
                let expiry = self.expiry();
                let result = segment.touch(&name, expiry).map(drop);
                self.count_error(&result);
            }
            38 => drop(segment.expire(&name)),
            39..42 => drop(segment.remove(&name)),
            42..44 => drop(segment.invalidate(&name)),
            44 => segment.invalidate_tag(TAGS[self.random.below(TAGS.len() as u64) as usize]),
            45..48 => self.compute(segment, space, number),
            48..51 => self.look_aside(segment, number),
            51 => self.hold(segment, &name),
            52..54 => self.guards.clear(),
            54 => self.put_large(segment, space, number),
            55 if self.random.one_in(40) => segment.clear(),
            56 if self.random.one_in(80) => segment.clear_all(),
            57 if self.random.one_in(8) => drop(segment.recover()),
            58 if self.random.one_in(40) => drop(segment.verify()),
            59 if self.random.one_in(40) => {
                for entry in segment.all_entries().take(10_000) {
                    self.verdict.hits += u64::from(!entry.key.is_empty());
                }
            }
            60 if self.random.one_in(20) => drop(segment.namespace("third")),
            61 => drop(segment.existing_namespace("second")),
            _ => self.read(segment, space, number),
        }
    }

    fn read(&mut self, segment: &Segment, space: usize, number: u64) {
        let name = key_name(number);
        if self.random.one_in(2) {
            let mut buffer = std::mem::take(&mut self.buffer);
            if segment.get_into(&name, &mut buffer) {
                self.judge(&buffer, space, number);
            }
            self.buffer = buffer;
        } else if let Some(value) = segment.get(&name) {
            // As it is now: what a damaged pin lets happen to borrowed bytes later is not judged.
            let bytes = value.to_vec();
            self.judge_borrowed(&bytes, space, number);
            if self.random.one_in(4) {
                self.version = Some((number, space, value.version()));
            }
        }
    }

    fn read_many(&mut self, segment: &Segment, space: usize) {
        let numbers: Vec<u64> = (0..20).map(|_| self.random.below(KEYS)).collect();
        let names: Vec<Vec<u8>> = numbers.iter().map(|&number| key_name(number)).collect();
        let keys: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        segment.get_many(&keys, |index, value| {
            if let (Some(value), Some(&number)) = (value, numbers.get(index)) {
                self.judge(value, space, number);
            }
        });
    }

    fn look_aside(&mut self, segment: &Segment, number: u64) {
        let name = key_name(number);
        let seen = segment.metadata(&name).is_some() | segment.contains(&name) | segment.ttl(&name).is_some();
        let tags = segment.tags(&name).map_or(0, |tags| tags.len());
        self.verdict.hits += u64::from(seen && tags <= guira_segment::MAX_TAGS);
        if self.random.one_in(16) {
            let stats = segment.stats();
            self.verdict.hits += u64::from(stats.hits > u64::MAX / 2);
        }
    }

    fn swap(&mut self, segment: &Segment, space: usize, number: u64, value: &[u8]) -> Result<(), StoreError> {
        // The version must be of the key that is swapped.
        let Some((seen, seen_space, version)) = self.version.take() else {
            return Ok(());
        };
        let options = PutOptions::default();
        if (seen, seen_space) == (number, space) {
            return segment
                .compare_and_swap(&key_name(number), version, value, &options)
                .map(drop);
        }
        let (value, _) = self.new_value(seen, seen_space);
        let segment = self.spaces[seen_space];
        segment
            .compare_and_swap(&key_name(seen), version, &value, &options)
            .map(drop)
    }

    fn fill(&mut self, segment: &Segment, space: usize, number: u64, value: &[u8]) -> Result<(), StoreError> {
        let options = PutOptions::default();
        // A token that was taken a while ago, or one of now.
        if let Some((old, old_space, token)) = self.token.take() {
            let (value, _) = self.new_value(old, old_space);
            return self.spaces[old_space]
                .fill(&key_name(old), &value, &token, &options)
                .map(drop);
        }
        let token = segment.fill_token(&key_name(number));
        if self.random.one_in(2) {
            self.token = Some((number, space, token));
            return Ok(());
        }
        segment.fill(&key_name(number), value, &token, &options).map(drop)
    }

    fn compute(&mut self, segment: &Segment, space: usize, number: u64) {
        let name = key_name(number);
        let token = match segment.lookup(&name) {
            Lookup::Hit(value) => {
                let bytes = value.to_vec();
                return self.judge_borrowed(&bytes, space, number);
            }
            Lookup::Stale(value, token) => {
                let bytes = value.to_vec();
                self.judge_borrowed(&bytes, space, number);
                token
            }
            Lookup::Miss(token) => token,
        };
        let lead = match segment.flight(&name, &token, Duration::from_millis(20)) {
            Flight::Lead(lead) => Some(lead),
            Flight::Alone => None,
            Flight::Wait(wait) => match wait.wait(Duration::from_millis(2)) {
                FlightEnd::TakenOver(lead) => Some(lead),
                FlightEnd::Landed | FlightEnd::TimedOut => return,
            },
        };
        let (value, _) = self.new_value(number, space);
        let result = segment
            .fill(&name, &value, &token, &PutOptions::default())
            .map(drop);
        self.count_error(&result);
        drop(lead);
    }

    fn hold(&mut self, segment: &'s Segment, name: &[u8]) {
        if self.guards.len() >= GUARDS {
            self.guards.swap_remove(0);
        }
        if let Some(guard) = segment.get(name) {
            self.verdict.hits += u64::from(guard.iter().any(|&byte| byte != 0));
            self.guards.push(guard);
        }
    }

    /// A value that takes a run of blocks, where the segment allows one.
    fn put_large(&mut self, segment: &Segment, space: usize, number: u64) {
        let most = segment.max_value_bytes() as u64;
        let bytes = (most / 2 + self.random.below(most / 2 + 1)).max(MIN_RECORD_BYTES as u64) as u32;
        let mut value = Vec::new();
        self.record(number, space, bytes, NO_TAG).append_to(&mut value);
        let result = segment.put(&key_name(number), &value, Expiry::never()).map(drop);
        self.count_error(&result);
    }

    fn new_value(&mut self, number: u64, space: usize) -> (Vec<u8>, u16) {
        let tag = if self.random.one_in(4) {
            self.random.below(TAGS.len() as u64) as u16
        } else {
            NO_TAG
        };
        let more = if self.random.one_in(16) { 1_500 } else { 200 };
        let bytes = MIN_RECORD_BYTES as u32 + self.random.below(more) as u32;
        let mut value = Vec::new();
        self.record(number, space, bytes, tag).append_to(&mut value);
        (value, tag)
    }

    fn record(&mut self, number: u64, space: usize, record_bytes: u32, tag: u16) -> Record {
        self.sequence += 1;
        Record {
            key: key_id(number, space),
            writer: self.writer,
            sequence: self.sequence,
            version: 0,
            record_bytes,
            kind: 0,
            tag,
        }
    }

    fn expiry(&mut self) -> Expiry {
        match self.random.below(4) {
            0 => Expiry::after(Duration::from_millis(1 + self.random.below(5))),
            1 => {
                Expiry::after(Duration::from_secs(100)).soft(Duration::from_millis(1 + self.random.below(5)))
            }
            _ => Expiry::never(),
        }
    }

    fn options<'t>(&mut self, tags: &'t [&'t [u8]]) -> PutOptions<'t> {
        let options = PutOptions::from(self.expiry()).tags(tags);
        if self.random.one_in(8) {
            options.aligned(true)
        } else {
            options
        }
    }

    fn count_error(&mut self, result: &Result<(), StoreError>) {
        self.verdict.errors += u64::from(result.is_err());
    }

    /// Bytes that are borrowed were compared before they were given out; where damage lets others take
    /// their space, they may change since.
    fn judge_borrowed(&mut self, value: &[u8], space: usize, number: u64) {
        let trust = self.trust;
        if trust == Trust::Copies {
            self.trust = Trust::Torn;
        }
        self.judge(value, space, number);
        self.trust = trust;
    }

    fn judge(&mut self, value: &[u8], space: usize, number: u64) {
        self.verdict.hits += 1;
        let key = key_id(number, space);
        let allowed = match record::read_value(value, key) {
            Ok(_) => return,
            Err(record::Damage::Key { .. }) => self.trust == Trust::None,
            Err(_) => matches!(self.trust, Trust::Torn | Trust::None),
        };
        if allowed {
            self.verdict.torn += 1;
        } else {
            let found = record::read_value(value, key);
            self.blame(format!("key {key:#x}: {found:?} in {} bytes", value.len()));
        }
    }

    fn blame(&mut self, what: String) {
        if self.verdict.wrong.len() < 5 {
            self.verdict.wrong.push(what);
        }
    }
}

/// What this thread had of a processor.
fn processor_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}

fn key_id(number: u64, space: usize) -> u64 {
    number | (space as u64) << 32
}

/// The key of a number: short ones, and a few that are long.
pub(super) fn key_name(number: u64) -> Vec<u8> {
    let mut name = (number | 0x6b00_0000_0000_0000).to_le_bytes().to_vec();
    let more = match number % 16 {
        0 => 300,
        n => n as usize,
    };
    name.resize(8 + more, b'.');
    name
}

fn counter_name(number: u64) -> Vec<u8> {
    format!("counter {number}").into_bytes()
}

fn tag_list(tag: u16) -> Vec<&'static [u8]> {
    TAGS.get(usize::from(tag)).copied().into_iter().collect()
}
