//! Checking a whole segment: every slot, every entry it names, every block, every pin.
//!
//! Others may work meanwhile: what looks wrong is looked at again, and only what stays the same is
//! reported. Leavings of dead processes are recovered first, so what is reported is damage, not
//! death.
//!
//! Loads are Acquire throughout: each pairs with whatever published its word, so that what the word
//! names is there to be looked at.

use std::collections::HashMap;

use guira_shm::sync::Ordering;

use crate::attach::ThreadRef;
use crate::entry::Found;
use crate::layout::block::{BlockState, META_TAIL, Tail};
use crate::layout::control::{CONTROL_CLOCK, CONTROL_FLOOR, CONTROL_LINES_HIGH, MAX_CLOCK};
use crate::layout::entry::Kind;
use crate::layout::namespace::{NAMESPACE_BYTES, NAMESPACE_STAMP};
use crate::layout::record::{
    ENGINE_PINS, GUARD_PINS, LINE_BYTES, LINE_ENGINE_PINS, LINE_OWNER, LineOwner, PinWord, RECORD_OWNER,
    RecordOwner,
};
use crate::layout::slot::{BUCKET_SLOTS, Slot};
use crate::layout::stamp::STAMP_BYTES;
use crate::segment::Segment;
use crate::shared::Shared;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// A slot names a place outside the log.
    SlotOutOfBounds,
    /// A slot of the block's present generation names a place where no entry begins.
    SlotDangling,
    /// A slot names an entry whose key belongs elsewhere.
    SlotMisplaced,
    /// Two live entries of one key.
    DuplicateKey,
    /// A value's bytes do not fit its check.
    ValueDamaged,
    /// The hashes of an entry's tags do not fit their check.
    TagsDamaged,
    /// A block's control word holds a state that no version writes.
    BlockState,
    /// A block's tail is beyond its end; or before the end of an entry that a slot names, in a block that is
    /// appended to.
    BlockTail,
    /// A block belongs to a process that is not attached, or is open in no lane: it is lost.
    BlockLeaked,
    /// Two live entries share bytes.
    EntriesOverlap,
    /// A live entry lies in a run of blocks, and one of them is not the run's any more: whoever takes that
    /// block overwrites the entry.
    RunBroken,
    /// The invalidation clock is beyond what an entry's birth can hold, or a stamp is ahead of the
    /// clock: everything it covers would be refused for ever.
    StampAhead,
    /// A pin of a line that belongs to nobody, or of a block that does not exist.
    PinLeaked,
    /// The file ends here, before the segment does; or it did for a while since it was opened, and this
    /// process has lost it. Nothing else is reported then, and nothing is repaired: create the segment
    /// anew.
    Truncated,
}

/// One fault, and where: bytes from the start of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where, in bytes from the start of the file.
    pub offset: u64,
}

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Live entries that were looked at.
    pub entries: u64,
    /// Dead processes that were recovered from first.
    pub recovered: usize,
    /// Everything that is wrong.
    pub faults: Vec<Fault>,
}

impl Verified {
    /// Nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Where the live entry of each key was seen. The hash stands for the key, and a clash is settled by the keys
/// themselves. It does not stand for the namespace's row: two rows have one hash by coincidence, or when damage to
/// a row let its name take another.
type Seen = HashMap<(u16, u64), Slot>;

impl Segment {
    /// Walks everything and says each fault. Changes nothing but what dead processes left.
    #[must_use]
    pub fn verify(&self) -> Verified {
        let shared = &*self.shared;
        if let Some(cut) = shared.verify_length() {
            return cut;
        }
        let mut verified = Verified {
            recovered: self.recover(),
            ..Verified::default()
        };
        let Some(thread) = shared.thread() else {
            return verified;
        };
        shared.verify_stamps(&mut verified);
        shared.verify_index(&thread, &mut verified);
        shared.verify_blocks(&mut verified);
        shared.verify_pins(&mut verified);
        // Cut meanwhile: then what was looked at was not the segment.
        shared.verify_length().unwrap_or(verified)
    }
}

impl Shared {
    /// What is reported of a segment whose file was cut.
    fn verify_length(&self) -> Option<Verified> {
        self.cut_at().map(|offset| Verified {
            faults: vec![Fault {
                kind: FaultKind::Truncated,
                offset,
            }],
            ..Verified::default()
        })
    }

