//! What is left to do for FORWARD entries of a block that is drained: the second walk.
//!
//! A drainer that died between the change of an entry's state and the swing of its slot is followed
//! by one that swings again for entries that are FWD to a live copy; and a writer may be between going LIVE
//! and clearing the slot of what it replaced. For nearly every FWD entry there is
//! nothing to do: a slot is cleared only after what replaced the entry went LIVE, so one that no slot
//! names and that does not lead to a WRITING entry is nobody's way to anything.

use guira_shm::mutant::Mutant;

use crate::attach::ThreadState;
use crate::index::scan::{Pass, Step};
use crate::key::Pair;
use crate::layout::entry::Kind;
use crate::layout::slot::{Location, Slot};
use crate::log::drain::Draining;
use crate::log::walk::Walked;
use crate::pin::{EnginePin, Pinned};
use crate::shared::Shared;
use crate::tuning::WRITE_PASSES;

impl Shared {
    /// The word of a slot that names an entry of the block that is drained.
    pub(crate) fn slot_of(&self, drain: &Draining, entry: &Walked, tag: u16) -> Slot {
        Slot::new(tag, self.carried(drain.word.generation()), entry.location)
    }

    /// Makes one slot that names `from` name `to`; false if a verified pass found none.
    ///
    /// Then raises the move counter: a scan may have loaded the slot before it was swung and find the
    /// block retired when it comes to look at the entry. It must not conclude that there is none.
    pub(crate) fn swing(&self, pair: &Pair, from: Slot, to: Slot) -> bool {
        let pass = self.verified_pass(pair, WRITE_PASSES, |bucket, slot, word| {
            if word == from && self.claim_slot(bucket, slot, from, to) {
                Step::Stop(())
            } else {
                Step::Continue
            }
        });
        // After the swing, before the block is retired; also where an earlier drainer died in between.
        if !Mutant::SwingWithoutBump.is_on() {
            self.bump_moves(pair);
        }
        pass == Pass::Stopped(())
    }

    /// The entry was replaced, or an earlier drainer died after the forward, perhaps before the swing.
    /// The one it leads to is helped if it is not LIVE yet: its writer may be stopped, and when this
    /// block is gone nobody could tell any more that it was to live.
    pub(crate) fn swing_again(&self, thread: &ThreadState, drain: &Draining, entry: &Walked) {
        if Mutant::NoSecondSwing.is_on() {
            return;
        }
        let (hash, _) = self.walked_hash(entry);
        let pair = Pair::of_hash(&self.geometry, hash);
        let from = self.slot_of(drain, entry, pair.tag);
        // Nearly always the one who replaced it has gone LIVE and cleared its slot: nothing is left to do.
        if !self.leads_to_writing(entry.state) && !self.is_linked(&pair, from) {
            self.bump_moves(&pair);
            return;
        }
        let (location, generation) = (entry.state.forward_location(), entry.state.forward_generation());
        // Pinned until the slot names it: a word that is written late must not be of an earlier incarnation.
        if let Some(_pinned) = self.pin_way_on(thread, location, generation, entry) {
            self.swing(&pair, from, Slot::new(pair.tag, generation, location));
        } else {
            self.bump_moves(&pair);
        }
    }

    /// Pins the entry that `from` is forwarded to if the key's value is found by it: if it is LIVE, made so if it
    /// was WRITING, or in turn leads to one that is not LIVE yet (it is a copy, then, that was replaced before
    /// its drainer had swung the slot). One of another key is not: the forward is damaged.
    fn pin_way_on<'s>(
        &'s self,
        thread: &ThreadState,
        location: Location,
        generation: u16,
        from: &Walked,
    ) -> Option<Pinned<'s>> {
        let pin = thread.engine_pin(self, EnginePin::Move);
        let pinned = self.pin_location(thread, pin, location, generation)?;
        let target = self.walk_entry(location, pinned.block, pinned.word.generation())?;
        if self.walked_key(&target) != self.walked_key(from) {
            return None;
        }
        if target.state.kind() == Kind::Writing {
            self.count_then_live(pinned.block, target.entry_bytes, location, target.state);
        }
        let state = self.load_state(location);
        (state.kind() == Kind::Live || self.leads_to_writing(state)).then_some(pinned)
    }
}

#[cfg(test)]
mod tests {
    use crate::attach::ThreadRef;
    use crate::expiry::Expiry;
    use crate::key::Key;
    use crate::layout::block::BlockState;
    use crate::layout::slot::Location;
    use crate::log::write::{Draft, Written};
    use crate::ops::settle::{Leftovers, Manner, Settled};
    use crate::segment::Segment;
    use crate::tags::Tags;

