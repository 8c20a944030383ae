//! Finding a key's entry.
//!
//! A first pass over the two buckets proves a hit; only a miss is verified. A reader that meets a
//! FWD entry follows it; while the entry it leads to is still WRITING, the old value is the last one
//! whose put completed, and is returned. (A writer that goes on kills or forwards what it finds
//! through the same chain, so nothing older than a completed write is ever returned.)
//!
//! An entry that is met LIVE and then found expired or invalidated says that there is no value only if it
//! still is LIVE after that: it may have been replaced before it was invalidated, and what replaced it may
//! have been linked where the scan had been already.

use guira_shm::mutant::Mutant;
use guira_shm::sync::{AtomicU64, Ordering};

use crate::attach::{Counter, ThreadState};
use crate::entry::{Found, Validity};
use crate::index::scan::{Pass, Step};
use crate::key::Key;
use crate::layout::entry::{ENTRY_LENGTHS, Header, Kind};
use crate::layout::slot::Slot;
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tuning::{MAX_FREQUENCY, READ_HOPS, READ_PASSES, WRITE_PASSES};

impl Shared {
    /// The LIVE and valid entry of `key`, pinned in `pin`.
    #[inline(always)]
    pub(crate) fn find<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        key: &Key<'_>,
    ) -> Option<Found<'s>> {
        self.buckets().prefetch(key.pair.partner);
        // The common case apart: the first match in the primary bucket is the key's LIVE entry.
        let mask = self.matching_slots(key.pair.primary, key.pair.tag);
        if mask != 0 {
            let slot = self.load_slot(key.pair.primary, mask.trailing_zeros() as usize);
            if !slot.is_empty()
                && let Some(found) = self.examine(thread, pin, slot, key)
                && found.state.kind() == Kind::Live
                && self.validity(found.location, &found.header, key.namespace) == Validity::Valid
            {
                return Some(found);
            }
        }
        self.find_further(thread, pin, key)
    }

    /// As `find`, when the first slot with the key's tag led to nothing.
    #[inline(never)]
    pub(crate) fn find_further<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        key: &Key<'_>,
    ) -> Option<Found<'s>> {
        for bucket in [key.pair.primary, key.pair.partner] {
            let mut mask = self.matching_slots(bucket, key.pair.tag);
            while mask != 0 {
                let slot = self.load_slot(bucket, mask.trailing_zeros() as usize);
                mask &= mask - 1;
                if slot.is_empty() {
                    continue;
                }
                match self.read_slot(thread, pin, slot, key) {
                    Look::Hit(found) => return Some(found),
                    Look::Gone => return None,
                    Look::Other | Look::Again => {}
                }
            }
        }
        self.find_verified(thread, pin, key)
    }

    /// As `find`, when no slot has the key's tag.
    #[inline(never)]
    pub(crate) fn find_verified<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        key: &Key<'_>,
    ) -> Option<Found<'s>> {
        let pass = self.verified_pass(&key.pair, READ_PASSES, |_, _, slot| {
            match self.read_slot(thread, pin, slot, key) {
                Look::Hit(found) => Step::Stop(Some(found)),
                Look::Gone => Step::Stop(None),
                Look::Other => Step::Continue,
                Look::Again => Step::Again,
            }
        });
        if self.is_lost() {
            thread.count(self, Counter::Damaged);
        }
        match pass {
            Pass::Stopped(found) => found,
            // Unverified after all passes: a cache may always answer "miss".
            Pass::Complete | Pass::Unverified => None,
        }
    }

    /// As `find`, for whom "there is none" has consequences: `Err` if that is not sure.
    pub(crate) fn find_surely<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        key: &Key<'_>,
    ) -> Result<Option<Found<'s>>, ()> {
        let pass = self.verified_pass(&key.pair, WRITE_PASSES, |_, _, slot| {
            match self.read_slot(thread, pin, slot, key) {
                Look::Hit(found) => Step::Stop(Some(found)),
                Look::Gone => Step::Stop(None),
                Look::Other => Step::Continue,
                Look::Again => Step::Again,
            }
        });
        match pass {
            Pass::Stopped(found) => Ok(found),
            Pass::Complete => Ok(None),
            Pass::Unverified => Err(()),
        }
    }

    #[inline]
    fn read_slot<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        slot: Slot,
        key: &Key<'_>,
    ) -> Look<'s> {
        let Some(found) = self.examine(thread, pin, slot, key) else {
            return Look::Other;
        };
        match found.state.kind() {
            Kind::Live => self.look(thread, found, key, |found| self.is_live(found)),
            Kind::Forward => self.follow(thread, pin, found, key),
            Kind::Writing | Kind::Dead => Look::Other,
        }
    }

    /// Looks at the entry that readers get the key's value from, as far as its state word told. `still_is` says
    /// whether it is, by a later look.
    #[inline]
    fn look<'s>(
        &'s self,
        thread: &ThreadState,
        found: Found<'s>,
        key: &Key<'_>,
        still_is: impl FnOnce(&Found<'_>) -> bool,
    ) -> Look<'s> {
        if self.validity(found.location, &found.header, key.namespace) == Validity::Valid {
            return Look::Hit(found);
        }
        if !self.tags_are_intact(found.location, &found.header) {
            thread.count(self, Counter::Damaged);
        }
        if still_is(&found) || Mutant::InvalidIsGone.is_on() {
            // There is no other, and it does not count.
            Look::Gone
        } else {
            Look::Again
        }
    }

    #[cold]
    fn follow<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        found: Found<'s>,
        key: &Key<'_>,
    ) -> Look<'s> {
        let mut found = found;
        for _ in 0..READ_HOPS {
            let (location, generation) = (found.state.forward_location(), found.state.forward_generation());
            let hop = thread.engine_pin(self, EnginePin::Hop);
            let Some(next) = self.examine_at(thread, hop, location, generation, key) else {
                return Look::Other;
            };
            match next.state.kind() {
                Kind::Writing => {
                    let still_is = |_: &Found<'_>| self.load_state(next.location).kind() == Kind::Writing;
                    return self.look(thread, found, key, still_is);
                }
                Kind::Dead => return Look::Other,
                Kind::Live | Kind::Forward => {
                    // The hop's pin stands while the caller's pin changes over to the same block.
                    drop(found);
                    let Some(moved) = self.examine_at(thread, pin, location, generation, key) else {
                        return Look::Other;
                    };
                    drop(next);
                    if moved.state.kind() == Kind::Live {
                        return self.look(thread, moved, key, |found| self.is_live(found));
                    }
                    if moved.state.kind() != Kind::Forward {
                        return Look::Other;
                    }
                    found = moved;
                }
            }
        }
        Look::Other
    }

    /// Whether an entry that was LIVE still is; marked as stale meanwhile, it is.
    pub(crate) fn is_live(&self, found: &Found<'_>) -> bool {
        self.load_state(found.location).kind() == Kind::Live
    }

    /// One more read of an entry, up to the counter's end: a plain store, for a lost tick is fine.
    #[inline]
    pub(crate) fn count_read(&self, found: &Found<'_>) {
        let frequency = found.header.frequency();
        if frequency < MAX_FREQUENCY {
            let lengths = Header::lengths_with_frequency(found.header.lengths, frequency + 1);
            self.word(found.offset() + ENTRY_LENGTHS)
                .store(lengths, Ordering::Relaxed);
        }
    }
}

/// What a slot led to.
enum Look<'s> {
    Hit(Found<'s>),
    /// The key's entry, but expired or invalidated: no other slot can have a better one.
    Gone,
    Other,
    /// It was the key's entry, and is invalid; what became of it meanwhile is not known.
    Again,
}
