//! Sweeping: removing slots that name nothing, before generations can wrap.
//!
//! Slots and forwards carry the low bits of a generation. A block may be reused only while its
//! generation is less than half their range beyond what it was when the last whole sweep began;
//! then no word in the index can be mistaken for one of a later incarnation.
//!
//! The index is divided into ranges; each has a word with the epoch in which it was last swept.
//! Sweeping a range is idempotent, so anyone may redo one that is not marked: a sweeper that is
//! stopped in the middle stops nobody. An epoch is complete when every range says so.

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;

use crate::attach::ThreadState;
use crate::key::Pair;
use crate::layout::block::{META_SWEEP_BASE, tagged};
use crate::layout::control::CONTROL_SWEEP;
use crate::layout::entry::Kind;
use crate::layout::slot::{BUCKET_SLOTS, Slot};
use crate::layout::stamp::SWEEP_RANGE_BYTES;
use crate::pin::EnginePin;
use crate::shared::Shared;

impl Shared {
    /// Completed sweeps. Acquire: pairs with the AcqRel that completes one.
    fn sweep_epoch(&self) -> u32 {
        (self.word(CONTROL_SWEEP).load(Ordering::Acquire) >> 32) as u32
    }

    /// Whether `block`, now FREE with `generation`, may be opened; sweeps first if it must.
    pub(crate) fn may_reuse(&self, thread: &ThreadState, block: u32, generation: u32) -> bool {
        let base_word = self.block_meta(block, META_SWEEP_BASE);
        let limit: u32 = 1 << (self.geometry.counts.generation_bits - 1);
        let base = base_word.load(Ordering::Relaxed);
        let (base_epoch, base_generation) = ((base >> 32) as u32, base as u32);
        let age = generation.wrapping_sub(base_generation);
        // A base ahead of the generation: somebody reused the block since its word was read, and the
        // compare-and-swap on the word will fail (or the base is damaged, and counts from here anew).
        let is_ahead = age > u32::MAX / 2;
        if is_ahead {
            base_word.store(tagged(self.sweep_epoch(), generation), Ordering::Relaxed);
        }
        if is_ahead || age < limit - 1 {
            // Far from the limit: a share of a sweep with every reuse, one whole sweep for about
            // half a limit's worth of turnovers of all blocks.
            self.sweep_share(thread, limit);
            return true;
        }
        // Two completed sweeps: at least one began after the base was recorded.
        for _ in 0..2 {
            if self.sweep_epoch().wrapping_sub(base_epoch) >= 2 {
                break;
            }
            self.sweep_whole(thread);
        }
        if self.sweep_epoch().wrapping_sub(base_epoch) < 2 {
            return false;
        }
        base_word.store(tagged(self.sweep_epoch(), generation), Ordering::Relaxed);
        true
    }

