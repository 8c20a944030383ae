//! What becomes of the entries of a block that is drained.
//!
//! Those worth keeping are copied to the main pool, a group at a time: write the copies, LIVE but unlinked, and
//! count them; then, for each, change the original LIVE -> FWD(copy), where a racing put, remove or kill wins by
//! the same compare-and-swap, and swing the slot. A copy whose original was faster, or that finds no slot to
//! swing, is given up: linking what is already LIVE could make a second live entry of its key.
//!
//! The others are marked DEAD, whether they are evicted, expired or invalidated: what stayed LIVE could be
//! derived from until the block is retired; what was derived would then be missed until it is LIVE, and be
//! there again.

use guira_shm::sync::Ordering;

use crate::attach::{Counter, ThreadState};
use crate::entry::Validity;
use crate::key::Pair;
use crate::layout::block::{Live, Pool};
use crate::layout::entry::{ENTRY_LENGTHS, ENTRY_MADE, Kind, State};
use crate::layout::slot::{Location, Slot};
use crate::log::drain::{BATCH_ENTRIES, Draining, Met};
use crate::log::place::{Place, Purpose};
use crate::log::survey::DrainMode;
use crate::log::walk::Walked;
use crate::shared::Shared;

/// Changes of an entry's state that its drainer meets at most: marked as stale, replaced or removed.
const STATE_CHANGES: u32 = 4;
/// The longest group whose successor's lines are fetched ahead.
const FETCHED_AHEAD_BYTES: usize = 4 << 10;

/// What is done with an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It moves, with this count of reads.
    Moves(u8),
    /// It was marked DEAD, and is to be counted off.
    Gone,
    /// Nothing is left to do.
    Done,
    /// Another writer changed its state meanwhile.
    Raced,
}

/// Survivors that go to one place.
#[derive(Debug, Default)]
struct Group {
    moving: [Option<Moving>; BATCH_ENTRIES],
    count: usize,
    bytes: usize,
    class: u8,
    hard_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Moving {
    met: Met,
    frequency: u8,
}

impl Group {
    fn push(&mut self, moving: Moving, class: u8) {
        if let Some(place) = self.moving.get_mut(self.count) {
            self.bytes += moving.met.entry.entry_bytes;
            self.hard_ms = self.hard_ms.max(moving.met.entry.header.hard_ms());
            self.class = class;
            self.count += 1;
            *place = Some(moving);
        }
    }
}

impl Shared {
    /// Deals with a batch of entries, until the state word of each says what became of it: moved, replaced or
    /// gone, through this drainer or another writer.
    pub(crate) fn deal_with<'m>(
        &self,
        thread: &ThreadState,
        drain: &mut Draining,
        batch: impl Iterator<Item = &'m Met>,
    ) {
        let mut group = Group::default();
        let mut gone = Live::NONE;
        for met in batch {
            let mut met = *met;
            met.entry.state = self.load_state(met.entry.location);
            match self.fate(thread, drain, &met) {
                Fate::Moves(frequency) => {
                    let class = self.lifetime_class(met.entry.header.hard_ms());
                    if group.count != 0 && group.class != class {
                        self.move_group(thread, drain, &group);
                        group = Group::default();
                    }
                    group.push(Moving { met, frequency }, class);
                }
                Fate::Gone => gone = gone.and(Live::of_entry(met.entry.entry_bytes)),
                Fate::Done => {}
                Fate::Raced => self.deal_with_one(thread, drain, &met),
            }
        }
        if gone != Live::NONE {
            self.uncount_all_live(drain.block, gone);
        }
        self.move_group(thread, drain, &group);
    }

    /// As `deal_with`, of one that others change, too.
    #[cold]
    fn deal_with_one(&self, thread: &ThreadState, drain: &mut Draining, met: &Met) {
        let mut met = *met;
        for _ in 0..STATE_CHANGES {
            met.entry.state = self.load_state(met.entry.location);
            match self.fate(thread, drain, &met) {
                Fate::Moves(frequency) => {
                    let mut group = Group::default();
                    let class = self.lifetime_class(met.entry.header.hard_ms());
                    group.push(Moving { met, frequency }, class);
                    if self.move_together(thread, drain, &group) == 0 {
                        return;
                    }
                }
                Fate::Gone => return self.uncount_live(drain.block, met.entry.entry_bytes),
                Fate::Done => return,
                Fate::Raced => {}
            }
        }
    }

