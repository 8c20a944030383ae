//! Draining: what survives of a block is copied out, then the block is retired by one change of its
//! control word, and with it every entry that was left.
//!
//! The drainer owns its block (the control word names its record), so nobody retires it meanwhile,
//! and alone may swing slots from an entry to its copy. For each survivor: write the copy, LIVE but
//! unlinked; change the original LIVE -> FWD(copy), where a racing put, remove or kill wins by the
//! same compare-and-swap; then swing the slot. A drainer that died between the last two is followed
//! by one that swings again for entries that are FWD to a live copy. For nearly every FWD entry there is
//! nothing to do: a slot is cleared only after what replaced the entry went LIVE, so one that no slot
//! names and that does not lead to a WRITING entry is nobody's way to anything. A copy that finds no slot to
//! swing is given up: linking what is already LIVE could make a second live entry of its key.
//!
//! A walk that meets bytes that are no entry of its generation (space that a writer reserved and has not
//! written, because it is slow or dead) goes on behind them, at the next entry that a slot names. To end there
//! would leave LIVE entries behind unmarked, and what is derived from one of those would be missed from the
//! moment the block is gone until it is LIVE.

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;

use crate::attach::{Counter, ThreadState};
use crate::entry::Validity;
use crate::index::scan::{Pass, Step};
use crate::key::Pair;
use crate::layout::block::{BlockState, BlockWord, META_TAIL, Pool, Tail};
use crate::layout::entry::{
    ENTRY_BORN, ENTRY_DEADLINES, ENTRY_GRID, ENTRY_LENGTHS, ENTRY_MADE, Header, Kind, State,
};
use crate::layout::slot::{Location, Slot};
use crate::log::place::Purpose;
use crate::log::survey::{DrainMode, Victim};
use crate::log::walk::Walked;
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tuning::WRITE_PASSES;

/// A drain in progress, in its thread's private memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    block: u32,
    word: BlockWord,
    mode: DrainMode,
    at_bytes: usize,
    end_bytes: usize,
    copied_bytes: usize,
}

/// Most bytes of entries that are fetched for the step after next.
const FETCHED_AHEAD_BYTES: usize = 4 << 10;

/// Changes of an entry's state that its drainer meets at most: marked as stale, replaced or removed.
const STATE_CHANGES: u32 = 4;

impl Shared {
    /// One whole round of reclaim: finishes this thread's drain, or makes a new one to the end.
    /// False if nothing could be drained or freed.
    pub(crate) fn reclaim_round(&self, thread: &ThreadState) -> bool {
        if thread.drain.get().is_none() && !self.begin_drain(thread) {
            return false;
        }
        while thread.drain.get().is_some() {
            self.drain_some(thread, usize::MAX);
        }
        true
    }

    /// A share of reclaim for `appended` bytes, while blocks run short.
    #[inline]
    pub(crate) fn reclaim_share(&self, thread: &ThreadState, appended: usize) {
        let pace = thread.reclaim_pace.get();
        if pace != 0 {
            self.reclaim_step(thread, appended * pace as usize);
        }
    }

    #[cold]
    fn reclaim_step(&self, thread: &ThreadState, budget_bytes: usize) {
        if thread.drain.get().is_none() && !self.begin_drain(thread) {
            thread.reclaim_pace.set(0);
            return;
        }
        self.drain_some(thread, budget_bytes);
    }

    /// Chooses and claims a victim. Also frees retired blocks that nothing pins any more, which
    /// counts as progress.
    fn begin_drain(&self, thread: &ThreadState) -> bool {
        let survey = self.survey();
        let freed = self.release_retired(thread, &survey.retired);
        self.look_for_dead(thread, freed < survey.retired.len());
        let free = survey.free + freed as u32;
        let enough = self.reserve_blocks();
        if free > enough && !self.index_is_full(&survey) {
            thread.reclaim_pace.set(0);
            return freed > 0;
        }
        let Some(victim) = self.choose_victim(&survey) else {
            return freed > 0;
        };
        self.claim_victim(thread, &victim);
        true
    }

