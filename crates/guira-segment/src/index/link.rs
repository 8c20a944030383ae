//! Putting an entry's word into one of its two buckets.

use guira_shm::sync::Ordering;

use crate::attach::{Counter, ThreadState};
use crate::key::Pair;
use crate::layout::entry::{Kind, State};
use crate::layout::slot::{BUCKET_SLOTS, Slot};
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tuning::READ_HOPS;

impl Shared {
    /// Links `word`, whose block the caller has pinned: into a hole of the primary bucket, else of
    /// the partner, else into one made by displacement, else in place of the coldest entry of the
    /// sixteen, which is evicted.
    pub(crate) fn link(&self, thread: &ThreadState, pair: &Pair, word: Slot) -> bool {
        for bucket in self.buckets_of(pair) {
            if self.link_in_bucket(bucket, word) {
                return true;
            }
        }
        for _ in 0..LINK_ATTEMPTS {
            if let Some((bucket, slot)) = self.displace(thread, pair)
                && self.claim_slot(bucket, slot, Slot::EMPTY, word)
            {
                return true;
            }
            // The index is too full for what the blocks hold: let reclaim make room in it.
            thread.pace.begin();
            if self.replace_coldest(thread, pair, word) {
                return true;
            }
        }
        false
    }

    fn link_in_bucket(&self, bucket: usize, word: Slot) -> bool {
        let is_free = |slot: &usize| self.load_slot(bucket, *slot).is_empty();
        // Nearly always there is a hole. To tell that a slot is stale takes a look at its block.
        if let Some(hole) = (0..BUCKET_SLOTS).find(is_free)
            && self.claim_slot(bucket, hole, Slot::EMPTY, word)
        {
            return true;
        }
        (0..BUCKET_SLOTS).any(|slot| {
            let current = self.load_slot(bucket, slot);
            (current.is_empty() || self.is_stale(current)) && self.claim_slot(bucket, slot, current, word)
        })
    }

    /// Replaces a slot's word if it is still `from`.
    #[cfg_attr(guira_points, track_caller)]
    pub(crate) fn claim_slot(&self, bucket: usize, slot: usize, from: Slot, to: Slot) -> bool {
        // AcqRel: the entry's bytes are published by it; pairs with the Acquire of scans.
        self.slot_word(bucket, slot)
            .compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Kills the least read of the pair's entries and takes its slot.
    fn replace_coldest(&self, thread: &ThreadState, pair: &Pair, word: Slot) -> bool {
        let mut coldest: Option<(u8, usize, usize, Slot)> = None;
        for bucket in self.buckets_of(pair) {
            for slot in 0..BUCKET_SLOTS {
                let candidate = self.load_slot(bucket, slot);
                if candidate.is_empty() || self.is_stale(candidate) {
                    if self.claim_slot(bucket, slot, candidate, word) {
                        return true;
                    }
                    continue;
                }
                let heat = self.heat(thread, candidate);
                if coldest.is_none_or(|(least, ..)| heat < least) {
                    coldest = Some((heat, bucket, slot, candidate));
                }
            }
        }
        let Some((_, bucket, slot, victim)) = coldest else {
            return false;
        };
        if !self.evict_slot(thread, victim) {
            return false;
        }
        // The victim may be FWD, and then its entry is not dead.
        self.bump_moves(&Pair::of_bucket(&self.geometry, bucket, victim.tag()));
        self.claim_slot(bucket, slot, victim, word)
    }

    /// How often the entry was read, 0 for one that is not LIVE.
    fn heat(&self, thread: &ThreadState, slot: Slot) -> u8 {
        let pin = thread.engine_pin(self, EnginePin::Move);
        let Some(_pinned) = self.pin_location(thread, pin, slot.location(), slot.generation()) else {
            return 0;
        };
        if !self.is_entry_place(slot.location()) {
            return 0;
        }
        let state = self.load_state(slot.location());
        match state.kind() {
            // A put in progress is worth more than any old entry; its writer would only retry.
            Kind::Writing => u8::MAX,
            Kind::Live => self.load_header(slot.location()).frequency() + 1,
            Kind::Forward if self.leads_to_writing(state) => u8::MAX,
            Kind::Forward | Kind::Dead => 0,
        }
    }

    /// Whether an entry is forwarded to one that is not LIVE yet, and whose writer may be dead, perhaps by way
    /// of a copy whose drainer has not swung the slot: its slot is the only way to the key's value.
    pub(crate) fn leads_to_writing(&self, state: State) -> bool {
        let mut state = state;
        for _ in 0..READ_HOPS {
            match self.state_ahead(state) {
                Some(ahead) if ahead.kind() == Kind::Writing => return true,
                Some(ahead) => state = ahead,
                None => return false,
            }
        }
        false
    }

    /// The state of the entry that one is forwarded to, if that is there.
    fn state_ahead(&self, state: State) -> Option<State> {
        let location = state.forward_location();
        if state.kind() != Kind::Forward || !self.is_entry_place(location) {
            return None;
        }
        let block = self.geometry.block_of(location.offset())?;
        // Without a pin: the answer may be old by the time it is given. A block that was given up keeps its
        // bytes until it is written anew, and with them words that say WRITING.
        let word = self.block(block);
        if !word.is_readable() || !self.same_generation(word.generation(), state.forward_generation()) {
            return None;
        }
        let ahead = self.load_state(location);
        (ahead.self_generation() == state.forward_generation()).then_some(ahead)
    }

    /// Marks the entry of a slot dead, if it is LIVE. False if the slot must stay: what replaces the entry
    /// is not LIVE yet, and with the slot the key would be missed until it is.
    fn evict_slot(&self, thread: &ThreadState, slot: Slot) -> bool {
        let pin = thread.engine_pin(self, EnginePin::Move);
        let location = slot.location();
        let Some(pinned) = self.pin_location(thread, pin, location, slot.generation()) else {
            return true;
        };
        if !self.is_entry_place(location) {
            return true;
        }
        let state = self.load_state(location);
        if state.self_generation() != slot.generation() {
            return true;
        }
        match state.kind() {
            Kind::Writing | Kind::Dead => true,
            Kind::Forward => !self.leads_to_writing(state),
            Kind::Live => {
                let is_evicted = self.change_state(location, state, state.dead());
                if is_evicted {
                    self.forget_live(pinned.block, location);
                    thread.count(self, Counter::Evicted);
                }
                is_evicted
            }
        }
    }

    /// Whether a state word belongs to the incarnation that a slot names.
    #[inline]
    pub(crate) fn state_fits(&self, state: State, slot: Slot) -> bool {
        state.self_generation() == slot.generation()
    }
}

/// Rounds against other writers that take the very slots that were freed.
const LINK_ATTEMPTS: u32 = 16;
