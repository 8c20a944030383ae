//! The read that nearly every read is: the first slot with the key's tag names the key's LIVE entry,
//! and the entry has no tags, no check and no alignment.
//!
//! Whoever reads many keys waits for memory, and the processor begins the next read while it waits,
//! if what lies between fits its window of some 500 instructions. So this path takes every decision
//! once, in as few comparisons as there are words. An entry with tags, a check or alignment is
//! examined under the same pin; everything else is left to `find`.

use guira_shm::region::Span;
use guira_shm::sync::{AtomicU64, Ordering};

use crate::attach::{Counter, Line, ThreadState};
use crate::entry::{Found, Validity};
use crate::key::{Key, Pair};
use crate::layout::entry::{
    FLAG_NAMESPACE, HEADER_BYTES, Header, Kind, NEVER_MS, State, is_of_key_and_flags,
};
use crate::layout::slot::Slot;
use crate::pin::{EnginePin, Pinned};
use crate::shared::Shared;

/// A hit of the usual kind.
pub(crate) struct Plain<'s> {
    pub(crate) found: Found<'s>,
    /// From the entry's start to its block's end.
    rest: Span<'s>,
}

impl Shared {
    /// The first slot of a bucket with a key's tag, empty if there is none.
    #[inline(always)]
    pub(crate) fn first_match(&self, bucket: usize, tag: u16) -> Slot {
        let mask = self.matching_slots(bucket, tag);
        if mask == 0 {
            return Slot::EMPTY;
        }
        self.load_slot(bucket, mask.trailing_zeros() as usize)
    }

    /// The first slot of a pair with its tag, empty if there is none: where the key's entry is, nearly always.
    #[inline(always)]
    pub(crate) fn candidate(&self, pair: &Pair) -> Slot {
        let slot = self.first_match(pair.primary, pair.tag);
        if slot.is_empty() {
            self.first_match(pair.partner, pair.tag)
        } else {
            slot
        }
    }

