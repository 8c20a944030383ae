//! Lanes that damage has made name a block of a thread's own, or one of an incarnation that is yet to come.
//!
//! A lane names a block that somebody opened before. Where one names an incarnation ahead of its block, a thread
//! may open the block for itself by then: it and whoever appends by the lane would get the same bytes.

use guira_shm::sync::Ordering;

use crate::layout::block::BlockState;
use crate::shared::Shared;

impl Shared {
    /// Clears lanes that name no block in use: whoever appends there next opens another.
    ///
    /// A block that is in a lane and has an owner is sealed. It may be about to lose its owner, but nothing tells;
    /// its opener finds it sealed then, as if others had filled it.
    pub(super) fn mend_lanes(&self) {
        for lane in 0..self.lanes() {
            let word = self.lane_word(lane);
            // Acquire: pairs with the AcqRel that installed it, before which the block was OPEN.
            let named = word.load(Ordering::Acquire);
            let in_use = self.lane_block(named).and_then(|(block, generation)| {
                let now = self.block(block);
                (now.is_readable() && now.generation() == generation).then_some((block, now))
            });
            match in_use {
                Some((block, now)) if now.state() == BlockState::Open && now.owner().is_some() => {
                    self.seal_block(block, now);
                }
                Some(_) => {}
                None if named == 0 => {}
                None => {
                    // Relaxed: nothing is published by it.
                    let _ = word.compare_exchange(named, 0, Ordering::Relaxed, Ordering::Relaxed);
                }
            }
        }
    }

    pub(super) fn lanes(&self) -> usize {
        let counts = &self.geometry.counts;
        (counts.admission_lanes + counts.classes * counts.class_lanes) as usize
    }
}

#[cfg(test)]
mod tests {
    use guira_shm::sync::Ordering;

    use crate::expiry::Expiry;
    use crate::layout::block::{BlockState, BlockWord, Pool, tagged};
    use crate::log::place::Purpose;
    use crate::segment::Segment;

    /// A thread opens a block for itself, damage makes the lane name it, now or before, and a repair is made. Then
    /// a value is put by the lane; says whether it is in the thread's block.
    fn is_put_into_a_block_of_its_own(is_named_before: bool) -> bool {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let lane = shared.lane_word(thread.line as usize % shared.geometry.counts.admission_lanes as usize);
        let name = |block, word: BlockWord| {
            lane.store(tagged(word.generation(), block + 1), Ordering::Release);
        };
        let block = if is_named_before {
            let is_free = |block: &u32| shared.block(*block).state() == BlockState::Free;
            let free = (0..shared.geometry.blocks()).find(is_free).expect("all are");
            name(free, shared.block(free));
            free
        } else {
            let opened = shared.open_block(&thread, Pool::Admission, 0, Purpose::Store);
            let (block, word) = opened.expect("most are free");
            name(block, word);
            block
        };
        assert!(segment.repair().left.is_clean());
        while shared.block(block).state() == BlockState::Free {
            let opened = shared.open_block(&thread, Pool::Admission, 0, Purpose::Store);
            assert!(opened.is_some(), "there is room");
        }
        drop(thread);
        let put = segment.put(b"key", b"value", Expiry::never());
        put.expect("there is room");
        segment.metadata(b"key").expect("just put").block == block
    }

    #[test]
    fn a_lane_that_names_a_block_before_it_is_opened_is_cleared() {
        assert!(!is_put_into_a_block_of_its_own(true));
    }

    #[test]
    fn a_block_of_a_threads_own_that_is_in_a_lane_is_sealed() {
        assert!(!is_put_into_a_block_of_its_own(false));
    }
}