    fn verify_index(&self, thread: &ThreadRef<'_>, verified: &mut Verified) {
        let mut seen = Seen::new();
        let mut extents = Vec::new();
        for bucket in 0..self.geometry.counts.buckets as usize {
            for index in 0..BUCKET_SLOTS {
                let slot = self.load_slot(bucket, index);
                if slot.is_empty() {
                    continue;
                }
                let offset = (self.bucket_offset(bucket) + index * 8) as u64;
                extents.extend(self.extent(thread, slot, offset));
                let verdict = self.verify_slot(thread, bucket, slot, &mut seen, verified);
                if let Some(kind) = verdict
                    && self.load_slot(bucket, index) == slot
                    && self
                        .verify_slot(thread, bucket, slot, &mut Seen::new(), &mut Verified::default())
                        .is_some()
                        == (kind != FaultKind::DuplicateKey)
                {
                    verified.faults.push(Fault { kind, offset });
                }
            }
        }
        self.verify_extents(thread, extents, verified);
    }

    pub(crate) fn verify_slot(
        &self,
        thread: &ThreadRef<'_>,
        bucket: usize,
        slot: Slot,
        seen: &mut Seen,
        verified: &mut Verified,
    ) -> Option<FaultKind> {
        if !self.is_entry_place(slot.location()) {
            return Some(FaultKind::SlotOutOfBounds);
        }
        if self.is_stale(slot) {
            return None;
        }
        let Some((found, namespace, key)) = self.walk_slot(thread, slot) else {
            // Stale by now, or no entry begins there.
            return (!self.is_stale(slot)).then_some(FaultKind::SlotDangling);
        };
        if !self.belongs(bucket, slot, namespace, &key) {
            return Some(FaultKind::SlotMisplaced);
        }
        if found.state.kind() != Kind::Live {
            return None;
        }
        verified.entries += 1;
        if !self.tags_are_intact(found.location, &found.header) {
            return Some(FaultKind::TagsDamaged);
        }
        if !self.value_is_intact(found.value_offset(), found.value_bytes(), &found.header) {
            return Some(FaultKind::ValueDamaged);
        }
        if !self.run_is_whole(&found) {
            return Some(FaultKind::RunBroken);
        }
        let hash = crate::key::hash_key(self.namespace_seed(namespace), &key);
        drop(found);
        match seen.insert((namespace, hash), slot) {
            Some(earlier) if earlier != slot => {
                // Both must still be live at this moment to be twins; a move or replace is neither.
                let (first, first_namespace, first_key) = self.walk_slot(thread, earlier)?;
                let is_same_key = first_namespace == namespace && first_key == key;
                let first_is_live = first.state.kind() == Kind::Live && is_same_key;
                drop(first);
                let (second, _, _) = self.walk_slot(thread, slot)?;
                (first_is_live && second.state.kind() == Kind::Live).then_some(FaultKind::DuplicateKey)
            }
            Some(_) => {
                // The same entry in both buckets: a harmless duplicate of a killed move.
                verified.entries -= 1;
                None
            }
            None => None,
        }
    }

    /// The clock first: the others are mended by it.
    fn verify_stamps(&self, verified: &mut Verified) {
        let geometry = &self.geometry;
        let namespaces = (0..geometry.counts.namespaces as usize)
            .map(|row| geometry.namespaces + row * NAMESPACE_BYTES + NAMESPACE_STAMP);
        let tags =
            (0..geometry.counts.tag_stamps as usize).map(|tag| geometry.tag_stamps + tag * STAMP_BYTES);
        if self.clock_now() >= MAX_CLOCK {
            verified.faults.push(Fault {
                kind: FaultKind::StampAhead,
                offset: CONTROL_CLOCK as u64,
            });
        }
        for offset in std::iter::once(CONTROL_FLOOR).chain(namespaces).chain(tags) {
            // The stamp before the clock: a raise between the two loads makes the clock larger.
            let stamp = self.word(offset).load(Ordering::Acquire);
            if stamp > self.clock_now() || stamp >= MAX_CLOCK {
                verified.faults.push(Fault {
                    kind: FaultKind::StampAhead,
                    offset: offset as u64,
                });
            }
        }
    }

