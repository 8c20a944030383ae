//! Mending what `verify` finds, at the price of what is damaged: entries are dropped, never guessed.

use std::collections::{HashMap, HashSet};

use guira_shm::sync::Ordering;

use super::verify::{Fault, FaultKind, Verified};
use crate::attach::ThreadRef;
use crate::layout::block::{BlockState, Live, META_LIVE};
use crate::layout::control::{CONTROL_CLOCK, MAX_CLOCK};
use crate::layout::entry::Kind;
use crate::layout::slot::{BUCKET_SLOTS, Location, Slot};
use crate::segment::Segment;
use crate::shared::Shared;

/// What a repair did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Repaired {
    /// Faults found before.
    pub found: Verified,
    /// Entries that were dropped.
    pub dropped_entries: u64,
    /// Blocks that were given back.
    pub freed_blocks: u64,
    /// What is left.
    pub left: Verified,
}

impl Segment {
    /// Checks the segment, drops what is damaged, gives back what is lost, counts anew, and checks
    /// again.
    #[must_use]
    pub fn repair(&self) -> Repaired {
        let shared = &*self.shared;
        let mut repaired = Repaired {
            found: self.verify(),
            ..Repaired::default()
        };
        repaired.left = repaired.found.clone();
        if shared.cut_at().is_some() {
            return repaired;
        }
        let Some(thread) = shared.thread() else {
            return repaired;
        };
        // Mending one thing can bring another to light, such as slots of a block that was unreadable.
        for _ in 0..REPAIR_ROUNDS {
            for fault in &repaired.left.faults {
                match shared.mend(&thread, *fault) {
                    Mended::Entry => repaired.dropped_entries += 1,
                    Mended::Block => repaired.freed_blocks += 1,
                    Mended::Other => {}
                }
            }
            shared.mend_lanes();
            shared.recount(&thread);
            repaired.left = self.verify();
            if repaired.left.is_clean() {
                break;
            }
        }
        repaired
    }
}

/// Rounds of mending and checking.
const REPAIR_ROUNDS: u32 = 4;

enum Mended {
    Entry,
    Block,
    Other,
}

impl Shared {
    fn mend(&self, thread: &ThreadRef<'_>, fault: Fault) -> Mended {
        let offset = fault.offset as usize;
        match fault.kind {
            FaultKind::SlotOutOfBounds
            | FaultKind::SlotDangling
            | FaultKind::SlotMisplaced
            | FaultKind::DuplicateKey
            | FaultKind::ValueDamaged
            | FaultKind::TagsDamaged
            | FaultKind::EntriesOverlap
            | FaultKind::RunBroken => {
                // Acquire, then AcqRel: as `load_slot` and `claim_slot`.
                let slot = Slot(self.word(offset).load(Ordering::Acquire));
                self.drop_entry(thread, slot);
                let _ = self
                    .word(offset)
                    .compare_exchange(slot.0, 0, Ordering::AcqRel, Ordering::Relaxed);
                Mended::Entry
            }
            FaultKind::BlockState | FaultKind::BlockTail | FaultKind::BlockLeaked => self
                .geometry
                .block_of(offset)
                .map_or(Mended::Other, |block| self.mend_block(thread, block, fault.kind)),
            FaultKind::StampAhead => {
                // From the word that is there now, and only if it still is ahead: a repair that was stopped
                // here must not take back what others have invalidated since.
                let word = self.word(offset);
                // Acquire: pairs with the SeqCst maximum that raised it.
                let ahead = word.load(Ordering::Acquire);
                if ahead < MAX_CLOCK && (offset == CONTROL_CLOCK || ahead <= self.clock_now()) {
                    return Mended::Other;
                }
                let now = if offset == CONTROL_CLOCK {
                    self.highest_birth(thread) + 1
                } else {
                    self.next_clock()
                };
                // What the stamp covers is invalidated by it: the safe side. SeqCst: as every change of
                // a stamp; pairs with the loads of reads, puts and fills.
                let _ = word.compare_exchange(ahead, now, Ordering::SeqCst, Ordering::Relaxed);
                Mended::Other
            }
            FaultKind::PinLeaked => {
                // From the word that is there now, and only if it still is nobody's.
                let word = self.word(offset);
                let pin = word.load(Ordering::Acquire);
                if self.is_leaked_pin(offset) {
                    let _ = word.compare_exchange(pin, 0, Ordering::Release, Ordering::Relaxed);
                }
                Mended::Other
            }
            FaultKind::Truncated => Mended::Other,
        }
    }

