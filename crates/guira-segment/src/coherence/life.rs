//! Which life of the segment this is: the boot of the machine and the very file.
//!
//! Times of the boot clock mean nothing in another life, so whoever stores one says of which life it is, and what
//! another life left is taken for nothing.

use guira_shm::process::boot_id;
use guira_shm::sync::Ordering;
use xxhash_rust::xxh3::xxh3_128;

use crate::layout::control::{
    CONTROL_AGENT_PROGRESS_MS, CONTROL_LIFE, CONTROL_TOPICS_TRUSTED, CONTROL_TRUSTED_UNTIL_MS,
};
use crate::layout::superblock::Superblock;
use crate::memory::Memory;
use crate::shared::Shared;

/// A number for segment, boot, file and `salt`.
pub(crate) fn number_of_life(superblock: &Superblock, memory: &Memory, salt: u64) -> u128 {
    let file = memory.file();
    let (device, inode) = file.map_or((0, 0), guira_shm::file::MappedFile::file_identity);
    let mut bytes = Vec::with_capacity(56);
    bytes.extend_from_slice(&superblock.id.to_le_bytes());
    bytes.extend_from_slice(&boot_id().unwrap_or_default());
    for word in [device, inode, salt] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    xxh3_128(&bytes)
}

impl Shared {
    /// Whether the times in the control page are of this life.
    pub(super) fn is_of_this_life(&self) -> bool {
        // Acquire: pairs with the Release of `begin_life`: the times are this life's, or zero.
        self.word(CONTROL_LIFE).load(Ordering::Acquire) == self.life
    }

    /// Forgets the times of another life. Of two that do this at once one may forget what the other has just stored,
    /// which costs trust until it is given again.
    pub(super) fn begin_life(&self) {
        if self.is_of_this_life() {
            return;
        }
        for word in [
            CONTROL_TRUSTED_UNTIL_MS,
            CONTROL_TOPICS_TRUSTED,
            CONTROL_AGENT_PROGRESS_MS,
        ] {
            self.word(word).store(0, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire of `is_of_this_life`.
        self.word(CONTROL_LIFE).store(self.life, Ordering::Release);
    }
}