    fn verify_blocks(&self, verified: &mut Verified) {
        for block in 0..self.geometry.blocks() {
            let word = self.block(block);
            let Some(kind) = self.verify_block(block) else {
                continue;
            };
            // A second look: states pass quickly where somebody is at work.
            if self.block(block) == word && self.verify_block(block) == Some(kind) {
                verified.faults.push(Fault {
                    kind,
                    offset: self.geometry.block_offset(block) as u64,
                });
            }
        }
    }

    pub(crate) fn verify_block(&self, block: u32) -> Option<FaultKind> {
        let word = self.block(block);
        if word.state() == BlockState::Damaged {
            return Some(FaultKind::BlockState);
        }
        let tail = Tail(self.block_meta(block, META_TAIL).load(Ordering::Acquire));
        if word.is_readable() && tail.used_bytes() > self.geometry.block_bytes {
            return Some(FaultKind::BlockTail);
        }
        let leaked = match (word.state(), word.owner()) {
            (BlockState::Open | BlockState::Drain | BlockState::Claimed, Some(record)) => {
                !self.is_held(record)
            }
            (BlockState::Open, None) => !self.is_in_a_lane(block, word.generation()),
            (BlockState::Drain | BlockState::Claimed, None) => true,
            (BlockState::Body, _) => self.head_of(block).is_none(),
            _ => false,
        };
        leaked.then_some(FaultKind::BlockLeaked)
    }

    fn is_held(&self, record: u16) -> bool {
        u64::from(record) < self.geometry.counts.records
            && RecordOwner(self.record_word(record, RECORD_OWNER).load(Ordering::Acquire)).pid() != 0
    }

    fn is_in_a_lane(&self, block: u32, generation: u32) -> bool {
        (0..self.lanes()).any(|lane| {
            self.lane_block(self.lane_word(lane).load(Ordering::Acquire)) == Some((block, generation))
        })
    }

    /// Whether every block that the entry's run claims is a body of it. The pin keeps the run meanwhile.
    fn run_is_whole(&self, found: &Found<'_>) -> bool {
        let head = found.pinned.block;
        let span = self.run_blocks(head, found.pinned.word.generation());
        (head + 1..head + span)
            .all(|block| self.block(block).state() == BlockState::Body && self.head_of(block) == Some(head))
    }

    /// The head of the run that a BODY block belongs to.
    fn head_of(&self, block: u32) -> Option<u32> {
        let head = self
            .block_meta(block, crate::layout::block::META_HEAD)
            .load(Ordering::Acquire);
        let (generation, head) = ((head >> 32) as u32, head as u32);
        if generation != self.block(block).generation() || head >= block {
            return None;
        }
        let word = self.block(head);
        let span = self
            .block_meta(head, crate::layout::block::META_SPAN)
            .load(Ordering::Acquire);
        let covers = head.saturating_add(span as u32) > block;
        // A retired head is one generation ahead of its span, a claimed one may be.
        let behind = word.generation().wrapping_sub((span >> 32) as u32);
        let is_head = match word.state() {
            BlockState::Open | BlockState::Sealed | BlockState::Drain => behind == 0,
            BlockState::Retired => behind == 1,
            BlockState::Claimed => behind <= 1,
            BlockState::Free | BlockState::Body | BlockState::Damaged => false,
        };
        (covers && is_head).then_some(head)
    }

    fn verify_pins(&self, verified: &mut Verified) {
        // Acquire: a line below the mark is in use or was.
        let lines = self
            .word(CONTROL_LINES_HIGH)
            .load(Ordering::Acquire)
            .min(self.geometry.counts.lines);
        for line in 0..lines as usize {
            for pin in 0..ENGINE_PINS + GUARD_PINS {
                let at = self.geometry.lines + line * LINE_BYTES + LINE_ENGINE_PINS + pin * 8;
                // Twice: a line may be changing hands.
                if self.is_leaked_pin(at) && self.is_leaked_pin(at) {
                    verified.faults.push(Fault {
                        kind: FaultKind::PinLeaked,
                        offset: at as u64,
                    });
                }
            }
        }
    }

