//! The read that nearly every read is: the first slot with the key's tag names the key's LIVE entry,
//! and the entry has no tags, no namespace, no check and no alignment.
//!
//! Whoever reads many keys waits for memory, and the processor begins the next read while it waits,
//! if what lies between fits its window of some 500 instructions. So this path takes every decision
//! once, in as few comparisons as there are words, and leaves everything unusual to `find`.

use guira_shm::sync::Ordering;

use crate::attach::{Counter, ThreadState};
use crate::key::Key;
use crate::layout::entry::{ENTRY_LENGTHS, HEADER_BYTES, Header, Kind, NEVER_MS, State, is_plain_with_key};
use crate::pin::EnginePin;
use crate::shared::Shared;

impl Shared {
    /// Appends the value of `key` to `buffer`, and counts the hit. False says nothing: ask `find`.
    #[inline(always)]
    pub(crate) fn append_plain(&self, thread: &ThreadState, key: &Key<'_>, buffer: &mut Vec<u8>) -> bool {
        let region = self.region();
        let mut bucket = key.pair.primary;
        region.prefetch(self.bucket_offset(key.pair.partner));
        let mut mask = self.matching_slots(bucket, key.pair.tag);
        if mask == 0 {
            bucket = key.pair.partner;
            mask = self.matching_slots(bucket, key.pair.tag);
        }
        if mask == 0 || key.namespace != 0 {
            return false;
        }
        let slot = self.load_slot(bucket, mask.trailing_zeros() as usize);
        let location = slot.location();
        let offset = location.offset();
        let Some((block, left_bytes)) = self.geometry.block_and_rest(offset) else {
            return false;
        };
        // Pinning orders what follows behind it: the entry's lines are fetched meanwhile.
        region.prefetch(offset);
        region.prefetch(offset + 64);
        let pin = thread.engine_pin(self, EnginePin::Read as usize);
        let pinned = self.pin_block(thread, pin, block);
        let generation = pinned.word.generation();
        if !pinned.word.is_readable()
            || !self.same_generation(generation, slot.generation())
            || left_bytes < HEADER_BYTES + 4
        {
            return false;
        }
        let [state, lengths, born, deadlines, made] = region.words(offset);
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
        let key_bytes = key.bytes.len();
        let value_bytes = header.value_bytes();
        let birth = header.birth();
        if state != State::new(Kind::Live, slot.generation())
            || !is_plain_with_key(header.lengths, key_bytes)
            || HEADER_BYTES + key_bytes + value_bytes > left_bytes
            || !region.equals(offset + HEADER_BYTES, key.bytes)
            || !header.is_intact(location, generation)
            || birth < self.floor()
            || birth < self.namespace_stamp(0).load(Ordering::Acquire)
            || header.hard_ms() != NEVER_MS && self.clock.has_passed(header.hard_ms())
        {
            return false;
        }
        region.append_to(offset + HEADER_BYTES + key_bytes, value_bytes, buffer);
        if let Some(counted) = header.lengths_after_read() {
            // Relaxed: a lost tick is fine.
            self.word(offset + ENTRY_LENGTHS)
                .store(counted, Ordering::Relaxed);
        }
        thread.count(self, Counter::Hits);
        true
    }
}
