//! How many live entries each block counts, and how many bytes they take.
//!
//! The count decides what is reclaimed, and one that is zero lets a block go without a walk: with whatever
//! in it leads to a write in progress. So it may be too high, after a death, but never too low: an entry is
//! counted before anybody can find it LIVE, and no longer counted only when nothing needs it any more. For a
//! value that was forwarded that is when what took its place is LIVE, its own slot is cleared, and the move
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
        // Acquire: pairs with the Release of whoever counted the last one off, who cleared its slot before.
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
    use crate::log::write::Draft;
    use crate::ops::settle::{Manner, Settled};
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
}
