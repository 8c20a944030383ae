//! How many live entries each block counts, and how many bytes they take.
//!
//! The count decides what is reclaimed, and one that is zero lets a block go without a walk: with whatever
//! in it leads to a write in progress. So it may be too high, after a death, but never too low: an entry is
//! counted before anybody can find it LIVE, and no longer counted only when nothing needs it any more. For a
//! value that was forwarded that is when what took its place is LIVE (or will not be), and after that the move
//! counter was raised: a scan that met the slot before looks again when it finds the block gone.

use guira_shm::sync::Ordering;

use crate::layout::block::{Live, META_LIVE};
use crate::layout::entry::State;
use crate::layout::slot::Location;
use crate::shared::Shared;

impl Shared {
    /// Makes a WRITING entry LIVE and counted; false if its state is another by now. Its block is pinned.
    pub(crate) fn count_then_live(
        &self,
        block: u32,
        entry_bytes: usize,
        location: Location,
        from: State,
    ) -> bool {
        self.count_live(block, entry_bytes);
        let is_live = self.change_state(location, from, from.to_live());
        if !is_live {
            self.uncount_live(block, entry_bytes);
        }
        is_live
    }

    /// Whether a block counts anything at all. If not, nothing in it is the way to anything.
    pub(crate) fn counts_any(&self, block: u32) -> bool {
        // Acquire: pairs with the Release of whoever counted the last one off, who raised the move counter before.
        self.block_meta(block, META_LIVE).load(Ordering::Acquire) != 0
    }

    /// Counts an entry of a block that is pinned.
    pub(crate) fn count_live(&self, block: u32, entry_bytes: usize) {
        self.count_all_live(block, Live::of_entry(entry_bytes));
    }

    /// Counts several entries of a block that is pinned.
    pub(crate) fn count_all_live(&self, block: u32, live: Live) {
        // Relaxed: to count too early does no harm.
        self.block_meta(block, META_LIVE)
            .fetch_add(live.0, Ordering::Relaxed);
    }

    /// Takes an entry out of the count of a block that is pinned.
    pub(crate) fn uncount_live(&self, block: u32, entry_bytes: usize) {
        self.uncount_all_live(block, Live::of_entry(entry_bytes));
    }

    /// Takes several entries out of the count of a block that is pinned.
    pub(crate) fn uncount_all_live(&self, block: u32, live: Live) {
        // Release: what made them needless came before; pairs with the Acquire of who drops a block that
        // counts none.
        self.block_meta(block, META_LIVE)
            .fetch_sub(live.0, Ordering::Release);
    }

