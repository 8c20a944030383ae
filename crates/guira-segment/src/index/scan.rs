//! Scanning a key's two buckets: quickly for readers, verified for whoever must be sure.

use guira_shm::mutant::Mutant;
use guira_shm::sync::{Ordering, fence, load_in_order};

use crate::key::{Key, Pair};
use crate::layout::slot::Slot;
use crate::shared::Shared;

/// How a verified pass ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pass<T> {
    /// The visitor stopped it with a result.
    Stopped(T),
    /// Every slot was seen while nothing moved.
    Complete,
    /// Entries kept moving, or the visitor kept asking for another pass, until the bound.
    Unverified,
}

/// What a visitor wants after a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step<T> {
    Continue,
    /// The pass counts only if it is made once more.
    Again,
    Stop(T),
}

impl Shared {
    #[inline]
    pub(crate) fn load_slot(&self, bucket: usize, slot: usize) -> Slot {
        // Acquire: pairs with the AcqRel of the link, so the entry's bytes are there.
        Slot(self.slot_word(bucket, slot).load(Ordering::Acquire))
    }

    /// A mask of the slots of `bucket` that carry `tag`.
    #[inline]
    pub(crate) fn matching_slots(&self, bucket: usize, tag: u16) -> u32 {
        self.buckets().match_high16(bucket, tag)
    }

    /// Calls `visit` for each slot of the pair with its tag, in passes, until one pass was whole
    /// and nothing moved during it.
    pub(crate) fn verified_pass<T>(
        &self,
        pair: &Pair,
        passes: u32,
        mut visit: impl FnMut(usize, usize, Slot) -> Step<T>,
    ) -> Pass<T> {
        let counter = self.move_counter(pair.move_counter(&self.geometry));
        for _ in 0..passes {
            // Acquire: the slots are read after it; pairs with the AcqRel addition of a mover.
            let before = counter.load(Ordering::Acquire);
            let mut again = false;
            for bucket in self.buckets_of(pair) {
                let mut mask = self.matching_slots(bucket, pair.tag);
                while mask != 0 {
                    let slot = mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    let word = self.load_slot(bucket, slot);
                    if word.is_empty() || word.tag() != pair.tag {
                        continue;
                    }
                    match visit(bucket, slot, word) {
                        Step::Continue => {}
                        Step::Again => again = true,
                        Step::Stop(result) => return Pass::Stopped(result),
                    }
                }
            }
            // Acquire fence: the slots were read before the counter is read again. SeqCst: pairs with
            // the addition of a derivation that found its base's block standing, when a look at that
            // block found it retired: whoever retired it was neither's partner.
            fence(Ordering::Acquire);
            let after = if Mutant::UnorderedSecondLooks.is_on() {
                counter.load(Ordering::Relaxed)
            } else {
                load_in_order(counter)
            };
            let nothing_moved = after == before || Mutant::UnverifiedScan.is_on();
            if nothing_moved && !again {
                return Pass::Complete;
            }
        }
        Pass::Unverified
    }

    /// The pair's buckets, once each.
    #[inline]
    pub(crate) fn buckets_of(&self, pair: &Pair) -> impl Iterator<Item = usize> + use<> {
        let partner = (pair.partner != pair.primary).then_some(pair.partner);
        std::iter::once(pair.primary).chain(partner)
    }

    /// Starts fetching what a write of the key asks for, all at once: one miss instead of one after another.
    #[inline]
    pub(crate) fn prefetch_for_write(&self, key: &Key<'_>) {
        self.prefetch_to_change(&key.pair);
        self.region().prefetch_write(self.key_stamp_offset(key.hash));
        if self.is_evicting() {
            self.region().prefetch(self.ghost_line(key.hash));
        }
    }

    /// Starts fetching both buckets, and the move counter of the pair.
    #[inline]
    pub(crate) fn prefetch_to_change(&self, pair: &Pair) {
        self.prefetch_pair(pair);
        self.region()
            .prefetch_write(self.move_counter_offset(pair.move_counter(&self.geometry)));
    }

    /// Starts fetching both buckets.
    #[inline]
    pub(crate) fn prefetch_pair(&self, pair: &Pair) {
        self.buckets().prefetch(pair.primary);
        self.buckets().prefetch(pair.partner);
    }

    /// Clears every slot of the pair that holds exactly `word`. `entry_is_dead` says that the entry
    /// it names can never be returned again; otherwise the move counter is raised first, for a
    /// reader may have looked for the entry where it no longer is.
    pub(crate) fn unlink(&self, pair: &Pair, word: Slot, entry_is_dead: bool) {
        for bucket in self.buckets_of(pair) {
            let mut mask = self.matching_slots(bucket, word.tag());
            while mask != 0 {
                let slot = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                if self.load_slot(bucket, slot) == word {
                    if !entry_is_dead && !Mutant::ClearWithoutBump.is_on() {
                        self.bump_moves(pair);
                    }
                    // After the counter. Lost: it moved, and its copy is a harmless hint.
                    self.claim_slot(bucket, slot, word, Slot::EMPTY);
                }
            }
        }
    }

    /// Tells scans of the pair that something is about to disappear from where they looked.
    #[cfg_attr(guira_points, track_caller)]
    pub(crate) fn bump_moves(&self, pair: &Pair) {
        // SeqCst: the copy was made before, the clear comes after, and so does the look of a derivation
        // at its base's block; pairs with verified passes.
        self.move_counter(pair.move_counter(&self.geometry))
            .fetch_add(1, Ordering::SeqCst);
    }

    /// Whether a slot's block has moved on, so that the slot names nothing.
    #[inline]
    pub(crate) fn is_stale(&self, slot: Slot) -> bool {
        match self.geometry.block_of(slot.location().offset()) {
            None => true,
            Some(block) => {
                let word = self.block(block);
                !word.is_readable() || !self.same_generation(word.generation(), slot.generation())
            }
        }
    }
}