    fn fate(&self, thread: &ThreadState, drain: &Draining, met: &Met) -> Fate {
        let entry = &met.entry;
        match entry.state.kind() {
            Kind::Live => {}
            Kind::Forward => {
                if drain.is_second {
                    self.swing_again(thread, drain, entry);
                }
                return Fate::Done;
            }
            // Its writer is dead. Helped to LIVE, and walked by already, it would be there until the block is
            // retired.
            Kind::Writing => {
                return if self.change_state(entry.location, entry.state, entry.state.dead()) {
                    Fate::Done
                } else {
                    Fate::Raced
                };
            }
            Kind::Dead => return Fate::Done,
        }
        match self.validity(entry.location, &entry.header, met.namespace) {
            Validity::Valid => {}
            Validity::Expired => return self.let_go(thread, entry, Some(Counter::Expired)),
            Validity::Invalidated => return self.let_go(thread, entry, None),
        }
        let frequency = entry.header.frequency();
        let kept_frequency = match drain.mode {
            DrainMode::Compact => Some(frequency),
            DrainMode::EvictAdmission => (frequency > thread.urgency.get()).then_some(0),
            DrainMode::EvictMain => self.main_survivor(thread, drain, frequency),
            DrainMode::Drop => None,
        };
        if let Some(frequency) = kept_frequency {
            return Fate::Moves(frequency);
        }
        let fate = self.let_go(thread, entry, Some(Counter::Evicted));
        if fate == Fate::Gone && drain.mode == DrainMode::EvictAdmission {
            self.add_ghost(met.hash);
        }
        fate
    }

    /// Marks a LIVE entry DEAD.
    fn let_go(&self, thread: &ThreadState, entry: &Walked, counter: Option<Counter>) -> Fate {
        if !self.change_state(entry.location, entry.state, entry.state.dead()) {
            return Fate::Raced;
        }
        if let Some(counter) = counter {
            thread.count(self, counter);
        }
        Fate::Gone
    }

    /// Whether an entry will probably move, as far as its reads tell.
    pub(crate) fn will_move(&self, thread: &ThreadState, mode: DrainMode, entry: &Walked) -> bool {
        match mode {
            DrainMode::Compact => true,
            DrainMode::EvictAdmission => entry.header.frequency() > thread.urgency.get(),
            DrainMode::EvictMain => entry.header.frequency() != 0,
            DrainMode::Drop => false,
        }
    }

    /// Entries that were read stay; when most of the block stays already it takes more reads.
    fn main_survivor(&self, thread: &ThreadState, drain: &Draining, frequency: u8) -> Option<u8> {
        let most_stays = drain.copied_bytes * 4 >= self.geometry.block_bytes * 3;
        let least = if most_stays { 3 } else { 1 } + thread.urgency.get();
        (frequency >= least).then(|| frequency - 1)
    }

    /// Moves a group, and looks again at each that another writer changed meanwhile.
    fn move_group(&self, thread: &ThreadState, drain: &mut Draining, group: &Group) {
        let raced = self.move_together(thread, drain, group);
        if raced == 0 {
            return;
        }
        for (index, moving) in group.moving.iter().flatten().enumerate() {
            if raced & (1 << index) != 0 {
                self.deal_with_one(thread, drain, &moving.met);
            }
        }
    }

    /// Copies LIVE entries to the main pool and makes the index name the copies; without room for them they are
    /// let go. Gives a mask of those that another writer changed meanwhile.
    fn move_together(&self, thread: &ThreadState, drain: &mut Draining, group: &Group) -> u32 {
        if group.count == 0 {
            return 0;
        }
        let mut raced = 0;
        let Some(place) = self.reserve(thread, Pool::Main, group.bytes, group.hard_ms, Purpose::Survivor)
        else {
            for (index, moving) in group.moving.iter().flatten().enumerate() {
                let fate = self.let_go(thread, &moving.met.entry, Some(Counter::Evicted));
                raced |= u32::from(fate == Fate::Raced) << index;
            }
            let gone = group.live(|index| raced & (1 << index) == 0);
            self.uncount_all_live(drain.block, gone);
            return raced;
        };
        self.write_copies(&place, group);
        self.forward_to_copies(thread, drain, &place, group)
    }

