//! Settling in the common case: nobody else writes the key, and at most one value of it is there.
//!
//! It is the pass of `settle` for a put, without room for what is rare: one whole verified pass over the pair,
//! in which a LIVE twin is forwarded to the own entry. Whatever else is met, `settle` begins from there.
//! The twin stays pinned until its slot is cleared, so nothing has to be looked up again.

use guira_shm::mutant::Mutant;
use guira_shm::sync::{Ordering, fence, load_in_order};

use crate::attach::ThreadState;
use crate::key::Key;
use crate::layout::entry::Kind;
use crate::layout::slot::Slot;
use crate::ops::settle::{Given, Leftovers};
use crate::pin::{EnginePin, Pinned};
use crate::shared::Shared;

/// The value that a put takes the place of.
#[derive(Debug)]
pub(crate) struct Replaced<'s> {
    pinned: Pinned<'s>,
    bucket: usize,
    number: usize,
    slot: Slot,
    entry_bytes: usize,
}

/// What a pass met.
#[derive(Debug)]
pub(crate) enum OnlyTwin<'s> {
    /// No value, or one that now is forwarded to the own entry. It may go LIVE.
    Settled(Option<Replaced<'s>>),
    /// Something that takes more than this; the own entry may have been given a value before.
    Other(Option<Given>),
}

/// Why the twin takes more.
enum Unsettled {
    /// Another writer changed its state meanwhile.
    Raced,
    Other,
}

impl Replaced<'_> {
    const fn given(&self) -> Given {
        Given {
            block: self.pinned.block,
            generation: self.pinned.word.generation(),
            entry_bytes: self.entry_bytes,
        }
    }

    /// The same for a writer that goes on step by step; the value is no longer pinned.
    pub(crate) fn into_leftovers(self) -> Leftovers {
        Leftovers::of(self.slot, self.given())
    }
}

impl Shared {
    /// Settles `own`, an entry of a put that is linked, if that is simple.
    #[inline]
    pub(crate) fn settle_only_twin<'s>(
        &'s self,
        thread: &ThreadState,
        key: &Key<'_>,
        own: Slot,
    ) -> OnlyTwin<'s> {
        let counter = self.move_counter(key.pair.move_counter(&self.geometry));
        // Acquire: the slots are read after it, as in `verified_pass`.
        let before = counter.load(Ordering::Acquire);
        let mut twin = None;
        for bucket in self.buckets_of(&key.pair) {
            let mut mask = self.matching_slots(bucket, key.pair.tag);
            while mask != 0 {
                let number = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let slot = self.load_slot(bucket, number);
                if slot == own || slot.is_empty() || slot.tag() != key.pair.tag {
                    continue;
                }
                if twin.replace((bucket, number, slot)).is_some() {
                    return OnlyTwin::Other(None);
                }
            }
        }
        let replaced = match twin {
            None => None,
            Some((bucket, number, slot)) => match self.replace_twin(thread, key, own, bucket, number, slot) {
                Ok(replaced) => Some(replaced),
                Err(Unsettled::Raced) if Mutant::RacedTwinIsSettled.is_on() => None,
                Err(Unsettled::Raced | Unsettled::Other) => return OnlyTwin::Other(None),
            },
        };
        // Acquire fence, and SeqCst: as in `verified_pass`.
        fence(Ordering::Acquire);
        let after = if Mutant::UnorderedSecondLooks.is_on() {
            counter.load(Ordering::Relaxed)
        } else {
            load_in_order(counter)
        };
        if after == before || Mutant::UnverifiedScan.is_on() {
            OnlyTwin::Settled(replaced)
        } else {
            OnlyTwin::Other(replaced.map(|replaced| replaced.given()))
        }
    }

    /// Forwards a LIVE entry of the key to the own one, if that still is WRITING.
    #[inline]
    fn replace_twin<'s>(
        &'s self,
        thread: &ThreadState,
        key: &Key<'_>,
        own: Slot,
        bucket: usize,
        number: usize,
        slot: Slot,
    ) -> Result<Replaced<'s>, Unsettled> {
        let pin = thread.engine_pin(self, EnginePin::Twin);
        let found = self.examine(thread, pin, slot, key).ok_or(Unsettled::Other)?;
        if found.state.kind() != Kind::Live {
            return Err(Unsettled::Other);
        }
        // Helped to LIVE or killed meanwhile: `settle` says what that means.
        if self.load_state(own.location()).kind() != Kind::Writing && !Mutant::OwnEntryNotLookedAt.is_on() {
            return Err(Unsettled::Other);
        }
        let forwarded = found.state.forwarded(own.location(), own.generation());
        let entry_bytes = found.entry_bytes();
        if !self.change_state(found.location, found.state, forwarded) {
            return Err(Unsettled::Raced);
        }
        Ok(Replaced {
            pinned: found.pinned,
            bucket,
            number,
            slot,
            entry_bytes,
        })
    }

    /// Clears the slot of what was replaced, now that the own entry is LIVE, and counts it off.
    #[inline]
    pub(crate) fn clear_replaced(&self, key: &Key<'_>, replaced: &Replaced<'_>) {
        // As `unlink` does, where the slot was met.
        if !Mutant::ClearWithoutBump.is_on() {
            self.bump_moves(&key.pair);
        }
        if !self.claim_slot(replaced.bucket, replaced.number, replaced.slot, Slot::EMPTY) {
            self.unlink(&key.pair, replaced.slot, false);
        }
        // Only now: a block that counts nothing is dropped, and a scan that met the slot before must look again.
        self.uncount_live(replaced.pinned.block, replaced.entry_bytes);
    }
}