    /// Takes an entry that is no longer LIVE out of its block's count. The block is pinned.
    pub(crate) fn forget_live(&self, block: u32, location: Location) {
        let header = self.load_header(location);
        if let Some(tags_bytes) = self.tags_bytes(location, &header) {
            self.uncount_live(block, header.entry_bytes(tags_bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::expiry::Expiry;
    use crate::index::scan::{Pass, Step};
    use crate::key::Key;
    use crate::layout::entry::Kind;
    use crate::layout::slot::Slot;
    use crate::log::write::Draft;
    use crate::ops::only_twin::OnlyTwin;
    use crate::ops::settle::{Manner, Settled};
    use crate::pin::EnginePin;
    use crate::segment::Segment;
    use crate::tags::Tags;

    /// Or the block would be dropped, and with it the only way to the value.
    #[test]
    fn a_value_is_counted_until_what_takes_its_place_is_live() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let none = Tags::NONE;
        let draft = Draft::for_ever(key, b"new", &none, shared.token(&key).clock);
        let written = shared.write(&thread, &draft).expect("there is room");
        let (block, location) = (written.place.block, written.place.location);
        let counted = || shared.live(block).entries();
        assert_eq!(counted(), 1, "both are in one block, and only one is LIVE");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        let Settled::Ready(leftovers) = shared.settle(&thread, &key, slot, Manner::Override) else {
            panic!("nobody else is there");
        };
        assert_eq!(counted(), 1, "the old one leads to the new one");
        assert!(shared.count_then_live(block, written.entry_bytes, location, written.state));
        assert!(!shared.count_then_live(block, written.entry_bytes, location, written.state));
        assert_eq!(counted(), 2);
        shared.clear_leftovers(&thread, &key, &leftovers);
        assert_eq!(counted(), 1, "the new one");
    }

    /// What one look of a scan at the slots of `key` says, if all of `meanwhile` happens between the load of the
    /// slot that is `old` and the look at its entry.
    fn is_missed(segment: &Segment, key: &Key<'_>, old: Slot, meanwhile: impl FnOnce()) -> bool {
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let mut meanwhile = Some(meanwhile);
        let pass = shared.verified_pass(&key.pair, 2, |_, _, slot| {
            if slot == old
                && let Some(meanwhile) = meanwhile.take()
            {
                meanwhile();
            }
            let pin = thread.engine_pin(shared, EnginePin::Read);
            let found = shared.examine(&thread, pin, slot, key);
            match found.map(|found| found.state.kind()) {
                Some(Kind::Live | Kind::Forward) => Step::Stop(()),
                _ => Step::Continue,
            }
        });
        assert!(meanwhile.is_none(), "the old slot was met");
        pass == Pass::Complete
    }

    /// A segment with a value in a sealed block, and a free slot before its own; gives the block, too.
    fn with_old_value() -> (Segment, u32) {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let bucket = segment.key(b"key").pair.primary;
        let filler = (0_u32..)
            .map(u32::to_le_bytes)
            .find(|name| segment.key(name).pair.primary == bucket)
            .expect("there are few buckets");
        for name in [&filler[..], b"key"] {
            segment.put(name, b"old", Expiry::never()).expect("there is room");
        }
        assert!(segment.remove(&filler));
        let block = segment.metadata(b"key").expect("just put").block;
        let shared = &*segment.shared;
        assert!(shared.seal_block(block, shared.block(block)));
        (segment, block)
    }

    fn drain(segment: &Segment, block: u32) {
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        shared.evict_block(&thread, block, shared.block(block));
        assert!(!shared.block(block).is_readable());
    }

    fn old_slot(segment: &Segment, key: &Key<'_>) -> Slot {
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let pin = thread.engine_pin(shared, EnginePin::Read);
        let found = shared.find(&thread, pin, key).expect("it has a value");
        found.slot(shared, key.pair.tag)
    }

    /// The scan met the new entry when it was not LIVE, and comes to the old one when its block is gone.
    #[test]
    fn a_scan_that_comes_too_late_to_what_was_replaced_looks_again() {
        let (segment, block) = with_old_value();
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let none = Tags::NONE;
        let draft = Draft::for_ever(key, b"new", &none, shared.token(&key).clock);
        let old = old_slot(&segment, &key);
        let written = shared.write(&thread, &draft).expect("there is room");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        let meanwhile = || {
            let OnlyTwin::Settled(Some(replaced)) = shared.settle_only_twin(&thread, &key, slot) else {
                panic!("there is one value, and nobody else");
            };
            let (location, bytes) = (written.place.location, written.entry_bytes);
            assert!(shared.count_then_live(written.place.block, bytes, location, written.state));
            shared.clear_replaced(&key, &replaced);
            drop(replaced);
            drain(&segment, block);
        };
        assert!(!is_missed(&segment, &key, old, meanwhile));
    }

    /// The same, of a put that another one helped to LIVE and came after: it clears no slot.
    #[test]
    fn a_scan_that_comes_too_late_to_what_a_put_replaced_that_was_helped_looks_again() {
        let (segment, block) = with_old_value();
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let none = Tags::NONE;
        let draft = Draft::for_ever(key, b"new", &none, shared.token(&key).clock);
        let old = old_slot(&segment, &key);
        let write = || {
            let written = shared.write(&thread, &draft).expect("there is room");
            let slot = written.slot(shared, key.pair.tag);
            assert!(shared.link(&thread, &key.pair, slot));
            (written, slot)
        };
        let (first, slot) = write();
        let Settled::Ready(leftovers) = shared.settle(&thread, &key, slot, Manner::Override) else {
            panic!("nobody else is there");
        };
        let given = leftovers.given();
        assert!(given.is_some());
        drop(first);
        let meanwhile = || {
            // The second helps the first, and stops when it is LIVE.
            let (second, after) = write();
            let settled = shared.settle(&thread, &key, after, Manner::Override);
            assert!(matches!(settled, Settled::Ready(_)));
            let (location, bytes) = (second.place.location, second.entry_bytes);
            assert!(shared.count_then_live(second.place.block, bytes, location, second.state));
            drop(second);
            // The first goes on.
            let settled = shared.settle_on(&thread, &key, slot, Manner::Override, given);
            let Settled::Ready(leftovers) = settled else {
                panic!("it was helped");
            };
            shared.clear_leftovers(&thread, &key, &leftovers);
            drain(&segment, block);
        };
        assert!(!is_missed(&segment, &key, old, meanwhile));
    }
}