    /// Writes the copies, LIVE but unlinked. They are counted before they are LIVE: the place may be sealed and
    /// drained by others before this drainer goes on.
    fn write_copies(&self, place: &Place<'_>, group: &Group) {
        // Where the next ones go, probably.
        let to = place.location.offset();
        for line_bytes in (0..group.bytes.min(FETCHED_AHEAD_BYTES)).step_by(64) {
            self.region().prefetch_write(to + group.bytes + line_bytes);
        }
        self.count_all_live(place.block, group.live(|_| true));
        let mut copied_bytes = 0;
        for moving in group.moving.iter().flatten() {
            self.copy_to(place, place.location.behind(copied_bytes), moving);
            copied_bytes += moving.met.entry.entry_bytes;
        }
    }

    /// Gives a mask of those that another writer changed meanwhile.
    fn forward_to_copies(
        &self,
        thread: &ThreadState,
        drain: &mut Draining,
        place: &Place<'_>,
        group: &Group,
    ) -> u32 {
        let (mut given_up, mut forwarded, mut raced, mut moved) = (0_u32, 0_u32, 0, 0);
        let mut copied_bytes = 0;
        for (index, moving) in group.moving.iter().flatten().enumerate() {
            let copy = place.location.behind(copied_bytes);
            copied_bytes += moving.met.entry.entry_bytes;
            let change = self.forward_to_copy(drain, place, copy, moving);
            given_up |= u32::from(change.copy_is_given_up) << index;
            forwarded |= u32::from(change.is_forwarded) << index;
            raced |= u32::from(!change.is_forwarded) << index;
            if change.is_forwarded && !change.copy_is_given_up {
                moved += 1;
                drain.copied_bytes += moving.met.entry.entry_bytes;
            }
        }
        if given_up != 0 {
            self.uncount_all_live(place.block, group.live(|index| given_up & (1 << index) != 0));
        }
        // The drain may be given back before its end: what moved is not counted here any more.
        let gone = group.live(|index| forwarded & (1 << index) != 0);
        self.uncount_all_live(drain.block, gone);
        thread.count_many(self, Counter::Survivors, moved);
        raced
    }

    fn copy_to(&self, place: &Place<'_>, copy: Location, moving: &Moving) {
        let Moving { met, frequency } = moving;
        let entry = &met.entry;
        let header = entry.header.moved_to(*frequency, copy, place.generation);
        let (from, to) = (entry.location.offset(), copy.offset());
        let [lengths, born, deadlines] = self.region().words(to + ENTRY_LENGTHS);
        lengths.store(header.lengths, Ordering::Relaxed);
        born.store(header.born, Ordering::Relaxed);
        deadlines.store(header.deadlines, Ordering::Relaxed);
        self.region()
            .copy_within(from + ENTRY_MADE, to + ENTRY_MADE, entry.entry_bytes - ENTRY_MADE);
        // Release: publishes the copy; pairs with the Acquire of whoever follows the forward.
        self.entry_state(copy)
            .store(self.live_copy(place, moving).0, Ordering::Release);
    }

    /// The state of a copy that nobody has found yet.
    fn live_copy(&self, place: &Place<'_>, moving: &Moving) -> State {
        let live = State::new(Kind::Live, self.carried(place.generation));
        if moving.met.entry.state.is_soft() {
            live.with_soft()
        } else {
            live
        }
    }

    fn forward_to_copy(
        &self,
        drain: &Draining,
        place: &Place<'_>,
        copy: Location,
        moving: &Moving,
    ) -> Change {
        let Met { entry, hash, .. } = &moving.met;
        let carried = self.carried(place.generation);
        let pair = Pair::of_hash(&self.geometry, *hash);
        let forward = entry.state.forwarded(copy, carried);
        let is_forwarded = self.change_state(entry.location, entry.state, forward);
        let is_swung = is_forwarded && {
            let from = self.slot_of(drain, entry, pair.tag);
            self.swing(&pair, from, Slot::new(pair.tag, carried, copy))
        };
        Change {
            is_forwarded,
            // Nobody reaches the copy but through the forward, if at all.
            copy_is_given_up: !is_swung && self.give_up_copy(copy, carried),
        }
    }