    /// Now and then, and sooner while something keeps retired blocks, gives back what dead processes
    /// held: their open blocks, drains and pins would else stay until space is short.
    fn look_for_dead(&self, thread: &ThreadState, something_is_kept: bool) {
        let begun = thread.drains_begun.get().wrapping_add(1);
        thread.drains_begun.set(begun);
        let interval = if something_is_kept { 8 } else { 64 };
        if begun.is_multiple_of(interval)
            && let Some(attachment) = self.current_attachment()
        {
            self.recover_dead(&attachment, false);
        }
    }

    /// SEALED -> DRAIN, unless somebody else was faster.
    fn claim_victim(&self, thread: &ThreadState, victim: &Victim) {
        let Victim { block, word, .. } = *victim;
        let draining = word.with_state(BlockState::Drain).with_owner(thread.owner);
        if !self.change_block(block, word, draining) {
            return;
        }
        // Acquire: pairs with the AcqRel that closed the tail.
        let tail = Tail(self.block_meta(block, META_TAIL).load(Ordering::Acquire));
        let end_bytes = match victim.mode {
            DrainMode::Drop => 0,
            _ => tail.used_bytes().min(self.geometry.block_bytes),
        };
        if victim.mode == DrainMode::Drop {
            let counter = if victim.expired {
                Counter::Expired
            } else {
                Counter::Evicted
            };
            thread.count_many(self, counter, u64::from(self.live(block).entries()));
        }
        let (mode, at_bytes, copied_bytes) = (victim.mode, 0, 0);
        thread.drain.set(Some(Drain {
            block,
            word: draining,
            mode,
            at_bytes,
            end_bytes,
            copied_bytes,
        }));
    }

    /// Drains a SEALED block now, keeping what was read if there is room: for runs of blocks.
    pub(crate) fn evict_block(&self, thread: &ThreadState, block: u32, word: BlockWord) {
        let is_run = self.run_blocks(block, word.generation()) > 1;
        let mode = if is_run {
            DrainMode::Drop
        } else {
            DrainMode::EvictMain
        };
        self.claim_victim(
            thread,
            &Victim {
                block,
                word,
                mode,
                expired: false,
            },
        );
        while thread.drain.get().is_some() {
            self.drain_some(thread, usize::MAX);
        }
    }

    /// Walks about `budget_bytes` of the thread's drain; at its end the block is retired.
    pub(crate) fn drain_some(&self, thread: &ThreadState, budget_bytes: usize) {
        let Some(mut drain) = thread.drain.take() else {
            return;
        };
        if self.block(drain.block) != drain.word {
            // Taken away by a repair.
            return;
        }
        if drain.at_bytes == 0 && self.keep_run(thread, &drain) {
            return;
        }
        let mut walked_bytes = 0;
        while drain.at_bytes < drain.end_bytes && walked_bytes < budget_bytes {
            let location = Location::from_offset(self.geometry.block_offset(drain.block) + drain.at_bytes);
            let Some(entry) = self.walk_entry(location, drain.block, drain.word.generation()) else {
                let (block, generation) = (drain.block, drain.word.generation());
                drain.at_bytes =
                    self.next_linked_bytes(block, generation, drain.at_bytes + ENTRY_GRID, drain.end_bytes);
                continue;
            };
            self.drain_entry(thread, &mut drain, &entry);
            drain.at_bytes += entry.entry_bytes;
            walked_bytes += entry.entry_bytes;
        }
        if drain.at_bytes < drain.end_bytes {
            self.fetch_next(&drain, walked_bytes);
            thread.drain.set(Some(drain));
        } else {
            self.retire_block(thread, drain.block, drain.word);
        }
    }

