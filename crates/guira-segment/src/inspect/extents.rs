//! The space that entries take, compared with each other and with what their blocks say of it.

use std::collections::HashMap;

use guira_shm::sync::Ordering;

use super::verify::{Fault, FaultKind, Verified};
use crate::attach::ThreadRef;
use crate::layout::block::{BlockState, META_TAIL, Tail};
use crate::layout::entry::Kind;
use crate::layout::slot::Slot;
use crate::shared::Shared;

/// The bytes of one entry, and the slot that names it; offsets from the start of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    begin: usize,
    end: usize,
    block: u32,
    generation: u32,
    is_live: bool,
    slot: Slot,
    slot_offset: u64,
}

impl Shared {
    /// The extent of the entry that a slot names.
    pub(super) fn extent(&self, thread: &ThreadRef<'_>, slot: Slot, slot_offset: u64) -> Option<Extent> {
        let (found, _, _) = self.walk_slot(thread, slot)?;
        Some(Extent {
            begin: found.offset(),
            end: found.offset() + found.entry_bytes(),
            block: found.pinned.block,
            generation: found.pinned.word.generation(),
            is_live: found.state.kind() == Kind::Live,
            slot,
            slot_offset,
        })
    }

    /// Live entries that share bytes, and tails that lie before an entry: either way somebody overwrites one.
    pub(super) fn verify_extents(
        &self,
        thread: &ThreadRef<'_>,
        extents: Vec<Extent>,
        verified: &mut Verified,
    ) {
        self.verify_tails(&extents, verified);
        compare_extents(extents, verified, |extent| {
            self.extent(thread, extent.slot, extent.slot_offset) == Some(extent)
        });
    }

    /// What is appended to a block begins at its tail. An entry behind that which nobody reads any more counts,
    /// too: its slot would name the middle of what is written over it.
    fn verify_tails(&self, extents: &[Extent], verified: &mut Verified) {
        let mut ends: HashMap<u32, Extent> = HashMap::new();
        for extent in extents {
            ends.entry(extent.block)
                .and_modify(|last| {
                    if last.generation != extent.generation || last.end < extent.end {
                        *last = *extent;
                    }
                })
                .or_insert(*extent);
        }
        ends.values().for_each(|last| self.verify_tail(last, verified));
    }

    /// `last` is the last entry of its block that was met.
    fn verify_tail(&self, last: &Extent, verified: &mut Verified) {
        let word = self.block(last.block);
        // Acquire: pairs with the AcqRel of whoever advanced it; the entry was seen before.
        let tail = Tail(self.block_meta(last.block, META_TAIL).load(Ordering::Acquire));
        let begin = self.geometry.block_offset(last.block);
        if word.state() == BlockState::Open
            && [word.generation(), tail.generation()] == [last.generation; 2]
            && !tail.is_closed()
            && tail.used_bytes() < (last.end - begin).min(self.geometry.block_bytes)
        {
            verified.faults.push(Fault {
                kind: FaultKind::BlockTail,
                offset: begin as u64,
            });
        }
    }
}

/// `is_live` says whether an extent still is that of a live entry.
fn compare_extents(mut extents: Vec<Extent>, verified: &mut Verified, is_live: impl Fn(Extent) -> bool) {
    extents.retain(|extent| extent.is_live);
    extents.sort_unstable_by_key(|extent| (extent.begin, extent.end));
    let mut reaches_furthest: Option<Extent> = None;
    for extent in extents {
        if let Some(other) = reaches_furthest
            && other.begin != extent.begin
            && other.end > extent.begin
            && other.generation == extent.generation
        {
            // They were seen one after the other: a run may have gone, and its blocks been used for
            // others, meanwhile. What is live before and after is live in between, so all three looks
            // together mean that both were at once.
            if !is_live(other) {
                reaches_furthest = None;
            } else if is_live(extent) && is_live(other) {
                for offset in [other.slot_offset, extent.slot_offset] {
                    let kind = FaultKind::EntriesOverlap;
                    verified.faults.push(Fault { kind, offset });
                }
            }
        }
        if reaches_furthest.is_none_or(|other| other.end < extent.end) {
            reaches_furthest = Some(extent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expiry::Expiry;
    use crate::pin::EnginePin;
    use crate::segment::Segment;

    #[test]
    fn both_of_two_entries_that_share_bytes_are_named_unless_one_is_of_an_earlier_generation() {
        let extent = |begin, end, generation, slot_offset| Extent {
            begin,
            end,
            block: 3,
            generation,
            is_live: true,
            slot: Slot(0),
            slot_offset,
        };
        let extents = vec![
            extent(1_000, 9_000, 5, 1),
            extent(9_000, 9_100, 5, 2),
            extent(9_096, 9_200, 5, 3),
            extent(9_096, 9_200, 5, 4),
            extent(9_150, 9_300, 6, 5),
            extent(2_000, 2_100, 5, 6),
        ];
        let offsets_of = |is_live: &dyn Fn(Extent) -> bool| {
            let mut verified = Verified::default();
            compare_extents(extents.clone(), &mut verified, is_live);
            let mut offsets: Vec<u64> = verified.faults.iter().map(|fault| fault.offset).collect();
            offsets.sort_unstable();
            offsets.dedup();
            offsets
        };
        // The fourth slot names the same entry as the third.
        assert_eq!(offsets_of(&|_| true), [1, 2, 3, 6]);
        // The long one went while the walk went on.
        assert_eq!(offsets_of(&|extent| extent.slot_offset != 1), [2, 3]);
    }

    /// The last entry of a block is dead and its slot not cleared yet; damage sets the tail back before it. What
    /// is put after a repair must not be written over what the slot names.
    #[test]
    fn a_tail_before_an_entry_that_nobody_reads_any_more_is_mended_too() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let put = |name: &[u8], value: &[u8]| {
            let stored = segment.put(name, value, Expiry::never());
            stored.expect("there is room");
        };
        put(b"first", b"value");
        put(b"removed", b"value");
        let shared = &*segment.shared;
        let block = {
            let thread = shared.thread().expect("this process is attached");
            let pin = thread.engine_pin(shared, EnginePin::Read);
            let found = shared.find(&thread, pin, &segment.key(b"removed"));
            let found = found.expect("just put");
            assert!(shared.change_state(found.location, found.state, found.state.dead()));
            shared.uncount_live(found.pinned.block, found.entry_bytes());
            let before_bytes = found.offset() - shared.geometry.block_offset(found.pinned.block);
            let tail = Tail::new(found.pinned.word.generation(), before_bytes);
            let word = shared.block_meta(found.pinned.block, META_TAIL);
            word.store(tail.0, Ordering::Relaxed);
            found.pinned.block
        };
        let repaired = segment.repair();
        let named = Fault {
            kind: FaultKind::BlockTail,
            offset: shared.geometry.block_offset(block) as u64,
        };
        assert_eq!(repaired.found.faults, [named]);
        assert!(repaired.left.is_clean());
        put(b"another", &[7; 300]);
        assert_eq!(segment.verify().faults, []);
        assert_eq!(segment.get(b"first").as_deref(), Some(&b"value"[..]));
    }
}
