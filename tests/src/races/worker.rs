//! One thread of a race.

use std::sync::Arc;
use std::time::Duration;

use guira::store::Decoded;
use guira::{Cache, Error, FlightOptions, Guira, Lifetime, Memoized, PutOptions};
use guira_segment::Segment;
use guira_shm::sync::{AtomicU64, Ordering};
use serde::{Deserialize, Serialize};

use crate::board::{Board, ROW_KINDS, ROW_OPERATIONS};
use crate::journal::Journal;
use crate::races::WORDS_PER_KEY;
use crate::random::Random;

const SOURCE: u64 = 0;
const PUBLISHED: u64 = 1;

/// Keys of one tag.
const KEYS_PER_TAG: u64 = 4;
/// Rounds between reports to the board.
const BATCH: u64 = 64;
/// A stopped leader is replaced so soon.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long a killed guardian keeps values of its key from being stored.
const GUARD_BOUND: Duration = Duration::from_millis(200);
/// Bytes and keys of what turns the segment over.
const COLD_BYTES: usize = 9_000;
const COLD_KEYS: u64 = 100_000;

/// What is counted, by index.
pub(super) const COUNTED: [&str; COUNTS] = [
    "calls of get_or_compute",
    "calls of memoized functions",
    "calls of get",
    "reads of decoded values",
    "refreshes",
    "values of earlier computations",
    "misses",
    "invalidations of keys",
    "invalidations of tags",
    "invalidations of functions",
    "invalidations of everything",
    "guarded changes",
    "computations that were superseded",
];
pub(super) const COUNTS: usize = 13;
const GET_OR_COMPUTE: usize = 0;
const MEMOIZED: usize = 1;
const GET: usize = 2;
const DECODED: usize = 3;
const REFRESH: usize = 4;
const REUSED: usize = 5;
const MISS: usize = 6;
const BY_KEY: usize = 7;
const BY_TAG: usize = 8;
const BY_FUNCTION: usize = 9;
const BY_ALL: usize = 10;
const BY_GUARD: usize = 11;
const SUPERSEDED: usize = 12;

/// What is computed: from which source of which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    door: u64,
    key: u64,
    source: u64,
}

/// A key of one of the doors.
#[derive(Clone, Copy, Debug)]
struct Slot {
    door: u64,
    key: u64,
}

/// The doors by which values are had.
pub(super) struct Doors {
    guira: Guira,
    cache: Cache<u64, Answer>,
    decoded: Decoded<u64, Answer>,
    memoized: Memoized<u64, Answer>,
    cold: Cache<u64, Vec<u8>>,
    sources: Arc<Sources>,
}

/// The truth.
struct Sources {
    board: Arc<Board>,
    keys: u64,
}

impl Sources {
    fn word(&self, slot: Slot, field: u64) -> &AtomicU64 {
        let index = (slot.door * self.keys + slot.key) * WORDS_PER_KEY + field;
        self.board.extra_word(index as usize)
    }

    /// Reads the source, then dawdles at times, as the source itself says: whoever changes it meanwhile overtakes.
    fn compute(&self, slot: Slot) -> Answer {
        // SeqCst: after the token was taken, before the value is stored.
        let source = self.word(slot, SOURCE).load(Ordering::SeqCst);
        match (source ^ slot.key) % 8 {
            0 => std::thread::yield_now(),
            1 => (0..4).for_each(|_| std::thread::yield_now()),
            2 => (0..1_000).for_each(|_| std::hint::spin_loop()),
            _ => {}
        }
        Answer {
            door: slot.door,
            key: slot.key,
            source,
        }
    }
}

const OF_CACHE: u64 = 0;
const OF_FUNCTION: u64 = 1;