    /// Starts fetching what the thread's next step will ask for: the buckets of the entries that come next,
    /// and the lines of those after them. Between two steps is a put, which is time enough.
    fn fetch_next(&self, drain: &Drain, step_bytes: usize) {
        let begin = self.geometry.block_offset(drain.block);
        let step_bytes = step_bytes.min(FETCHED_AHEAD_BYTES);
        let (mut at_bytes, soon_bytes) = (drain.at_bytes, drain.at_bytes + step_bytes);
        while at_bytes < soon_bytes.min(drain.end_bytes) {
            let location = Location::from_offset(begin + at_bytes);
            let Some(entry) = self.walk_entry(location, drain.block, drain.word.generation()) else {
                return;
            };
            if matches!(entry.state.kind(), Kind::Live | Kind::Forward) {
                let (hash, _) = self.walked_hash(&entry);
                self.prefetch_to_change(&Pair::of_hash(&self.geometry, hash));
            }
            if entry.state.kind() == Kind::Forward {
                self.region().prefetch(entry.state.forward_location().offset());
            }
            at_bytes += entry.entry_bytes;
        }
        for line_bytes in (0..step_bytes + 64).step_by(64) {
            self.region().prefetch(begin + at_bytes + line_bytes);
        }
    }

    /// A run is not copied: if it counts and was read it takes its next turn where it is.
    fn keep_run(&self, thread: &ThreadState, drain: &Drain) -> bool {
        let is_run = self.run_blocks(drain.block, drain.word.generation()) > 1;
        if !is_run || !matches!(drain.mode, DrainMode::EvictAdmission | DrainMode::EvictMain) {
            return false;
        }
        let location = Location::from_offset(self.geometry.block_offset(drain.block));
        let Some(entry) = self.walk_entry(location, drain.block, drain.word.generation()) else {
            return false;
        };
        if entry.state.kind() != Kind::Live || entry.header.frequency() == 0 {
            return false;
        }
        let (_, namespace) = self.walked_hash(&entry);
        if self.validity(location, &entry.header, namespace) != Validity::Valid {
            return false;
        }
        let frequency = match drain.mode {
            DrainMode::EvictMain => entry.header.frequency() - 1,
            _ => 0,
        };
        let lengths = Header::lengths_with_frequency(entry.header.lengths, frequency);
        self.word(location.offset() + ENTRY_LENGTHS)
            .store(lengths, Ordering::Relaxed);
        self.stamp_sealed(drain.block);
        thread.count(self, Counter::Survivors);
        let sealed = drain
            .word
            .with_state(BlockState::Sealed)
            .without_owner()
            .with_pool(Pool::Main, 0);
        self.change_block(drain.block, drain.word, sealed)
    }

    /// Until its state word says what became of it: moved, replaced or gone, through this drainer or another
    /// writer. What stayed LIVE could be derived from until the block is retired; what was derived would
    /// then be missed until it is LIVE, and be there again.
    fn drain_entry(&self, thread: &ThreadState, drain: &mut Drain, entry: &Walked) {
        let mut entry = *entry;
        for _ in 0..STATE_CHANGES {
            if self.is_drained(thread, drain, &entry) {
                return;
            }
            entry.state = self.load_state(entry.location);
        }
    }

    /// False if another writer changed the entry's state meanwhile.
    fn is_drained(&self, thread: &ThreadState, drain: &mut Drain, entry: &Walked) -> bool {
        match entry.state.kind() {
            Kind::Live => {}
            Kind::Forward => {
                self.swing_again(thread, drain, entry);
                return true;
            }
            // Its writer begins anew elsewhere. LIVE, and walked by already, it would be there until the block
            // is retired, as above.
            Kind::Writing => return self.change_state(entry.location, entry.state, entry.state.dead()),
            Kind::Dead => return true,
        }
        let (hash, namespace) = self.walked_hash(entry);
        match self.validity(entry.location, &entry.header, namespace) {
            Validity::Valid => {}
            Validity::Expired => {
                thread.count(self, Counter::Expired);
                return true;
            }
            Validity::Invalidated => return true,
        }
        let frequency = entry.header.frequency();
        let kept_frequency = match drain.mode {
            DrainMode::Compact => Some(frequency),
            DrainMode::EvictAdmission => (frequency > thread.urgency.get()).then_some(0),
            DrainMode::EvictMain => self.main_survivor(thread, drain, frequency),
            DrainMode::Drop => None,
        };
        if let Some(frequency) = kept_frequency
            && self.copy_survivor(thread, drain, entry, hash, frequency)
        {
            drain.copied_bytes += entry.entry_bytes;
            thread.count(self, Counter::Survivors);
            // The drain may be given back before its end: what moved is not counted here any more.
            self.forget_live(drain.block, entry.location);
            return true;
        }
        // Not worth keeping, or no room for it.
        if !self.change_state(entry.location, entry.state, entry.state.dead()) {
            return false;
        }
        self.forget_live(drain.block, entry.location);
        if kept_frequency.is_none() && drain.mode == DrainMode::EvictAdmission {
            self.add_ghost(hash);
        }
        thread.count(self, Counter::Evicted);
        true
    }