    /// The LIVE, valid and plain entry of `key`, if `slot` leads to it, pinned in `pin`; counts the hit and the
    /// read. The key is not empty. Anything else says nothing, and gives back what it pinned: ask `read_on`.
    #[inline(always)]
    pub(crate) fn read_plain<'s>(
        &'s self,
        thread: &ThreadState,
        line: Line<'s>,
        pin: &'s AtomicU64,
        key: &Key<'_>,
        slot: Slot,
    ) -> Result<Plain<'s>, Option<Pinned<'s>>> {
        // An empty slot's location is before the arena.
        let location = slot.location();
        let offset = location.offset();
        let Some((block, left_bytes)) = self.geometry.block_and_rest(offset) else {
            return Err(None);
        };
        // Pinning orders what follows behind it: the entry's lines are fetched meanwhile.
        let region = self.region();
        region.prefetch(offset);
        region.prefetch(offset + 64);
        region.prefetch(offset + 128);
        region.prefetch(offset + 192);
        let pinned = self.pin_block(thread, pin, block);
        let generation = pinned.word.generation();
        if !pinned.word.is_readable()
            || !self.same_generation(generation, slot.generation())
            || left_bytes < HEADER_BYTES + 4
        {
            return Err(None);
        }
        let rest = region.span(offset, left_bytes);
        let [state, lengths, born, deadlines, made] = rest.words();
        // Acquire: pairs with the Release with which the entry's writer published its bytes.
        let state = State(state.load(Ordering::Acquire));
        let made = made.load(Ordering::Relaxed);
        // Relaxed: behind the state's Acquire; headers do not change after. (The stamp of the namespace
        // below, Acquire: as in `validity`.)
        let header = Header {
            lengths: lengths.load(Ordering::Relaxed),
            born: born.load(Ordering::Relaxed),
            deadlines: deadlines.load(Ordering::Relaxed),
            made_ds: made as u32,
        };
        // A namespace's number lies before the key, in the upper half of the last word.
        let (number_bytes, flags) = if key.namespace == 0 {
            (0, 0)
        } else {
            (2, FLAG_NAMESPACE)
        };
        let key_bytes = number_bytes + key.bytes.len();
        let birth = header.birth();
        if state != State::new(Kind::Live, slot.generation())
            || !is_of_key_and_flags(header.lengths, key_bytes, flags)
            || key.namespace != 0 && (made >> 32) as u16 != key.namespace
            || HEADER_BYTES + key_bytes + header.value_bytes() > left_bytes
            || !rest.equals(HEADER_BYTES + number_bytes, key.bytes)
            || !header.is_intact(location, generation)
            || birth < self.floor()
            || birth < self.namespace_stamp(key.namespace).load(Ordering::Acquire)
            || header.hard_ms() != NEVER_MS && self.clock.has_passed(header.hard_ms())
        {
            return Err(Some(pinned));
        }
        if let Some(counted) = header.lengths_after_read() {
            // Relaxed: a lost tick is fine.
            lengths.store(counted, Ordering::Relaxed);
        }
        line.count(Counter::Hits, 1);
        let found = Found {
            pinned,
            location,
            state,
            header,
            tags_bytes: 0,
        };
        Ok(Plain { found, rest })
    }

    /// What `read_plain` did not decide: a LIVE entry of any kind under the pin that it took, then whatever else
    /// `find` knows. Counts.
    pub(crate) fn read_on<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        pinned: Option<Pinned<'s>>,
        key: &Key<'_>,
        slot: Slot,
    ) -> Option<Found<'s>> {
        if key.bytes.is_empty() {
            thread.count(self, Counter::Misses);
            return None;
        }
        if let Some(pinned) = pinned
            && let Ok(found) = self.examine_pinned(pinned, slot.location(), slot.generation(), key)
            && found.state.kind() == Kind::Live
            && self.validity(found.location, &found.header, key.namespace) == Validity::Valid
        {
            self.count_read(&found);
            thread.count(self, Counter::Hits);
            return Some(found);
        }
        let found = if slot.is_empty() {
            self.find_verified(thread, pin, key)
        } else {
            self.find_further(thread, pin, key)
        };
        match &found {
            Some(found) => {
                self.count_read(found);
                thread.count(self, Counter::Hits);
            }
            None => thread.count(self, Counter::Misses),
        }
        found
    }

    /// Appends the value of `key` to `buffer`, and says what `judge` does of its entry; none, and nothing, on a
    /// miss. `slot` is where its entry probably is.
    #[inline(always)]
    pub(crate) fn append_value<R>(
        &self,
        thread: &ThreadState,
        key: &Key<'_>,
        slot: Slot,
        buffer: &mut Vec<u8>,
        judge: impl FnOnce(&Found<'_>) -> R,
    ) -> Option<R> {
        let line = thread.line(self);
        let pin = line.engine_pin(EnginePin::Read);
        let pinned = if key.bytes.is_empty() {
            None
        } else {
            match self.read_plain(thread, line, pin, key, slot) {
                Ok(Plain { found, rest }) => {
                    let value_at = HEADER_BYTES + key.stored_bytes();
                    rest.append_to(value_at, found.value_bytes(), buffer);
                    return Some(judge(&found));
                }
                Err(pinned) => pinned,
            }
        };
        self.append_read_on(thread, pinned, key, slot, buffer, judge)
    }

    #[inline(never)]
    fn append_read_on<'s, R>(
        &'s self,
        thread: &ThreadState,
        pinned: Option<Pinned<'s>>,
        key: &Key<'_>,
        slot: Slot,
        buffer: &mut Vec<u8>,
        judge: impl FnOnce(&Found<'_>) -> R,
    ) -> Option<R> {
        let pin = thread.engine_pin(self, EnginePin::Read);
        let found = self.read_on(thread, pin, pinned, key, slot)?;
        let begin = buffer.len();
        self.region()
            .append_to(found.value_offset(), found.value_bytes(), buffer);
        if self.verify_values && !self.copy_is_intact(buffer.get(begin..).unwrap_or(&[]), &found) {
            thread.count(self, Counter::Damaged);
            buffer.truncate(begin);
            return None;
        }
        Some(judge(&found))
    }
}
