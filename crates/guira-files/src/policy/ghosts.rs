//! Keys of files that were evicted without having been read: if one comes again soon, it was worth more.
//!
//! A ghost is a word at a place that the key's hash gives: 32 bits of the hash, and the number of the eviction. It
//! fades when as many files were evicted since as there is room for.

use guira_shm::sync::{AtomicU64, Ordering};

use crate::layout::table::CONTROL_EVICTIONS;
use crate::table::Table;

impl Table {
    fn ghost(&self, key_hash: u64) -> &AtomicU64 {
        let index = (key_hash % self.geometry.records) as usize;
        self.word(self.geometry.ghosts_offset + index * 8)
    }

    pub(super) fn leave_ghost(&self, key_hash: u64, evictions: u64) {
        let word = key_hash >> 32 << 32 | (evictions & 0xffff_ffff);
        self.ghost(key_hash).store(word, Ordering::Relaxed);
    }

    /// Whether the key's ghost was there; it is gone now.
    pub(super) fn take_ghost(&self, key_hash: u64) -> bool {
        let ghost = self.ghost(key_hash);
        let word = ghost.load(Ordering::Relaxed);
        if word == 0 || word >> 32 != key_hash >> 32 {
            return false;
        }
        ghost.store(0, Ordering::Relaxed);
        let evictions = self.word(CONTROL_EVICTIONS).load(Ordering::Relaxed);
        let since = (evictions as u32).wrapping_sub(word as u32);
        u64::from(since) <= self.geometry.records
    }
}
