//! Values of an earlier table, which no stub names: removed bit by bit, before anything new is written.
//!
//! They count for the limit, but nobody knows how much they are. So whoever is about to write removes at least as
//! much of them as it writes, until nothing is left: what the directory takes does not grow while there are any.

use guira_shm::sync::Ordering;
use std::path::Path;

use super::{Shared, place, sweep};
use crate::layout::table::CONTROL_LEFTOVERS;

impl Shared {
    /// Removes leftovers of at least `blocks` units of 512 bytes; true if none are left.
    pub(super) fn clear_leftovers(&self, blocks: u32) -> bool {
        let flag = self.table.word(CONTROL_LEFTOVERS);
        if flag.load(Ordering::Relaxed) == 0 {
            return true;
        }
        let mut removed_blocks = 0;
        for (name, path) in sweep::list(&self.place.directory).unwrap_or_default() {
            if !place::is_values(&name) || path == self.place.values || path.is_symlink() {
                continue;
            }
            removed_blocks += remove_within(&path, u64::from(blocks) - removed_blocks.min(u64::from(blocks)));
            if removed_blocks >= u64::from(blocks) {
                return false;
            }
            // Fails if something foreign lies in it, which stays.
            let _ = std::fs::remove_dir(&path);
        }
        flag.store(0, Ordering::Relaxed);
        true
    }
}

/// Removes value files in the directories of `values` until `blocks` are free; says how many are.
fn remove_within(values: &Path, blocks: u64) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut removed_blocks = 0;
    for (_, shard) in sweep::list(values).unwrap_or_default() {
        if shard.is_symlink() {
            continue;
        }
        for (name, path) in sweep::list(&shard).unwrap_or_default() {
            if removed_blocks >= blocks.max(1) {
                return removed_blocks;
            }
            if place::number_of(&name).is_none() {
                continue;
            }
            let size = path.symlink_metadata().map_or(0, |it| it.blocks());
            if guira_shm::directory::remove_file(&path).unwrap_or(false) {
                removed_blocks += size;
            }
        }
        // As above.
        let _ = std::fs::remove_dir(&shard);
    }
    removed_blocks
}
