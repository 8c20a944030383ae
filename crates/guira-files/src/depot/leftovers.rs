//! Values of an earlier table, which no stub names: removed bit by bit, before anything new is written.
//!
//! They count for the limit, but nobody knows how much they are. So whoever is about to write removes at least as
//! much of them as it writes, until nothing is left: what the directory takes does not grow while there are any.
//!
//! Only files go whose names are those of value files, in directories whose names are those of ours.

use guira_shm::sync::Ordering;
use std::path::Path;

use super::{Shared, place, sweep};
use crate::error::FilesError;
use crate::layout::table::CONTROL_LEFTOVERS;

impl Shared {
    /// Removes leftovers of at least `blocks` units of 512 bytes; true if none are left, as far as can be seen.
    pub(super) fn clear_leftovers(&self, blocks: u32) -> bool {
        let flag = self.table.word(CONTROL_LEFTOVERS);
        if flag.load(Ordering::Relaxed) == 0 {
            return true;
        }
        match self.clear(blocks.into()) {
            Ok(true) => {
                flag.store(0, Ordering::Relaxed);
                true
            }
            Ok(false) => false,
            Err(error) => {
                tracing::warn!(%error, "values of an earlier table cannot be removed");
                true
            }
        }
    }

    /// True if no value file of an earlier table is left.
    fn clear(&self, blocks: u64) -> Result<bool, FilesError> {
        let mut removed_blocks = 0;
        for (name, path) in sweep::list(&self.place.directory)? {
            if !place::is_values(&name) || path == self.place.values || path.is_symlink() {
                continue;
            }
            removed_blocks += remove_within(&path, blocks - removed_blocks)?;
            if removed_blocks >= blocks {
                return Ok(false);
            }
            // Fails if something foreign lies in it, which stays.
            let _ = std::fs::remove_dir(&path);
        }
        Ok(true)
    }
}

/// Removes value files in the shards of `values` until `blocks` are free; says how many are.
fn remove_within(values: &Path, blocks: u64) -> Result<u64, FilesError> {
    use std::os::unix::fs::MetadataExt;
    let mut removed_blocks = 0;
    for (name, shard) in sweep::list(values)? {
        if !place::is_shard(&name) || !shard.symlink_metadata().is_ok_and(|it| it.is_dir()) {
            continue;
        }
        for (name, path) in sweep::list(&shard)? {
            if removed_blocks >= blocks {
                return Ok(removed_blocks);
            }
            if place::number_of(&name).is_none() {
                continue;
            }
            let Ok(found) = path.symlink_metadata() else {
                continue;
            };
            if found.is_file() {
                guira_shm::directory::remove_file(&path)
                    .map_err(|source| FilesError::io("remove", &path, source))?;
                // An empty one counts as well: it is one fewer.
                removed_blocks += found.blocks().max(1);
            }
        }
        // As above.
        let _ = std::fs::remove_dir(&shard);
    }
    Ok(removed_blocks)
}
