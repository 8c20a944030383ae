//! Making room in a full pair: a breadth-first search for the nearest hole, then moves from the
//! empty end backwards, each independent of the others (Li et al., EuroSys 2014, for the search).
//!
//! A move is: pin the entry's block and check its generation; compare-and-swap the copy into the
//! hole; raise the move counter; compare-and-swap the original to empty. A process killed in between
//! leaves a duplicate of one location, which is harmless and disappears with the entry. A failed
//! last step leaves the copy: undoing it could erase both.

use std::cell::RefCell;

use guira_shm::mutant::Mutant;
use guira_shm::sync::thread_local;

use crate::attach::{Counter, ThreadState};
use crate::key::Pair;
use crate::layout::slot::{BUCKET_SLOTS, Slot};
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tuning::DISPLACE_NODES;

/// A bucket that the search reached: by moving `word` out of `slot` of the bucket of node `parent`.
#[derive(Clone, Copy, Debug)]
struct Node {
    bucket: usize,
    parent: usize,
    slot: usize,
    word: Slot,
}

const ROOT: usize = usize::MAX;

thread_local! {
    static QUEUE: RefCell<Vec<Node>> = const { RefCell::new(Vec::new()) };
}

impl Shared {
    /// Frees a slot in one of the pair's buckets; returns which, now (or lately) empty.
    pub(crate) fn displace(&self, thread: &ThreadState, pair: &Pair) -> Option<(usize, usize)> {
        // The queue is only memory that is kept for the next time.
        let mut queue = QUEUE
            .try_with(|queue| std::mem::take(&mut *queue.borrow_mut()))
            .unwrap_or_default();
        let freed = self.displace_with(thread, pair, &mut queue);
        let _ = QUEUE.try_with(|kept| *kept.borrow_mut() = queue);
        freed
    }

    fn displace_with(
        &self,
        thread: &ThreadState,
        pair: &Pair,
        queue: &mut Vec<Node>,
    ) -> Option<(usize, usize)> {
        queue.clear();
        for bucket in self.buckets_of(pair) {
            queue.push(Node {
                bucket,
                parent: ROOT,
                slot: 0,
                word: Slot::EMPTY,
            });
        }
        let mut next = 0;
        while let Some(&node) = queue.get(next) {
            for slot in 0..BUCKET_SLOTS {
                let word = self.load_slot(node.bucket, slot);
                if word.is_empty() || self.is_stale(word) {
                    return self.move_along(thread, queue, next, slot, word);
                }
                let other = Pair::of_bucket(&self.geometry, node.bucket, word.tag()).partner;
                if queue.len() < DISPLACE_NODES && other != node.bucket {
                    queue.push(Node {
                        bucket: other,
                        parent: next,
                        slot,
                        word,
                    });
                }
            }
            next += 1;
        }
        None
    }

    /// Moves each word of the path into the hole beyond it, the last one first.
    fn move_along(
        &self,
        thread: &ThreadState,
        queue: &[Node],
        end: usize,
        mut hole: usize,
        mut hole_word: Slot,
    ) -> Option<(usize, usize)> {
        let mut at = *queue.get(end)?;
        loop {
            if at.parent == ROOT {
                // A stale word is as good as none, but the caller expects an empty slot.
                return (hole_word.is_empty() || self.claim_slot(at.bucket, hole, hole_word, Slot::EMPTY))
                    .then_some((at.bucket, hole));
            }
            let from = *queue.get(at.parent)?;
            if !self.move_slot(
                thread,
                (from.bucket, at.slot, at.word),
                (at.bucket, hole, hole_word),
            ) {
                return None;
            }
            (hole, hole_word) = (at.slot, Slot::EMPTY);
            at = from;
        }
    }

    /// Moves one word from its slot into a hole of its other bucket.
    pub(crate) fn move_slot(
        &self,
        thread: &ThreadState,
        (from, from_slot, word): (usize, usize, Slot),
        (to, to_slot, hole): (usize, usize, Slot),
    ) -> bool {
        let pin = thread.engine_pin(self, EnginePin::Move);
        let Some(_pinned) = self.pin_location(thread, pin, word.location(), word.generation()) else {
            return false;
        };
        if !self.claim_slot(to, to_slot, hole, word) {
            return false;
        }
        if !Mutant::MoveWithoutBump.is_on() {
            self.bump_moves(&Pair::of_bucket(&self.geometry, from, word.tag()));
        }
        thread.count(self, Counter::Displaced);
        self.claim_slot(from, from_slot, word, Slot::EMPTY)
    }
}
