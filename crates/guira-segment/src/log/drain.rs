//! Draining: what survives of a block is copied out, then the block is retired by one change of its
//! control word, and with it every entry that was left.
//!
//! No writer is about to go on in a block when its drain begins: whoever appended to it has gone LIVE, or is
//! dead. (A writer pins the block from before it appends; while such a pin stands the block is no victim. What
//! one that was drained away from under its writer had been forwarded to, it would take along.) So an entry that
//! is WRITING has no writer any more, and one that goes LIVE meanwhile is helped by somebody else.
//!
//! The drainer owns its block (the control word names its record), so nobody retires it meanwhile,
//! and alone may swing slots from an entry to its copy. It walks the block a batch of entries at a time
//! (`survivor` has what is done with them), and has the lines that the next batch asks for on their way before
//! it deals with the present one.
//!
//! The first walk passes by entries that are FORWARD. Each was counted as live until nothing needed it any
//! more: until what it leads to is LIVE, or will not be, and the move counter was raised after that. So
//! when the walk is over and the block counts no entry, all of them are done with, and the block goes as one
//! goes that counted none from the beginning. If it does count one, a writer is between two of those steps, or
//! died there, or an earlier drainer did; then a second walk does for every FORWARD entry what is left to do
//! (`forward`).
//!
//! A walk that meets bytes that are no entry of its generation (space that a writer reserved and has not
//! written, because it is slow or dead) goes on behind them, at the next entry that a slot names. To end there
//! would leave LIVE entries behind unmarked, and what is derived from one of those would be missed from the
//! moment the block is gone until it is LIVE.

use guira_shm::sync::Ordering;

use crate::attach::{Counter, ThreadState};
use crate::entry::Validity;
use crate::key::Pair;
use crate::layout::block::{BlockState, BlockWord, META_TAIL, Pool, Tail};
use crate::layout::entry::{ENTRY_GRID, ENTRY_LENGTHS, Header, Kind};
use crate::layout::slot::Location;
use crate::log::survey::{DrainMode, Survey, Victim};
use crate::log::walk::Walked;
use crate::shared::Shared;
use crate::tuning::STEADY_DRAIN_SHARE;

/// A drain in progress, in its thread's private memory.
#[derive(Debug)]
pub(crate) struct Drain {
    victim: Draining,
    /// Where the walk goes on behind the batch.
    at_bytes: usize,
    end_bytes: usize,
    /// What was met and is to be dealt with next, and the one before.
    batches: [Batch; 2],
    /// The search for the next victim, made while this one is drained.
    next: Survey,
}

/// A block that is drained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draining {
    pub(crate) block: u32,
    pub(crate) word: BlockWord,
    pub(crate) mode: DrainMode,
    pub(crate) copied_bytes: usize,
    /// The second walk, which looks at FORWARD entries.
    pub(crate) is_second: bool,
}

/// An entry that something is to be done with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Met {
    pub(crate) entry: Walked,
    pub(crate) hash: u64,
    pub(crate) namespace: u16,
}

/// Most entries of a batch.
pub(crate) const BATCH_ENTRIES: usize = 8;
/// Where a batch ends at the latest: entries of a page or more are dealt with one by one.
const BATCH_BYTES: usize = 4 << 10;

/// Entries that lie one behind another, and how far the walk came to find them.
#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    met: [Option<Met>; BATCH_ENTRIES],
    walked_bytes: usize,
}

impl Shared {
    /// One whole round of reclaim: finishes this thread's drain, or makes a new one to the end.
    /// False if nothing could be drained or freed.
    pub(crate) fn reclaim_round(&self, thread: &ThreadState) -> bool {
        if !thread.is_draining() && !self.begin_drain(thread, &self.survey(), 1) {
            return false;
        }
        self.finish_drain(thread);
        true
    }

    /// Brings the thread's drain to its end, if there is one.
    pub(crate) fn finish_drain(&self, thread: &ThreadState) {
        while thread.is_draining() {
            self.drain_some(thread, usize::MAX);
        }
    }

    /// A share of reclaim for `appended` bytes, while blocks run short.
    #[inline]
    pub(crate) fn reclaim_share(&self, thread: &ThreadState, appended: usize) {
        if let Some(due_bytes) = thread.pace.due(appended) {
            self.reclaim_step(thread, due_bytes);
        }
    }

    #[cold]
    fn reclaim_step(&self, thread: &ThreadState, due_bytes: usize) {
        let is_steady = thread.line < self.geometry.blocks() / STEADY_DRAIN_SHARE;
        if !thread.is_draining() {
            if !is_steady && due_bytes < self.geometry.block_bytes {
                return;
            }
            let mut survey = thread.survey.take().unwrap_or_default();
            self.survey_on(&mut survey, self.geometry.blocks());
            if !self.begin_drain(thread, &survey, self.enough_blocks()) {
                thread.pace.stop();
                return;
            }
        }
        let budget_bytes = if is_steady { due_bytes } else { usize::MAX };
        let walked_bytes = self.drain_some(thread, budget_bytes);
        thread.pace.paid(walked_bytes);
    }