    /// Entries that were read stay; when most of the block stays already it takes more reads.
    fn main_survivor(&self, thread: &ThreadState, drain: &Drain, frequency: u8) -> Option<u8> {
        let most_stays = drain.copied_bytes * 4 >= self.geometry.block_bytes * 3;
        let least = if most_stays { 3 } else { 1 } + thread.urgency.get();
        (frequency >= least).then(|| frequency - 1)
    }

    /// Copies a LIVE entry to the main pool and makes the index name the copy. False if there was
    /// no room, or another writer was faster.
    fn copy_survivor(
        &self,
        thread: &ThreadState,
        drain: &Drain,
        entry: &Walked,
        hash: u64,
        frequency: u8,
    ) -> bool {
        let header = &entry.header;
        let Some(place) = self.reserve(
            thread,
            Pool::Main,
            entry.entry_bytes,
            header.hard_ms(),
            Purpose::Survivor,
        ) else {
            return false;
        };
        let copy = header.moved_to(frequency, place.location, place.generation);
        let to = place.location.offset();
        // Where the next survivor goes, probably.
        for line_bytes in (0..entry.entry_bytes.min(FETCHED_AHEAD_BYTES)).step_by(64) {
            self.region().prefetch_write(to + entry.entry_bytes + line_bytes);
        }
        self.word(to + ENTRY_LENGTHS)
            .store(copy.lengths, Ordering::Relaxed);
        self.word(to + ENTRY_BORN).store(copy.born, Ordering::Relaxed);
        self.word(to + ENTRY_DEADLINES)
            .store(copy.deadlines, Ordering::Relaxed);
        let from = entry.location.offset();
        self.region()
            .copy_within(from + ENTRY_MADE, to + ENTRY_MADE, entry.entry_bytes - ENTRY_MADE);
        let carried = self.carried(place.generation);
        let mut live = State::new(Kind::Live, carried);
        if entry.state.is_soft() {
            live = live.with_soft();
        }
        // Release: publishes the copy; pairs with the Acquire of whoever follows the forward.
        self.entry_state(place.location).store(live.0, Ordering::Release);
        self.count_live(place.block, entry.entry_bytes);
        let pair = Pair::of_hash(&self.geometry, hash);
        let moved = self.change_state(
            entry.location,
            entry.state,
            entry.state.forwarded(place.location, carried),
        ) && self.swing(
            &pair,
            self.slot_of(drain, entry, pair.tag),
            Slot::new(pair.tag, carried, place.location),
        );
        if !moved && self.change_state(place.location, live, live.dead()) {
            // Nobody reaches the copy but through the forward, if at all.
            self.uncount_live(place.block, entry.entry_bytes);
        }
        moved
    }

    fn slot_of(&self, drain: &Drain, entry: &Walked, tag: u16) -> Slot {
        Slot::new(tag, self.carried(drain.word.generation()), entry.location)
    }

    /// Makes one slot that names `from` name `to`; false if a verified pass found none.
    ///
    /// Then raises the move counter: a scan may have loaded the slot before it was swung and find the
    /// block retired when it comes to look at the entry. It must not conclude that there is none.
    fn swing(&self, pair: &Pair, from: Slot, to: Slot) -> bool {
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
    fn swing_again(&self, thread: &ThreadState, drain: &Drain, entry: &Walked) {
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
