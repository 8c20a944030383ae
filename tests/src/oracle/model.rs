//! The plain map that a segment is compared with: what each key must hold, on a clock that the test
//! moves, and what the counters must show.

use std::collections::HashMap;
use std::sync::Arc;

use guira_segment::Version;
use std::sync::atomic::{AtomicU64, Ordering};

use super::computing::Token;
use super::counters::Counters;
use super::lifetime::{Deadlines, NEVER_MS};
use super::names::{Place, SPACES, TAGS, TagList};
use super::telling::Telling;
use super::world::World;

/// Where the manual clock stands when a sequence begins.
const BEGIN_MS: u64 = 1_000_000;
/// What the segment's own clock shows then.
const SEGMENT_BEGIN_MS: u64 = 1_000;

/// What a key holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) value: Vec<u8>,
    pub(super) deadlines: Deadlines,
    /// Marked by `expire`.
    pub(super) is_expired: bool,
    pub(super) tags: Vec<usize>,
    pub(super) is_aligned: bool,
    /// The invalidation clock when it was put.
    pub(super) birth: u64,
    pub(super) made_ms: u64,
    /// Tells entries of one key apart.
    pub(super) serial: u64,
}

/// What makes a version: equal ones must be seen for equal entries, and only for those.
type Identity = (Place, Vec<u8>, Deadlines, Vec<usize>, u64, bool);

/// The plain map.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) world: World,
    pub(super) clock: Arc<AtomicU64>,
    held: HashMap<Place, Held>,
    /// The invalidation clock, and what it was when everything, a namespace, a tag was invalidated.
    pub(super) births: u64,
    /// Entries that were evicted because somebody asked.
    pub(super) evicted: u64,
    floor: u64,
    spaces: [u64; SPACES as usize],
    tags: [u64; TAGS],
    /// By tag: those that invalidating it invalidates.
    tags_reached: [u8; TAGS],
    /// How often each key was written.
    writes: HashMap<Place, u64>,
    /// How often each key was invalidated, by itself.
    invalidations: HashMap<Place, u64>,
    /// Keys that share a stamp with another: their fills may be refused for nothing.
    crowded: HashMap<Place, bool>,
    /// Keys of which it is not known whether they were written.
    pub(super) uncertain_writes: HashMap<Place, u64>,
    pub(super) counters: Counters,
    versions: HashMap<Version, Identity>,
    /// The versions in the order in which they were seen.
    seen: Vec<Version>,
    serial: u64,
    /// Values that were made.
    pub(super) values: u64,
    pub(super) tokens: Vec<Token>,
    pub(super) telling: Telling,
}