    fn sweep_share(&self, thread: &ThreadState, limit: u32) {
        let ranges = self.geometry.counts.sweep_ranges;
        let word = self.word(CONTROL_SWEEP);
        // Acquire: as in `sweep_epoch`; the low half is only a hint which range is next.
        let now = word.load(Ordering::Acquire);
        let (epoch, turn) = (now >> 32, now & 0xffff_ffff);
        let turns = (u64::from(self.geometry.blocks()) * u64::from(limit) / 4).min(u64::from(u32::MAX));
        let reuses_per_range = (turns / ranges).max(1);
        if turn % reuses_per_range == 0 {
            self.sweep_range((turn / reuses_per_range) % ranges, epoch as u32, thread);
        }
        let next = turn + 1;
        if next >= reuses_per_range * ranges {
            self.finish_epoch(epoch as u32);
        } else {
            // AcqRel: pairs with the Acquire above, for both halves are one word.
            let _ = word.compare_exchange(now, epoch << 32 | next, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Sweeps every range that is not marked for the current epoch, then completes it.
    pub(crate) fn sweep_whole(&self, thread: &ThreadState) {
        let epoch = self.sweep_epoch();
        for range in 0..self.geometry.counts.sweep_ranges {
            self.sweep_range(range, epoch, thread);
        }
        self.finish_epoch(epoch);
    }

    fn range_word(&self, range: u64) -> &guira_shm::sync::AtomicU64 {
        self.word(self.geometry.sweep_ranges + range as usize * SWEEP_RANGE_BYTES)
    }

    /// Sweeps one range unless it is marked for `epoch`; the mark is the epoch after it.
    fn sweep_range(&self, range: u64, epoch: u32, thread: &ThreadState) {
        let word = self.range_word(range);
        // Acquire: pairs with the Release of whoever marked it.
        if word.load(Ordering::Acquire) > u64::from(epoch) {
            return;
        }
        if Mutant::SweepMarkedFirst.is_on() {
            word.fetch_max(u64::from(epoch) + 1, Ordering::AcqRel);
        }
        let buckets = self.geometry.counts.buckets;
        let per_range = buckets.div_ceil(self.geometry.counts.sweep_ranges);
        for bucket in range * per_range..((range + 1) * per_range).min(buckets) {
            for slot in 0..BUCKET_SLOTS {
                self.sweep_slot(thread, bucket as usize, slot);
            }
        }
        // AcqRel: the clears above are before the mark.
        word.fetch_max(u64::from(epoch) + 1, Ordering::AcqRel);
    }

    fn finish_epoch(&self, epoch: u32) {
        // Acquire: pairs with the AcqRel mark of whoever swept the range.
        let done = (0..self.geometry.counts.sweep_ranges)
            .all(|range| self.range_word(range).load(Ordering::Acquire) > u64::from(epoch));
        let word = self.word(CONTROL_SWEEP);
        let now = word.load(Ordering::Relaxed);
        if (now >> 32) as u32 != epoch {
            return;
        }
        // Not done although the turns are over (some were lost to races): begin the turns anew.
        let next_epoch = if done { epoch.wrapping_add(1) } else { epoch };
        // AcqRel: pairs with the Acquire of `sweep_epoch`: every range's mark is before it.
        let _ = word.compare_exchange(
            now,
            u64::from(next_epoch) << 32,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }

    /// Clears a slot that is stale, or whose entry is dead or forwarded. Not one that is the way to an entry
    /// that is not LIVE yet: readers get the old value by it, and whoever helps comes by it, too. What it names and
    /// leads to is of the present generations, as if it had been linked just now.
    fn sweep_slot(&self, thread: &ThreadState, bucket: usize, slot: usize) {
        let word = self.load_slot(bucket, slot);
        if word.is_empty() {
            return;
        }
        if self.is_stale(word) || !self.is_entry_place(word.location()) {
            self.claim_slot(bucket, slot, word, Slot::EMPTY);
            return;
        }
        let pin = thread.engine_pin(self, EnginePin::Move);
        let Some(_pinned) = self.pin_location(thread, pin, word.location(), word.generation()) else {
            return;
        };
        let state = self.load_state(word.location());
        if !self.state_fits(state, word) {
            // No entry begins there in this incarnation: damage, or a word older than the wrap rule.
            self.claim_slot(bucket, slot, word, Slot::EMPTY);
            return;
        }
        match state.kind() {
            Kind::Dead => {
                self.claim_slot(bucket, slot, word, Slot::EMPTY);
            }
            Kind::Forward if self.leads_to_writing(state) => {}
            Kind::Forward => {
                self.bump_moves(&Pair::of_bucket(&self.geometry, bucket, word.tag()));
                self.claim_slot(bucket, slot, word, Slot::EMPTY);
            }
            Kind::Writing | Kind::Live => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::expiry::Expiry;
    use crate::log::write::Draft;
    use crate::ops::settle::{Manner, Settled};
    use crate::segment::Segment;
    use crate::tags::Tags;

    /// Its slot is the only way to the key's value until the put is LIVE, and for ever if its writer died.
    #[test]
    fn a_value_whose_put_is_on_its_way_is_not_swept() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let none = Tags::NONE;
        let draft = Draft::for_ever(key, b"new", &none, shared.token(&key).clock);
        let written = shared.write(&thread, &draft).expect("there is room");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        let settled = shared.settle(&thread, &key, slot, Manner::Override);
        assert!(matches!(settled, Settled::Ready(_)));
        shared.sweep_whole(&thread);
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"old"[..]));
        // Nor does a sweep keep what is done with.
        let (location, bytes) = (written.place.location, written.entry_bytes);
        assert!(shared.count_then_live(written.place.block, bytes, location, written.state));
        shared.sweep_whole(&thread);
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"new"[..]));
        let linked = shared
            .buckets_of(&key.pair)
            .map(|bucket| shared.matching_slots(bucket, key.pair.tag).count_ones());
        assert_eq!(linked.sum::<u32>(), 1);
    }
}
