//! Which pool of S3-FIFO (SOSP 2023) a new entry goes to.

use crate::key::Key;
use crate::layout::block::Pool;
use crate::shared::Shared;

impl Shared {
    /// The pool a new entry of the key goes to: the main one if the key was evicted lately without
    /// a second read, or is being overwritten there. Starts fetching what the key's slots name: the entry that
    /// is to be replaced, whose state will be changed when the new one is written.
    pub(crate) fn choose_pool(&self, key: &Key<'_>) -> Pool {
        let mut in_main = false;
        for bucket in self.buckets_of(&key.pair) {
            let mut mask = self.matching_slots(bucket, key.pair.tag);
            while mask != 0 {
                let slot = self.load_slot(bucket, mask.trailing_zeros() as usize);
                mask &= mask - 1;
                let Some(block) = self.geometry.block_of(slot.location().offset()) else {
                    continue;
                };
                // Where its header goes over into the next line, both are wanted at once.
                self.region().prefetch_write(slot.location().offset());
                self.region().prefetch(slot.location().offset() + 64);
                in_main |= !self.is_stale(slot) && self.block(block).pool() == Pool::Main;
            }
        }
        if in_main || (self.is_evicting() && self.take_ghost(key.hash)) {
            Pool::Main
        } else {
            Pool::Admission
        }
    }
}