impl Doors {
    pub(super) fn new(segment: &Segment, board: &Arc<Board>, keys: u64) -> Self {
        let guira = Guira::of_segment(segment.clone());
        let sources = Arc::new(Sources {
            board: Arc::clone(board),
            keys,
        });
        let flights = FlightOptions::default().patience(PATIENCE);
        let cache = guira
            .cache_builder("races")
            .lifetime(Lifetime::never())
            .flights(flights)
            .open();
        let truth = Arc::clone(&sources);
        let memoized = guira
            .memoize("races function")
            .flights(flights)
            .function(move |key| {
                truth.compute(Slot {
                    door: OF_FUNCTION,
                    key,
                })
            })
            .tags_of(|key| vec![tag_of(*key)]);
        Self {
            decoded: Decoded::new(cache.clone(), keys as usize * 2),
            cold: guira.cache("races cold"),
            guira,
            cache,
            memoized,
            sources,
        }
    }
}

pub(super) struct Racer<'b> {
    pub(super) doors: Doors,
    pub(super) board: &'b Board,
    pub(super) row: usize,
    pub(super) random: Random,
    pub(super) journal: Journal<'b>,
    pub(super) counts: [u64; COUNTS],
}

impl Racer<'_> {
    pub(super) fn run(&mut self) {
        while !self.board.is_ended() {
            for _ in 0..BATCH {
                if let Err(error) = self.round() {
                    self.journal.wrong(&format!("a call failed: {error}"));
                }
            }
            self.board.add(self.row, ROW_OPERATIONS, BATCH);
            for (index, count) in self.counts.iter_mut().enumerate() {
                self.board.add(self.row, ROW_KINDS + index, std::mem::take(count));
            }
            let superseded =
                self.doors.cache.flight_stats().superseded + self.doors.memoized.stats().flights.superseded;
            let word = self.board.row_word(self.row, ROW_KINDS + SUPERSEDED);
            word.fetch_max(superseded, Ordering::Relaxed);
        }
    }

    /// Some calls, an invalidation, some calls.
    fn round(&mut self) -> Result<(), Error> {
        for _ in 0..self.random.below(4) {
            self.call()?;
        }
        self.invalidate()?;
        for _ in 0..self.random.below(4) {
            self.call()?;
        }
        if self.random.one_in(16) {
            let key = self.random.below(COLD_KEYS);
            // A segment without room for it is turned over all the same.
            let _ = self.doors.cold.put(&key, &vec![7; COLD_BYTES], Lifetime::never());
        }
        Ok(())
    }

    fn count(&mut self, what: usize) {
        if let Some(count) = self.counts.get_mut(what) {
            *count += 1;
        }
    }

    fn slot(&mut self, door: u64) -> Slot {
        let key = self.random.below(self.doors.sources.keys);
        Slot { door, key }
    }

    // ---- calling and judging

    fn call(&mut self) -> Result<(), Error> {
        let (slot, what) = match self.random.below(16) {
            0..=4 => (self.slot(OF_CACHE), GET_OR_COMPUTE),
            5..=9 => (self.slot(OF_FUNCTION), MEMOIZED),
            10 => (self.slot(OF_CACHE), GET),
            11 => (self.slot(OF_FUNCTION), GET),
            12..=14 => (self.slot(OF_CACHE), DECODED),
            _ => (self.slot(OF_FUNCTION), REFRESH),
        };
        self.count(what);
        // SeqCst: an invalidation that is seen here returned before the call begins.
        let published = self.doors.sources.word(slot, PUBLISHED).load(Ordering::SeqCst);
        let mut has_computed = false;
        let answer = {
            let doors = &self.doors;
            match (what, slot.door) {
                (GET, OF_CACHE) => doors.cache.get(&slot.key)?,
                (GET, _) => doors.memoized.peek(&slot.key)?,
                (MEMOIZED, _) => Some(doors.memoized.get(slot.key)),
                (REFRESH, _) => {
                    let Ok(answer) = doors.memoized.refresh(slot.key);
                    Some(answer)
                }
                (DECODED, _) => doors.decoded.get_shared(&slot.key)?.map(|answer| *answer),
                _ => {
                    let tag = tag_of(slot.key);
                    let tags = [tag.as_bytes()];
                    let options = PutOptions::default().tags(&tags);
                    Some(doors.cache.get_or_compute_with(&slot.key, options, || {
                        has_computed = true;
                        doors.sources.compute(slot)
                    })?)
                }
            }
        };
        let Some(answer) = answer else {
            self.count(MISS);
            return Ok(());
        };
        if (answer.door, answer.key) != (slot.door, slot.key) {
            self.journal
                .wrong(&format!("{slot:?} gave what is another key's: {answer:?}"));
        }
        if answer.source < published {
            let how = COUNTED.get(what).copied().unwrap_or_default();
            self.journal.wrong(&format!(
                "STALE ({how}): {answer:?} after the invalidation of {published} had returned"
            ));
        }
        if what == GET_OR_COMPUTE && !has_computed {
            self.count(REUSED);
        }
        Ok(())
    }

    // ---- invalidating

    fn invalidate(&mut self) -> Result<(), Error> {
        let door = self.random.below(2);
        let slot = self.slot(door);
        let keys = self.doors.sources.keys;
        let of_function = slot.door == OF_FUNCTION;
        match self.random.below(1000) {
            0..=699 => {
                self.count(BY_KEY);
                self.change(slot.door, slot.key..slot.key + 1, |doors| {
                    if of_function {
                        doors.memoized.invalidate(&slot.key).map(drop)
                    } else {
                        doors.cache.invalidate(&slot.key).map(drop)
                    }
                })
            }
            700..=849 => {
                self.count(BY_TAG);
                let first = slot.key / KEYS_PER_TAG * KEYS_PER_TAG;
                let tag = tag_of(slot.key);
                let group = first..keys.min(first + KEYS_PER_TAG);
                self.change(slot.door, group, |doors| {
                    if of_function {
                        doors.memoized.cache()?.invalidate_tag(tag.as_bytes())
                    } else {
                        doors.cache.invalidate_tag(tag.as_bytes())
                    }
                })
            }
            850..=919 => {
                self.count(BY_FUNCTION);
                self.change(slot.door, 0..keys, |doors| {
                    if of_function {
                        doors.memoized.clear()
                    } else {
                        doors.cache.clear()
                    }
                })
            }
            920..=979 => {
                self.count(BY_GUARD);
                let guard = if of_function {
                    self.doors.memoized.write_guard(&slot.key, GUARD_BOUND)?
                } else {
                    self.doors.cache.write_guard(&slot.key, GUARD_BOUND)?
                };
                self.change(slot.door, slot.key..slot.key + 1, |_| {
                    guard.finish();
                    Ok(())
                })
            }
            980..=997 => {
                // Stale values are given and refreshed in the background: more that races.
                self.doors.memoized.expire(&slot.key)?;
                Ok(())
            }
            _ => {
                self.count(BY_ALL);
                self.change(OF_CACHE, 0..2 * keys, |doors| {
                    doors.guira.clear_all();
                    Ok(())
                })
            }
        }
    }

    /// The source changes first; what is published has returned. `keys` go on into the next door.
    fn change(
        &mut self,
        door: u64,
        keys: std::ops::Range<u64>,
        invalidate: impl FnOnce(&Doors) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let sources = Arc::clone(&self.doors.sources);
        let slot = |key: u64| Slot {
            door: door + key / sources.keys,
            key: key % sources.keys,
        };
        // SeqCst: the source is changed before the invalidation begins.
        let raised: Vec<u64> = keys
            .clone()
            .map(|key| sources.word(slot(key), SOURCE).fetch_add(1, Ordering::SeqCst) + 1)
            .collect();
        invalidate(&self.doors)?;
        // SeqCst: published after the invalidation returned.
        for (key, source) in keys.zip(raised) {
            sources
                .word(slot(key), PUBLISHED)
                .fetch_max(source, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn tag_of(key: u64) -> String {
    format!("tag {}", key / KEYS_PER_TAG)
}