impl Model {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            clock: Arc::new(AtomicU64::new(BEGIN_MS)),
            held: HashMap::new(),
            births: 0,
            evicted: 0,
            floor: 0,
            spaces: [0; SPACES as usize],
            tags: [0; TAGS],
            tags_reached: std::array::from_fn(|tag| 1 << tag),
            writes: HashMap::new(),
            invalidations: HashMap::new(),
            crowded: HashMap::new(),
            uncertain_writes: HashMap::new(),
            counters: Counters::default(),
            versions: HashMap::new(),
            seen: Vec::new(),
            serial: 0,
            values: 0,
            tokens: Vec::new(),
            telling: Telling::default(),
        }
    }

    // ---- time

    pub(super) fn advance_ms(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    /// The clock of the machine.
    pub(super) fn boot_ms(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// The segment's clock.
    pub(super) fn now_ms(&self) -> u64 {
        self.clock.load(Ordering::Relaxed) - BEGIN_MS + SEGMENT_BEGIN_MS
    }

    // ---- what is held

    fn is_valid(&self, place: Place, held: &Held) -> bool {
        (held.deadlines.hard_ms == NEVER_MS || held.deadlines.hard_ms > self.now_ms())
            && self.allows_birth(place.space, held.birth, &held.tags)
    }

    /// Whether nothing that covers such an entry was invalidated after `birth`.
    pub(super) fn allows_birth(&self, space: u8, birth: u64, tags: &[usize]) -> bool {
        birth >= self.floor
            && birth >= self.spaces[usize::from(space)]
            && tags.iter().all(|&tag| birth >= self.tags[tag])
    }

    /// What the key must hold; what is over is forgotten.
    pub(super) fn get(&mut self, place: Place) -> Option<&Held> {
        let is_over = self
            .held
            .get(&place)
            .is_some_and(|held| !self.is_valid(place, held));
        if is_over {
            self.held.remove(&place);
        }
        self.held.get(&place)
    }

    pub(super) fn is_stale(&self, held: &Held) -> bool {
        held.is_expired
            || held.deadlines.soft_ms < held.deadlines.hard_ms && held.deadlines.soft_ms <= self.now_ms()
    }

    /// Compares whether the segment found the key with what is held. What a world that evicts did
    /// not find is forgotten: it must not come back.
    pub(super) fn meet(&mut self, place: Place, was_found: bool) -> Option<Held> {
        let held = self.get(place).cloned();
        match (held, was_found) {
            (Some(held), true) => Some(held),
            (None, false) => None,
            (None, true) => panic!("{place:?}: found, but it must be gone"),
            (Some(held), false) => {
                assert!(self.world.may_evict, "{place:?}: lost {held:?}");
                self.held.remove(&place);
                // A write may have met it, and met it gone when it was done.
                self.maybe_written(place);
                None
            }
        }
    }

    /// It was evicted, as somebody asked: no token is older for it.
    pub(super) fn evict(&mut self, place: Place) {
        self.held.remove(&place);
        self.evicted += 1;
    }

    /// Everything that must be there, by key.
    pub(super) fn all(&mut self) -> Vec<(Place, Held)> {
        let mut all: Vec<(Place, Held)> = Place::all()
            .filter_map(|place| self.get(place).cloned().map(|held| (place, held)))
            .collect();
        all.sort_unstable_by_key(|(place, _)| *place);
        all
    }

    // ---- writing

    /// A new entry of this moment.
    pub(super) fn fresh(
        &mut self,
        value: Vec<u8>,
        deadlines: Deadlines,
        tags: TagList,
        is_aligned: bool,
    ) -> Held {
        self.serial += 1;
        Held {
            value,
            deadlines,
            is_expired: false,
            tags: tags.numbers(),
            is_aligned,
            birth: self.births,
            made_ms: self.now_ms(),
            serial: self.serial,
        }
    }

    /// An entry derived from `base`: as old as it when something is invalidated.
    pub(super) fn derived(&mut self, base: &Held, value: Vec<u8>) -> Held {
        self.serial += 1;
        Held {
            value,
            is_expired: false,
            made_ms: self.now_ms(),
            serial: self.serial,
            ..base.clone()
        }
    }

    /// The key was written, and holds this now.
    pub(super) fn write(&mut self, place: Place, held: Option<Held>) {
        *self.writes.entry(place).or_default() += 1;
        match held {
            Some(held) => self.held.insert(place, held),
            None => self.held.remove(&place),
        };
    }

    /// The key holds a computed value now; that is no write in the sense of a token.
    pub(super) fn fill(&mut self, place: Place, held: Held) {
        self.held.insert(place, held);
    }

    /// The entry was marked by `expire`.
    pub(super) fn mark_expired(&mut self, place: Place) {
        if let Some(held) = self.held.get_mut(&place) {
            held.is_expired = true;
        }
    }

    /// The key may have been written, which refuses fills that are under way.
    pub(super) fn maybe_written(&mut self, place: Place) {
        *self.uncertain_writes.entry(place).or_default() += 1;
    }

    pub(super) fn writes_of(&self, place: Place) -> u64 {
        self.writes.get(&place).copied().unwrap_or(0)
    }

    /// The key was invalidated, and holds this now.
    pub(super) fn invalidate(&mut self, place: Place, held: Option<Held>) {
        *self.invalidations.entry(place).or_default() += 1;
        self.write(place, held);
    }

    pub(super) fn invalidations_of(&self, place: Place) -> u64 {
        self.invalidations.get(&place).copied().unwrap_or(0)
    }

    pub(super) fn uncertain_writes_of(&self, place: Place) -> u64 {
        self.uncertain_writes.get(&place).copied().unwrap_or(0)
    }

    pub(super) fn set_crowded(&mut self, place: Place, is_crowded: bool) {
        self.crowded.insert(place, is_crowded);
    }

    /// Whether other keys' writes may refuse this one's fills.
    pub(super) fn is_crowded(&self, place: Place) -> bool {
        self.crowded.get(&place).copied().unwrap_or(true)
    }

    // ---- invalidating

    pub(super) fn invalidate_all(&mut self) {
        self.births += 1;
        self.floor = self.births;
    }

    pub(super) fn invalidate_space(&mut self, space: u8) {
        self.births += 1;
        self.spaces[usize::from(space)] = self.births;
    }

    /// Several namespaces by one step of the clock.
    pub(super) fn invalidate_spaces(&mut self, spaces: &[u8]) {
        self.births += 1;
        for space in spaces {
            self.spaces[usize::from(*space)] = self.births;
        }
    }

    pub(super) fn invalidate_tag(&mut self, tag: usize) {
        self.births += 1;
        for other in 0..TAGS {
            if self.tags_reached[tag] >> other & 1 == 1 {
                self.tags[other] = self.births;
            }
        }
    }

    /// To invalidate `tag` invalidates the tags of `bits`: they share a stamp with it, or with its group.
    pub(super) fn set_reached(&mut self, tag: usize, bits: u8) {
        self.tags_reached[tag] = bits;
    }

    // ---- versions

    /// Compares a version that was seen with those seen before.
    pub(super) fn see_version(&mut self, place: Place, held: &Held, version: Version) {
        let identity = (
            place,
            held.value.clone(),
            held.deadlines,
            held.tags.clone(),
            held.birth,
            held.is_aligned,
        );
        if let Some(earlier) = self.versions.get(&version) {
            // The alignment is no part of what a version promises.
            let same = earlier.0 == identity.0
                && earlier.1 == identity.1
                && (earlier.2, &earlier.3, earlier.4) == (identity.2, &identity.3, identity.4);
            assert!(
                same,
                "{place:?}: one version of two entries: {earlier:?} {identity:?}"
            );
        } else {
            let twin = self.versions.values().any(|earlier| *earlier == identity);
            assert!(!twin, "{place:?}: two versions of one entry: {held:?}");
            self.versions.insert(version, identity);
            self.seen.push(version);
        }
    }

    /// A version that this key does not hold now, if one was seen.
    pub(super) fn another_version(&self, current: Option<Version>, choice: u64) -> Option<Version> {
        let others = self.seen.iter().filter(|&&version| Some(version) != current);
        let others: Vec<&Version> = others.collect();
        let at = choice as usize % others.len().max(1);
        others.get(at).copied().copied()
    }

    /// Any version that was seen.
    pub(super) fn any_version(&self, choice: u64) -> Option<Version> {
        self.another_version(None, choice)
    }
}