    /// Gives a faulty block back: by way of RETIRED, for a guard may still hold it.
    fn mend_block(&self, thread: &ThreadRef<'_>, block: u32, fault: FaultKind) -> Mended {
        let word = self.block(block);
        let Some(kind) = self.verify_block(block) else {
            // Somebody's recovery was faster. Or the block is what it should be but for a tail before its
            // last entries: nothing more is appended then.
            if fault == FaultKind::BlockTail
                && word.state() == BlockState::Open
                && self.seal_block(block, word)
            {
                return Mended::Block;
            }
            return Mended::Other;
        };
        // A leaked OPEN block may hold live entries: it is only sealed.
        let done = if kind == FaultKind::BlockLeaked && word.state() == BlockState::Open {
            self.seal_block(block, word)
        } else {
            self.change_block(block, word, word.next_generation(BlockState::Retired))
                && self.release_retired(thread, &[block]) > 0
        };
        if done { Mended::Block } else { Mended::Other }
    }

    /// The highest birth of a live entry that the clock can have given.
    fn highest_birth(&self, thread: &ThreadRef<'_>) -> u64 {
        let mut highest = 0;
        for bucket in 0..self.geometry.counts.buckets as usize {
            for index in 0..BUCKET_SLOTS {
                if let Some((found, _, _)) = self.walk_slot(thread, self.load_slot(bucket, index)) {
                    let birth = found.header.birth();
                    highest = if birth < MAX_CLOCK {
                        highest.max(birth)
                    } else {
                        highest
                    };
                }
            }
        }
        highest
    }

    fn drop_entry(&self, thread: &ThreadRef<'_>, slot: Slot) {
        let Some((found, _, _)) = self.walk_slot(thread, slot) else {
            return;
        };
        let state = self.load_state(found.location);
        if state.kind() != Kind::Dead {
            self.change_state(found.location, state, state.dead());
        }
    }

    /// Clears every slot that names no entry of its block's present generation, and sets every block's count of
    /// live entries to what the others name. One that is forwarded counts: what it leads to may not be LIVE
    /// yet, or its writer is about to count it off. A count that changes meanwhile is left as it is: it may be
    /// too high, but must not be too low, for a block that counts nothing goes unwalked.
    fn recount(&self, thread: &ThreadRef<'_>) {
        let count = |block| self.block_meta(block, META_LIVE);
        // Acquire: before the slots are read.
        let before: Vec<u64> = (0..self.geometry.blocks())
            .map(|block| count(block).load(Ordering::Acquire))
            .collect();
        let mut live: HashMap<u32, u64> = HashMap::new();
        let mut seen: HashSet<Location> = HashSet::new();
        for bucket in 0..self.geometry.counts.buckets as usize {
            for index in 0..BUCKET_SLOTS {
                let slot = self.load_slot(bucket, index);
                let Some((found, _, _)) = self.walk_slot(thread, slot) else {
                    // Stale slots are harmless while generations only grow, but damage may have left
                    // one that is ahead of its block and would name something else when it gets there.
                    self.claim_slot(bucket, index, slot, Slot::EMPTY);
                    continue;
                };
                if matches!(found.state.kind(), Kind::Live | Kind::Forward) && seen.insert(found.location) {
                    let sum = live.entry(found.pinned.block).or_default();
                    *sum = sum.wrapping_add(Live::of_entry(found.entry_bytes()).0);
                }
            }
        }
        for (block, before) in (0..).zip(before) {
            let now = live.get(&block).copied().unwrap_or(0);
            // Release: the slots were read before it.
            let _ = count(block).compare_exchange(before, now, Ordering::Release, Ordering::Relaxed);
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

    /// The put died, or is about to go LIVE; then the block of the value that it replaces is drained.
    #[test]
    fn a_repair_still_counts_a_value_whose_put_is_on_its_way() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let block = segment.metadata(b"key").expect("just put").block;
        assert!(shared.seal_block(block, shared.block(block)));
        let key = segment.key(b"key");
        let none = Tags::NONE;
        let draft = Draft::for_ever(key, b"new", &none, shared.token(&key).clock);
        let written = shared.write(&thread, &draft).expect("there is room");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        let settled = shared.settle(&thread, &key, slot, Manner::Override);
        assert!(matches!(settled, Settled::Ready(_)));
        drop(written);
        assert!(segment.repair().left.is_clean());
        shared.evict_block(&thread, block, shared.block(block));
        assert!(!shared.block(block).is_readable());
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"new"[..]));
    }
}