    /// Marks a LIVE copy DEAD; false if another did, or replaced it, who has counted it off.
    fn give_up_copy(&self, copy: Location, carried: u16) -> bool {
        loop {
            let state = self.load_state(copy);
            if state.kind() != Kind::Live || state.self_generation() != carried {
                return false;
            }
            // Again if it was marked as stale meanwhile.
            if self.change_state(copy, state, state.dead()) {
                return true;
            }
        }
    }
}

/// How moving one entry went.
#[derive(Clone, Copy, Debug)]
struct Change {
    is_forwarded: bool,
    /// The copy is DEAD, and is to be counted off.
    copy_is_given_up: bool,
}

impl Group {
    /// What those of the group count together that `is_meant`.
    fn live(&self, is_meant: impl Fn(usize) -> bool) -> Live {
        self.moving
            .iter()
            .flatten()
            .enumerate()
            .filter(|(index, _)| is_meant(*index))
            .fold(Live::NONE, |sum, (_, moving)| {
                sum.and(Live::of_entry(moving.met.entry.entry_bytes))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expiry::Expiry;
    use crate::layout::block::{BlockState, BlockWord};
    use crate::segment::Segment;

    /// A segment with a value in a block that its own thread drains, up to where the copy is written.
    fn with_copy<R>(look: impl FnOnce(&Segment, &ThreadState, &mut Draining, &Place<'_>, &Group) -> R) -> R {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let block = segment.metadata(b"key").expect("just put").block;
        assert!(shared.seal_block(block, shared.block(block)));
        let sealed: BlockWord = shared.block(block);
        let word = sealed.with_state(BlockState::Drain).with_owner(thread.owner);
        assert!(shared.change_block(block, sealed, word));
        let mut drain = Draining {
            block,
            word,
            mode: DrainMode::Compact,
            copied_bytes: 0,
            is_second: false,
        };
        let location = Location::from_offset(shared.geometry.block_offset(block));
        let entry = shared.walk_entry(location, block, word.generation());
        let entry = entry.expect("the first entry of the block");
        let (hash, namespace) = shared.walked_hash(&entry);
        let met = Met {
            entry,
            hash,
            namespace,
        };
        let mut group = Group::default();
        group.push(Moving { met, frequency: 1 }, 0);
        let place = shared.reserve(&thread, Pool::Main, group.bytes, u64::MAX, Purpose::Survivor);
        let place = place.expect("there is room");
        shared.write_copies(&place, &group);
        look(&segment, &thread, &mut drain, &place, &group)
    }

    /// The drainer stops when it has written the copy. Another drains the block that the copy is in and lets it
    /// go, and the original is replaced.
    #[test]
    fn a_copy_that_another_drainer_let_go_is_counted_off_once() {
        with_copy(|segment, thread, drain, place, group| {
            let shared = &*segment.shared;
            assert_eq!(shared.live(place.block).entries(), 1);
            let copy = shared.load_state(place.location);
            assert!(shared.change_state(place.location, copy, copy.dead()));
            shared.uncount_all_live(place.block, group.live(|_| true));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    segment
                        .put(b"key", b"new", Expiry::never())
                        .expect("there is room")
                });
            });
            assert_eq!(shared.forward_to_copies(thread, drain, place, group), 1);
            assert!(!shared.counts_any(place.block));
            assert!(!shared.counts_any(drain.block));
        });
    }

    /// Its slot is gone by the time it is to be swung; meanwhile the copy was found by the forward and made stale.
    #[test]
    fn a_stale_copy_without_a_slot_is_given_up() {
        with_copy(|segment, _, _, place, group| {
            let shared = &*segment.shared;
            let copy = shared.load_state(place.location);
            assert!(shared.change_state(place.location, copy, copy.with_soft()));
            let carried = shared.carried(place.generation);
            assert!(shared.give_up_copy(place.location, carried));
            assert!(!shared.give_up_copy(place.location, carried), "it is DEAD");
            shared.uncount_all_live(place.block, group.live(|_| true));
            assert!(!shared.counts_any(place.block));
        });
    }
}