    /// Whether the pin at `offset` is set in a line that belongs to nobody, or names no block.
    pub(crate) fn is_leaked_pin(&self, offset: usize) -> bool {
        let line = (offset - self.geometry.lines) / LINE_BYTES;
        // Acquire: pairs with the Release of whoever cleared pin or line last.
        let word = PinWord(self.word(offset).load(Ordering::Acquire));
        let owner = self
            .word(self.geometry.lines + line * LINE_BYTES + LINE_OWNER)
            .load(Ordering::Acquire);
        let is_owned = LineOwner(owner)
            .record()
            .is_some_and(|record| self.is_held(record));
        let names_a_block = word.block().is_some_and(|block| block < self.geometry.blocks());
        word != PinWord::NONE && (!is_owned || !names_a_block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expiry::Expiry;
    use crate::key::Pair;
    use crate::layout::namespace::NAMESPACE_NAME;

    /// A segment, a namespace in a row whose name is damaged, and the one that its name leads to now.
    fn with_two_rows_of_one_hash() -> [Segment; 3] {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let before = segment.namespace("users").expect("a row");
        put(&before, b"old");
        let name = segment.shared.namespace_word(before.namespace, NAMESPACE_NAME);
        name.store(name.load(Ordering::Relaxed) ^ 1, Ordering::Relaxed);
        let now = segment.namespace("users").expect("another row");
        assert_ne!(before.namespace, now.namespace);
        assert_eq!(before.key(b"key").hash, now.key(b"key").hash);
        [segment, before, now]
    }

    fn put(segment: &Segment, value: &[u8]) {
        let stored = segment.put(b"key", value, Expiry::never());
        stored.expect("there is room");
    }

    #[test]
    fn keys_of_two_namespaces_are_no_twins_though_their_hash_is_one() {
        let [segment, before, now] = with_two_rows_of_one_hash();
        put(&now, b"new");
        let verified = segment.verify();
        assert_eq!((verified.entries, verified.faults), (2, vec![]));
        assert_eq!(segment.repair().dropped_entries, 0);
        assert_eq!(before.get(b"key").as_deref(), Some(&b"old"[..]));
        assert_eq!(now.get(b"key").as_deref(), Some(&b"new"[..]));
    }

    /// Between its twins in the index lies an entry of the other row.
    #[test]
    fn twins_are_found_beside_a_key_of_the_same_hash_in_another_namespace() {
        let [segment, before, now] = with_two_rows_of_one_hash();
        let shared = &*segment.shared;
        put(&now, b"new");
        let key = before.key(b"key");
        let (bucket, number, hidden) = slot_of(shared, &key.pair, 0);
        assert!(shared.claim_slot(bucket, number, hidden, Slot::EMPTY));
        put(&before, b"twin");
        let thread = shared.thread().expect("this process is attached");
        assert!(shared.link(&thread, &key.pair, hidden));
        drop(thread);
        assert_ne!(slot_of(shared, &key.pair, 0).2, hidden);
        assert_eq!(slot_of(shared, &key.pair, 2).2, hidden);
        let faults = segment.verify().faults;
        let kinds: Vec<_> = faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::DuplicateKey]);
        assert_eq!(segment.repair().dropped_entries, 1);
        assert!(segment.verify().is_clean());
        assert_eq!(now.get(b"key").as_deref(), Some(&b"new"[..]));
    }

    /// The slot of the pair with its tag that comes after so many others.
    fn slot_of(shared: &Shared, pair: &Pair, others: usize) -> (usize, usize, Slot) {
        let of_bucket = |bucket| {
            (0..BUCKET_SLOTS)
                .map(move |number| (bucket, number, shared.load_slot(bucket, number)))
                .filter(|(.., slot)| !slot.is_empty() && slot.tag() == pair.tag)
        };
        let mut slots = shared.buckets_of(pair).flat_map(of_bucket);
        slots.nth(others).expect("as many are linked")
    }
}
