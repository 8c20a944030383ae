//! Runs: consecutive blocks for one entry that is larger than half a block.
//!
//! The first block is the head: its control word stands for the whole run, the entry begins at its
//! first byte, pins name it. The others are BODY and follow the head's fate. Building:
//!
//! 1. every block of a window becomes CLAIMED by this record (free ones at once, sealed ones after
//!    they were drained and no pin was left);
//! 2. the head's span is written, tagged with the head's generation;
//! 3. each other block notes its head, tagged with its own generation, and becomes BODY;
//! 4. the head becomes OPEN, owned by this record, and is sealed when the entry is written.
//!
//! Freeing: the retired head, once unpinned, becomes CLAIMED by whoever frees it; the bodies that
//! name it are freed, then the head. A process killed anywhere leaves CLAIMED blocks of its record;
//! recovery frees the bodies that name the head with matching tags, then the head.

use guira_shm::sync::Ordering;

use crate::attach::ThreadState;
use crate::layout::block::{
    BlockState, BlockWord, META_EXPIRES_MS, META_HEAD, META_SPAN, META_TAIL, Pool, Tail, tagged,
};
use crate::layout::slot::Location;
use crate::log::place::Place;
use crate::pin::EnginePin;
use crate::shared::Shared;

/// Windows that are tried before a large value is refused for lack of space.
const WINDOWS: u32 = 16;

