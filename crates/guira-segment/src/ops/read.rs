//! The read that nearly every read is: the first slot with the key's tag names the key's LIVE entry,
//! and the entry has no tags, no namespace, no check and no alignment.
//!
//! Whoever reads many keys waits for memory, and the processor begins the next read while it waits,
//! if what lies between fits its window of some 500 instructions. So this path takes every decision
//! once, in as few comparisons as there are words, and leaves everything unusual to `find`.

use guira_shm::region::Span;
use guira_shm::sync::{AtomicU64, Ordering};

use crate::attach::{Counter, Line, ThreadState};
use crate::entry::Found;
use crate::key::{Key, Pair};
use crate::layout::entry::{HEADER_BYTES, Header, Kind, NEVER_MS, State, is_plain_with_key};
use crate::layout::slot::Slot;
use crate::pin::EnginePin;
use crate::shared::Shared;

/// A hit of the usual kind, pinned and counted.
pub(crate) struct Plain<'s> {
    pub(crate) found: Found<'s>,
    /// From the entry's start to its block's end.
    rest: Span<'s>,
}

impl Shared {
    /// The first slot with a key's tag, empty if there is none: where the key's entry is, nearly always.
    #[inline(always)]
    pub(crate) fn candidate(&self, pair: &Pair) -> Slot {
        let mut bucket = pair.primary;
        let mut mask = self.matching_slots(bucket, pair.tag);
        if mask == 0 {
            bucket = pair.partner;
            mask = self.matching_slots(bucket, pair.tag);
            if mask == 0 {
                return Slot::EMPTY;
            }
        }
        self.load_slot(bucket, mask.trailing_zeros() as usize)
    }

    /// Appends the value of `key`, of the default namespace, if `slot` leads to it, to `buffer`, and counts the hit. False says nothing:
    /// ask `find`.
    #[inline(always)]
    pub(crate) fn append_plain(
        &self,
        thread: &ThreadState,
        key: &[u8],
        slot: Slot,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let line = thread.line(self);
        let pin = line.engine_pin(EnginePin::Read);
        let Some(Plain { found, rest }) = self.read_plain(thread, line, pin, key, slot) else {
            return false;
        };
        rest.append_to(HEADER_BYTES + key.len(), found.value_bytes(), buffer);
        true
    }

    /// The LIVE and valid entry of `key`, of the default namespace, if `slot` leads to it, pinned in `pin`;
    /// counts the hit and the read. `None` says nothing: ask `find`.
    #[inline(always)]
    pub(crate) fn read_plain<'s>(
        &'s self,
        thread: &ThreadState,
        line: Line<'s>,
        pin: &'s AtomicU64,
        key: &[u8],
        slot: Slot,
    ) -> Option<Plain<'s>> {
        // An empty slot's location is before the arena.
        let location = slot.location();
        let offset = location.offset();
        let (block, left_bytes) = self.geometry.block_and_rest(offset)?;
        // Pinning orders what follows behind it: the entry's lines are fetched meanwhile.
        let region = self.region();
        region.prefetch(offset);
        region.prefetch(offset + 64);
        let pinned = self.pin_block(thread, pin, block);
        let generation = pinned.word.generation();
        if !pinned.word.is_readable()
            || !self.same_generation(generation, slot.generation())
            || left_bytes < HEADER_BYTES + 4
        {
            return None;
        }
        let rest = region.span(offset, left_bytes);
        let [state, lengths, born, deadlines, made] = rest.words();
        // Acquire: pairs with the Release with which the entry's writer published its bytes.
        let state = State(state.load(Ordering::Acquire));
        // Relaxed: behind the state's Acquire; headers do not change after. (The stamp of the namespace
        // below, Acquire: as in `validity`.)
        let header = Header {
            lengths: lengths.load(Ordering::Relaxed),
            born: born.load(Ordering::Relaxed),
            deadlines: deadlines.load(Ordering::Relaxed),
            made_ds: made.load(Ordering::Relaxed) as u32,
        };
        let key_bytes = key.len();
        let birth = header.birth();
        if state != State::new(Kind::Live, slot.generation())
            || !is_plain_with_key(header.lengths, key_bytes)
            || HEADER_BYTES + key_bytes + header.value_bytes() > left_bytes
            || !rest.equals(HEADER_BYTES, key)
            || !header.is_intact(location, generation)
            || birth < self.floor()
            || birth < self.default_stamp().load(Ordering::Acquire)
            || header.hard_ms() != NEVER_MS && self.clock.has_passed(header.hard_ms())
        {
            return None;
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
        Some(Plain { found, rest })
    }

    /// Appends the value of `key` to `buffer`, whatever kind of entry it is; false, and nothing, on a miss.
    #[inline(never)]
    pub(crate) fn append_found(&self, thread: &ThreadState, key: &Key<'_>, buffer: &mut Vec<u8>) -> bool {
        if key.bytes.is_empty() {
            thread.count(self, Counter::Misses);
            return false;
        }
        let pin = thread.engine_pin(self, EnginePin::Read);
        let Some(found) = self.find_counted(thread, pin, key) else {
            return false;
        };
        let begin = buffer.len();
        self.region()
            .append_to(found.value_offset(), found.value_bytes(), buffer);
        if self.verify_values && !self.copy_is_intact(buffer.get(begin..).unwrap_or(&[]), &found) {
            thread.count(self, Counter::Damaged);
            buffer.truncate(begin);
            return false;
        }
        true
    }
}
