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
use crate::pin::EnginePin;
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
        if self.make_live(thread, location, generation, entry) {
            self.swing(&pair, from, Slot::new(pair.tag, generation, location));
        } else {
            self.bump_moves(&pair);
        }
    }

    /// Whether the entry that `from` is forwarded to is LIVE, made so if it was WRITING. One of another key
    /// is not: the forward is damaged.
    fn make_live(&self, thread: &ThreadState, location: Location, generation: u16, from: &Walked) -> bool {
        let pin = thread.engine_pin(self, EnginePin::Move);
        let Some(pinned) = self.pin_location(thread, pin, location, generation) else {
            return false;
        };
        let Some(target) = self.walk_entry(location, pinned.block, pinned.word.generation()) else {
            return false;
        };
        if self.walked_key(&target) != self.walked_key(from) {
            return false;
        }
        if target.state.kind() == Kind::Writing {
            self.count_then_live(pinned.block, target.entry_bytes, location, target.state);
        }
        self.load_state(location).kind() == Kind::Live
    }
}