    static NO_TAGS: Tags = Tags::NONE;

    /// A segment with a value that lies in a sealed block, which is given, too.
    fn with_old_value() -> (Segment, u32) {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        let block = segment.metadata(b"key").expect("just put").block;
        let shared = &*segment.shared;
        assert!(shared.seal_block(block, shared.block(block)));
        (segment, block)
    }

    /// A put up to where it is to go LIVE.
    fn settled_put<'s>(
        segment: &'s Segment,
        thread: &ThreadRef<'_>,
        key: &Key<'_>,
    ) -> (Written<'s>, Leftovers) {
        let shared = &*segment.shared;
        let written = written(segment, thread, key, b"new");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(thread, &key.pair, slot));
        match shared.settle(thread, key, slot, Manner::Override) {
            Settled::Ready(leftovers) => (written, leftovers),
            other => panic!("nobody else is there: {other:?}"),
        }
    }

    fn written<'s>(segment: &'s Segment, thread: &ThreadRef<'_>, key: &Key<'_>, value: &[u8]) -> Written<'s> {
        let shared = &*segment.shared;
        let draft = Draft::for_ever(*key, value, &NO_TAGS, shared.token(key).clock);
        shared.write(thread, &draft).expect("there is room")
    }

    fn goes_live(segment: &Segment, written: &Written<'_>) -> bool {
        let (place, bytes) = (&written.place, written.entry_bytes);
        let shared = &*segment.shared;
        shared.count_then_live(place.block, bytes, place.location, written.state)
    }

    /// Walked to its end, and retired.
    fn drain(segment: &Segment, block: u32) {
        let shared = &*segment.shared;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let thread = shared.thread().expect("this process is attached");
                shared.evict_block(&thread, block, shared.block(block));
            });
        });
        assert!(!shared.block(block).is_readable());
    }

    /// Everything that is counted is LIVE, and the other way round.
    fn assert_counts(segment: &Segment, written: &Written<'_>) {
        assert_eq!(segment.shared.live(written.place.block).entries(), 1);
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"new"[..]));
        assert!(segment.verify().is_clean());
    }

    #[test]
    fn a_writer_that_stopped_before_it_cleared_the_slot_finds_nothing_left_to_do() {
        let (segment, block) = with_old_value();
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let (written, leftovers) = settled_put(&segment, &thread, &key);
        assert!(goes_live(&segment, &written));
        assert_eq!(
            shared.live(block).entries(),
            1,
            "counted until its slot is cleared"
        );
        drain(&segment, block);
        assert_counts(&segment, &written);
        // The block may be in use again when the writer goes on.
        let reused = shared.block(block).with_state(BlockState::Open);
        assert!(shared.change_block(block, shared.block(block), reused));
        shared.reset_meta(block, reused.generation());
        assert!(shared.seal_block(block, reused));
        shared.clear_leftovers(&thread, &key, &leftovers);
        assert!(!shared.counts_any(block), "what it counts now is not ours");
        assert_counts(&segment, &written);
        assert!(segment.remove(b"key"));
        assert!(!segment.contains(b"key"), "no second slot led to it");
    }

    #[test]
    fn a_writer_that_stopped_before_it_went_live_is_helped() {
        let (segment, block) = with_old_value();
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let (written, leftovers) = settled_put(&segment, &thread, &key);
        drain(&segment, block);
        assert_counts(&segment, &written);
        assert!(!goes_live(&segment, &written), "it is LIVE");
        shared.clear_leftovers(&thread, &key, &leftovers);
        assert_counts(&segment, &written);
    }

    /// A drainer died before it swung the slot to the copy; the copy was replaced by a put that is not LIVE yet.
    #[test]
    fn a_copy_that_was_replaced_before_its_slot_was_swung_is_found() {
        let (segment, block) = with_old_value();
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let copy = written(&segment, &thread, &key, b"old");
        assert!(goes_live(&segment, &copy));
        let (location, generation) = (copy.place.location, shared.carried(copy.place.generation));
        let original = Location::from_offset(shared.geometry.block_offset(block));
        let state = shared.load_state(original);
        assert!(shared.change_state(original, state, state.forwarded(location, generation)));
        drop(copy);
        let (written, leftovers) = settled_put(&segment, &thread, &key);
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"old"[..]));
        drain(&segment, block);
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"old"[..]));
        assert!(goes_live(&segment, &written));
        shared.clear_leftovers(&thread, &key, &leftovers);
        assert_counts(&segment, &written);
    }
}