    /// Chooses and claims a victim. Also frees retired blocks that nothing pins any more, which
    /// counts as progress, and is all if as many as `enough` are free then beyond the reserve.
    fn begin_drain(&self, thread: &ThreadState, survey: &Survey, enough: u32) -> bool {
        let freed = self.release_retired(thread, &survey.retired);
        self.look_for_dead(thread, freed < survey.retired.len());
        let spare = self.spare_blocks();
        let index_is_full = self.index_is_full(survey);
        if spare >= enough && !index_is_full {
            thread.pace.stop();
            return freed > 0;
        }
        let in_writing = self.blocks_in_writing();
        let Some(victim) = self.choose_idle_victim(survey, &in_writing) else {
            return freed > 0;
        };
        let live_bytes = self.live(victim.block).bytes();
        let spare = if index_is_full { spare.min(1) } else { spare };
        thread
            .pace
            .set_for(victim.mode, self.geometry.block_bytes, live_bytes, spare);
        self.claim_victim(thread, &victim, in_writing);
        true
    }

    /// A victim that no writer is about to go on in.
    fn choose_idle_victim(&self, survey: &Survey, in_writing: &[u32]) -> Option<Victim> {
        let victim = self.choose_victim(survey)?;
        if !in_writing.contains(&victim.block) {
            return Some(victim);
        }
        // A writer that is stopped is met once: the survey that goes on with the drain knows of it.
        let mut others = Survey::without(in_writing.to_vec());
        self.survey_on(&mut others, self.geometry.blocks());
        // The pins are read after the block was seen SEALED: this one may have been OPEN before.
        self.choose_victim(&others)
            .filter(|victim| !self.is_in_writing(victim.block))
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

    /// SEALED -> DRAIN, unless somebody else was faster. The search for the next victim passes by what is
    /// `in_writing`.
    fn claim_victim(&self, thread: &ThreadState, victim: &Victim, in_writing: Vec<u32>) {
        let Victim {
            block, word, mode, ..
        } = *victim;
        let draining = word.with_state(BlockState::Drain).with_owner(thread.owner);
        if !self.change_block(block, word, draining) {
            return;
        }
        if mode == DrainMode::Drop {
            let counter = if victim.expired {
                Counter::Expired
            } else {
                Counter::Evicted
            };
            thread.count_many(self, counter, u64::from(self.live(block).entries()));
        }
        thread.drain.set(Some(Box::new(Drain {
            victim: Draining {
                block,
                word: draining,
                mode,
                copied_bytes: 0,
                is_second: false,
            },
            at_bytes: 0,
            end_bytes: self.walk_end(block, mode),
            batches: [Batch::default(); 2],
            next: Survey::without(in_writing),
        })));
    }

    /// How far a walk goes: nowhere in a block whose entries are dropped, or that counts none.
    fn walk_end(&self, block: u32, mode: DrainMode) -> usize {
        if mode == DrainMode::Drop || !self.counts_any(block) {
            return 0;
        }
        // Acquire: pairs with the AcqRel that closed the tail.
        let tail = Tail(self.block_meta(block, META_TAIL).load(Ordering::Acquire));
        tail.used_bytes().min(self.geometry.block_bytes)
    }

    /// Drains a SEALED block now, keeping what was read if there is room: for runs of blocks.
    pub(crate) fn evict_block(&self, thread: &ThreadState, block: u32, word: BlockWord) {
        let is_run = self.run_blocks(block, word.generation()) > 1;
        let mode = if is_run {
            DrainMode::Drop
        } else {
            DrainMode::EvictMain
        };
        self.drain_block(thread, block, word, mode);
    }

    /// Drains a SEALED block now, unless a writer is about to go on in it.
    pub(crate) fn drain_block(&self, thread: &ThreadState, block: u32, word: BlockWord, mode: DrainMode) {
        if self.is_in_writing(block) {
            return;
        }
        self.claim_victim(
            thread,
            &Victim {
                block,
                word,
                mode,
                expired: false,
            },
            Vec::new(),
        );
        self.finish_drain(thread);
    }

    /// Walks about `budget_bytes` of the thread's drain, and says how much it was; at its end the block is
    /// retired.
    pub(crate) fn drain_some(&self, thread: &ThreadState, budget_bytes: usize) -> usize {
        let Some(mut drain) = thread.drain.take() else {
            return 0;
        };
        if self.block(drain.victim.block) != drain.victim.word {
            // Taken away by a repair.
            return 0;
        }
        if drain.at_bytes == 0 && self.keep_run(thread, &drain.victim) {
            return 0;
        }
        let mut walked_bytes = 0;
        while walked_bytes < budget_bytes && !drain.is_over() {
            drain.batches.reverse();
            // The first batch of a walk finds none to deal with meanwhile.
            self.meet_some(thread, &mut drain, (budget_bytes - walked_bytes).min(BATCH_BYTES));
            let [_, batch] = &drain.batches;
            self.deal_with(
                thread,
                &mut drain.victim,
                batch.met.iter().map_while(Option::as_ref),
            );
            walked_bytes += batch.walked_bytes;
            drain.batches[1] = Batch::default();
        }
        if drain.is_over() && !drain.victim.is_second {
            drain.victim.is_second = true;
            drain.at_bytes = 0;
            drain.end_bytes = self.walk_end(drain.victim.block, drain.victim.mode);
        }
        if drain.is_over() {
            let Draining {
                block,
                word,
                mode,
                copied_bytes,
                ..
            } = drain.victim;
            thread.pace.learn(mode, self.geometry.block_bytes, copied_bytes);
            thread.survey.set(Some(drain.next));
            self.retire_block(thread, block, word);
            return walked_bytes;
        }
        let looked_at = self.geometry.blocks() as usize * walked_bytes / self.geometry.block_bytes + 1;
        self.survey_on(&mut drain.next, looked_at as u32);
        thread.drain.set(Some(drain));
        walked_bytes
    }

    /// Walks on until a batch is full, and starts fetching what dealing with it will ask for: the buckets of its
    /// entries, and the lines of those behind them.
    fn meet_some(&self, thread: &ThreadState, drain: &mut Drain, budget_bytes: usize) {
        let (block, generation) = (drain.victim.block, drain.victim.word.generation());
        let begin = self.geometry.block_offset(block);
        let begun_at = drain.at_bytes;
        let [batch, _] = &mut drain.batches;
        *batch = Batch::default();
        let mut places = batch.met.iter_mut();
        let mut place = places.next();
        while drain.at_bytes < drain.end_bytes && drain.at_bytes - begun_at < budget_bytes {
            let Some(free) = place.as_mut() else { break };
            let location = Location::from_offset(begin + drain.at_bytes);
            let Some(entry) = self.walk_entry(location, block, generation) else {
                drain.at_bytes =
                    self.next_linked_bytes(block, generation, drain.at_bytes + ENTRY_GRID, drain.end_bytes);
                continue;
            };
            drain.at_bytes += entry.entry_bytes;
            let is_of_interest = match entry.state.kind() {
                Kind::Live | Kind::Writing => true,
                Kind::Forward => drain.victim.is_second,
                Kind::Dead => false,
            };
            if is_of_interest {
                let (hash, namespace) = self.walked_hash(&entry);
                if drain.victim.is_second || self.will_move(thread, drain.victim.mode, &entry) {
                    self.prefetch_to_change(&Pair::of_hash(&self.geometry, hash));
                } else {
                    self.region().prefetch_write(self.ghost_line(hash));
                }
                **free = Some(Met {
                    entry,
                    hash,
                    namespace,
                });
                place = places.next();
            }
        }
        batch.walked_bytes = drain.at_bytes - begun_at;
        for line_bytes in (0..batch.walked_bytes.min(BATCH_BYTES) + 64).step_by(64) {
            self.region().prefetch(begin + drain.at_bytes + line_bytes);
        }
    }

    /// A run is not copied: if it counts and was read it takes its next turn where it is.
    fn keep_run(&self, thread: &ThreadState, drain: &Draining) -> bool {
        let is_run = self.run_blocks(drain.block, drain.word.generation()) > 1;
        if !is_run
            || drain.is_second
            || !matches!(drain.mode, DrainMode::EvictAdmission | DrainMode::EvictMain)
        {
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
}

impl Drain {
    fn is_over(&self) -> bool {
        self.at_bytes >= self.end_bytes && self.batches[0].met[0].is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use crate::expiry::Expiry;
    use crate::layout::block::BlockState;
    use crate::segment::Segment;
    use crate::tuning::STEADY_DRAIN_SHARE;

    /// Nearly as many threads as there are blocks: each writes until it has a drain to go on with, or a while,
    /// and then no more.
    #[test]
    fn threads_that_write_no_more_leave_most_blocks_to_the_others() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let shared = &*segment.shared;
        let blocks = shared.geometry.blocks();
        let threads = blocks as usize - 4;
        let stand_still = Barrier::new(threads + 1);
        std::thread::scope(|scope| {
            for number in 0..threads {
                let (segment, stand_still) = (&segment, &stand_still);
                scope.spawn(move || {
                    let is_stored = (0..500).all(|turn| {
                        let key = format!("{number} {turn}");
                        let thread = segment.shared.thread();
                        thread.is_some_and(|thread| thread.is_draining())
                            || segment.put(key.as_bytes(), &[7; 1000], Expiry::never()).is_ok()
                    });
                    stand_still.wait();
                    stand_still.wait();
                    assert!(is_stored, "there is room");
                });
            }
            stand_still.wait();
            let state = |block| shared.block(block).state();
            let drained = (0..blocks).filter(|&block| state(block) == BlockState::Drain);
            let drained = drained.count();
            let large = vec![7; shared.geometry.block_bytes];
            let put = segment.put(b"large", &large, Expiry::never());
            stand_still.wait();
            assert!(drained <= (blocks / STEADY_DRAIN_SHARE) as usize, "{drained}");
            assert!(put.is_ok(), "{put:?}");
        });
    }
}