impl Shared {
    /// Space for an entry of `bytes` in a run of its own.
    pub(crate) fn reserve_run<'s>(
        &'s self,
        thread: &ThreadState,
        bytes: usize,
        hard_ms: u64,
    ) -> Option<Place<'s>> {
        let span = u32::try_from(bytes.div_ceil(self.geometry.block_bytes)).ok()?;
        if span > self.geometry.max_run_blocks() {
            return None;
        }
        // Our own open lanes and drain would stand in the way of every window around them.
        self.finish_drain(thread);
        for lane in [&thread.lane, &thread.main_lane] {
            if let Some(lane) = lane.take() {
                self.seal_block(lane.block, lane.word);
            }
        }
        let mut from = 0;
        // What cannot be cleared now: a retired block that somebody pins costs nothing, and would be
        // part of the cheapest window each time.
        let mut obstacles = Vec::new();
        let mut has_recovered = false;
        for attempt in 0..WINDOWS {
            let window = self.cheapest_window(span, from, &obstacles);
            if let Some(first) = window {
                match self.claim_window(thread, first, span) {
                    Ok(()) => return Some(self.finish_run(thread, first, span, bytes, hard_ms)),
                    Err(obstacle) => {
                        from = if obstacle + 1 >= self.geometry.blocks() {
                            0
                        } else {
                            obstacle + 1
                        };
                        obstacles.push(obstacle);
                    }
                }
            } else if has_recovered {
                return None;
            }
            if !has_recovered && (window.is_none() || attempt == WINDOWS / 2) {
                // What stands in the way may be held by the dead.
                if let Some(attachment) = self.current_attachment() {
                    self.recover_dead(&attachment, true);
                }
                has_recovered = true;
                obstacles.clear();
            }
        }
        None
    }

    /// The window of `span` blocks that costs least live bytes, looking first from `from` on.
    fn cheapest_window(&self, span: u32, from: u32, obstacles: &[u32]) -> Option<u32> {
        let blocks = self.geometry.blocks();
        let mut best: Option<(usize, u32)> = None;
        let windows = blocks.checked_sub(span)? + 1;
        let cost = |block| {
            let cost = self.clearing_cost(block)?;
            (!obstacles.contains(&block)).then_some(cost)
        };
        let costs: Vec<Option<usize>> = (0..blocks).map(cost).collect();
        for begin in (from..windows).chain(0..from.min(windows)) {
            let Some(window) = costs.get(begin as usize..(begin + span) as usize) else {
                continue;
            };
            let Some(cost) = window.iter().copied().sum::<Option<usize>>() else {
                continue;
            };
            // A run that only partly lies in the window would have to go as a whole: passed over.
            if self.cuts_a_run(begin, begin + span) {
                continue;
            }
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, begin));
            }
            if cost == 0 {
                break;
            }
        }
        best.map(|(_, begin)| begin)
    }

    /// Live bytes to be moved or dropped, `None` where the block cannot be cleared now.
    fn clearing_cost(&self, block: u32) -> Option<usize> {
        let word = self.block(block);
        match word.state() {
            BlockState::Free | BlockState::Retired | BlockState::Body => Some(0),
            BlockState::Sealed => Some(self.live(block).bytes() + 1),
            BlockState::Open if word.owner().is_none() => Some(self.geometry.block_bytes),
            BlockState::Open | BlockState::Drain | BlockState::Claimed | BlockState::Damaged => None,
        }
    }

    fn cuts_a_run(&self, begin: u32, end: u32) -> bool {
        let is_body = |block: u32| self.block(block).state() == BlockState::Body;
        is_body(begin) || (end < self.geometry.blocks() && is_body(end))
    }

    /// Claims every block of the window, or none; `Err` names the block that stood in the way.
    ///
    /// The word names the process, not the thread: what this call claimed it remembers itself.
    fn claim_window(&self, thread: &ThreadState, first: u32, span: u32) -> Result<(), u32> {
        // Free blocks first, so that no survivor of the drains below takes one of them.
        let mut mine: Vec<u32> = (first..first + span)
            .filter(|&block| self.claim_free(thread, block))
            .collect();
        for block in first..first + span {
            if mine.contains(&block) {
                continue;
            }
            if self.claim_any(thread, block) {
                mine.push(block);
                continue;
            }
            for claimed in mine {
                self.abandon_run(claimed, self.block(claimed));
            }
            return Err(block);
        }
        Ok(())
    }

    fn claim_free(&self, thread: &ThreadState, block: u32) -> bool {
        let word = self.block(block);
        word.state() == BlockState::Free
            && self.may_reuse(thread, block, word.generation())
            && self.change_block(block, word, claimed(thread, word))
    }

    fn claim_any(&self, thread: &ThreadState, block: u32) -> bool {
        for _ in 0..6 {
            let word = self.block(block);
            match word.state() {
                BlockState::Free => {
                    if self.claim_free(thread, block) {
                        return true;
                    }
                }
                BlockState::Open if word.owner().is_none() => {
                    // A shared lane's block: whoever appends next opens another.
                    self.seal_block(block, word);
                }
                BlockState::Sealed => self.evict_block(thread, block, word),
                BlockState::Retired => {
                    self.release_retired(thread, &[block]);
                    if self.block(block).state() == BlockState::Retired {
                        return false;
                    }
                }
                // Somebody else's, or a body of a run whose head, earlier in the window, is not gone.
                BlockState::Claimed
                | BlockState::Body
                | BlockState::Open
                | BlockState::Drain
                | BlockState::Damaged => return false,
            }
        }
        false
    }

    fn finish_run<'s>(
        &'s self,
        thread: &ThreadState,
        first: u32,
        span: u32,
        bytes: usize,
        hard_ms: u64,
    ) -> Place<'s> {
        let head = self.block(first);
        let generation = head.generation();
        self.reset_meta(first, generation);
        let used_bytes = bytes.min(self.geometry.block_bytes);
        self.block_meta(first, META_TAIL)
            .store(Tail::new(generation, used_bytes).0, Ordering::Relaxed);
        self.block_meta(first, META_EXPIRES_MS)
            .store(hard_ms, Ordering::Relaxed);
        // Release: pairs with the Acquire of `run_blocks`; every block of the window is ours.
        self.block_meta(first, META_SPAN)
            .store(tagged(generation, span), Ordering::Release);
        for block in first + 1..first + span {
            let word = self.block(block);
            // Release: pairs with the Acquire of `free_bodies`.
            self.block_meta(block, META_HEAD)
                .store(tagged(word.generation(), first), Ordering::Release);
            self.change_block(block, word, BlockWord::new(word.generation(), BlockState::Body));
        }
        let open = head.with_state(BlockState::Open).with_pool(Pool::Admission, 0);
        self.change_block(first, head, open);
        let pinned = self.pin_block(thread, thread.engine_pin(self, EnginePin::Lane), first);
        Place {
            location: Location::from_offset(self.geometry.block_offset(first)),
            block: first,
            generation,
            _pinned: Some(pinned),
        }
    }

    /// RETIRED, unpinned -> FREE, with the bodies of a run; returns how many blocks became free.
    pub(crate) fn free_retired(&self, thread: &ThreadState, block: u32, word: BlockWord) -> usize {
        // Acquire: pairs with the Release in `finish_run`.
        let span = self.block_meta(block, META_SPAN).load(Ordering::Acquire);
        let was_run = span >> 32 == u64::from(word.generation().wrapping_sub(1)) && span as u32 > 1;
        if !was_run {
            return usize::from(self.change_block(block, word, word.with_state(BlockState::Free)));
        }
        let claimed = claimed(thread, word);
        if !self.change_block(block, word, claimed) {
            return 0;
        }
        let bodies = self.free_bodies(block, claimed, span as u32);
        bodies
            + usize::from(self.change_block(
                block,
                claimed,
                BlockWord::new(word.generation(), BlockState::Free),
            ))
    }

    /// Frees the bodies of a run whose head is CLAIMED in these words. A recovery that comes late finds
    /// the head changed: its bodies are freed then, and those that name it now are another run's.
    fn free_bodies(&self, head: u32, claimed: BlockWord, span: u32) -> usize {
        let end = head.saturating_add(span).min(self.geometry.blocks());
        (head + 1..end)
            .filter(|&block| {
                // Acquire: pairs with the SeqCst change to BODY, before which the builder changed the head;
                // so a body of a later run is not taken for one of this.
                let word = BlockWord(self.block_word(block).load(Ordering::Acquire));
                word.state() == BlockState::Body
                    // Acquire: pairs with the Release of the builder.
                    && self.block_meta(block, META_HEAD).load(Ordering::Acquire) == tagged(word.generation(), head)
                    && self.block(head) == claimed
                    && self.change_block(block, word, word.next_generation(BlockState::Free))
            })
            .count()
    }

    /// Frees a CLAIMED block, and the bodies it heads if it was building or freeing a run.
    pub(crate) fn abandon_run(&self, block: u32, word: BlockWord) {
        // Acquire: pairs with the Release in `finish_run`.
        let span = self.block_meta(block, META_SPAN).load(Ordering::Acquire);
        let tag = (span >> 32) as u32;
        if tag == word.generation() || tag == word.generation().wrapping_sub(1) {
            self.free_bodies(block, word, span as u32);
        }
        self.change_block(block, word, word.next_generation(BlockState::Free));
    }
}

fn claimed(thread: &ThreadState, word: BlockWord) -> BlockWord {
    BlockWord::new(word.generation(), BlockState::Claimed).with_owner(thread.owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expiry, Segment};

    #[test]
    fn a_late_recovery_of_an_earlier_run_leaves_the_bodies_of_the_present_one_alone() {
        let segment = Segment::builder().size(8 << 20).private().expect("memory");
        let shared = &segment.shared;
        let value = vec![7; 2 * shared.geometry.block_bytes];
        segment.put(b"k", &value, Expiry::never()).expect("room");
        let head = segment.metadata(b"k").expect("there").block;
        let now = shared.block(head);
        let span = shared.run_blocks(head, now.generation());
        assert!(span > 2);
        let thread = shared.thread().expect("attached");
        // What it found before it was stopped: the head of the run before this, being built or freed.
        let earlier = BlockWord::new(now.generation().wrapping_sub(1), BlockState::Claimed);
        assert_eq!(
            shared.free_bodies(head, earlier.with_owner(thread.owner), span),
            0
        );
        assert_eq!(segment.get(b"k").as_deref(), Some(&*value));
        assert!(segment.verify().is_clean());
    }
}
