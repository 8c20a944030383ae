//! Maps that this process keeps, so that a value that is read again costs no call of the kernel.
//!
//! A map is kept under its file's number, which never means another file. It holds the file's space on the disk even
//! after its name is gone; so one whose record is no longer its file's is dropped when it is met, by a read of
//! the same value or by a look at each of its set that every new map brings.
//!
//! Who copies a value once needs no map. Which values were copied lately is remembered, as many as maps are kept: one that
//! is copied again before as many others is worth a map. Values that are copied one after the other, more than there are
//! places, never are.

use std::sync::atomic::{AtomicU64, Ordering}; // process-private

use guira_shm::fork::{ForkLock, process_id};

use super::value::ValueMap;
use crate::layout::stub::Stub;

const SETS: usize = 512;
const WAYS: usize = 8;

/// A set-associative table of maps.
#[derive(Debug)]
pub(super) struct KeptMaps {
    sets: Box<[ForkLock<Set>]>,
    /// Bytes of all maps that are kept, about.
    bytes: AtomicU64, // process-private
    /// The set that is looked through next.
    hand: AtomicU64, // process-private
}

#[derive(Debug, Default)]
struct Set {
    process: u64,
    kept: [Option<(Stub, ValueMap)>; WAYS],
    /// Where the next one goes when all are taken.
    hand: usize,
    /// Numbers of files that were copied; none has 0.
    copied: [u64; WAYS],
    copied_hand: usize,
}

impl KeptMaps {
    pub(super) fn new() -> Self {
        Self {
            sets: (0..SETS).map(|_| ForkLock::default()).collect(),
            bytes: AtomicU64::new(0),
            hand: AtomicU64::new(0),
        }
    }

    fn with<R>(&self, number: u64, work: impl FnOnce(&mut Set) -> R) -> Option<R> {
        let mut set = self.sets.get(number as usize % SETS)?.lock();
        if set.was_stolen() || set.process != process_id() {
            // Of a parent whose thread was in the middle of changing it, perhaps: left as it is.
            std::mem::forget(std::mem::take(&mut *set));
            set.process = process_id();
        }
        Some(work(&mut set))
    }

    pub(super) fn get(&self, stub: &Stub) -> Option<ValueMap> {
        self.with(stub.number, |set| {
            let kept = set.kept.iter().flatten().find(|(kept, _)| kept == stub);
            kept.map(|(_, map)| map.clone())
        })
        .flatten()
    }

    /// Whether the value was copied lately, which it is now.
    pub(super) fn is_copied_again(&self, stub: &Stub) -> bool {
        let is_again = self.with(stub.number, |set| {
            if set.copied.contains(&stub.number) {
                return true;
            }
            let at = set.copied_hand % WAYS;
            set.copied_hand = at + 1;
            if let Some(room) = set.copied.get_mut(at) {
                *room = stub.number;
            }
            false
        });
        is_again.unwrap_or(false)
    }

    /// Whether a map of so many bytes would be kept.
    pub(super) fn has_room(&self, bytes: u64, most_bytes: u64) -> bool {
        self.bytes.load(Ordering::Relaxed).saturating_add(bytes) <= most_bytes
    }

    /// Keeps a map, in the place of one that is not `is_current` any more, or of the one that came first; if all that are
    /// kept have no more than `most_bytes`. Another set is rid of what is gone on the way.
    pub(super) fn keep(
        &self,
        stub: &Stub,
        map: &ValueMap,
        most_bytes: u64,
        is_current: impl Fn(&Stub) -> bool,
    ) {
        self.rid(self.hand.fetch_add(1, Ordering::Relaxed), &is_current);
        self.rid(stub.number, |kept| kept != stub && is_current(kept));
        let bytes = map.len() as u64;
        if !self.has_room(bytes, most_bytes) {
            return;
        }
        self.with(stub.number, |set| {
            let at = set.kept.iter().position(Option::is_none).unwrap_or(set.hand);
            set.hand = (at + 1) % WAYS;
            if let Some(room) = set.kept.get_mut(at) {
                self.count(room.as_ref(), Some(map));
                *room = Some((*stub, map.clone()));
            }
        });
    }

    /// Drops the maps of files that are gone.
    pub(super) fn retain(&self, is_current: impl Fn(&Stub) -> bool) {
        for set in 0..SETS as u64 {
            self.rid(set, &is_current);
        }
    }

    pub(super) fn drop_of(&self, stub: &Stub) {
        self.rid(stub.number, |kept| kept != stub);
    }

    /// Drops what is not to be kept of one set.
    fn rid(&self, set: u64, is_kept: impl Fn(&Stub) -> bool) {
        self.with(set, |set| {
            for room in &mut set.kept {
                if room.as_ref().is_some_and(|(stub, _)| !is_kept(stub)) {
                    self.count(room.as_ref(), None);
                    *room = None;
                }
            }
        });
    }

    fn count(&self, old: Option<&(Stub, ValueMap)>, new: Option<&ValueMap>) {
        let old = old.map_or(0, |(_, map)| map.len() as u64);
        self.bytes.fetch_add(
            new.map_or(0, |map| map.len() as u64).wrapping_sub(old),
            Ordering::Relaxed,
        );
    }
}
