//! A segment whose file is cut while it is open.
//!
//! The mapping then becomes zeroes of this process alone, as a whole ([`guira_shm::truncation`]). To the
//! engine they are an empty index and free blocks, so every walk ends; but a process that went on caching
//! there would answer with values of its own that nobody else can invalidate. The zeroes' *mark*
//! prevents that: the floor holds more than any birth. From the cut on, in this process,
//!
//! | who | sees the floor | and so |
//! |---|---|---|
//! | a read, of any kind | where it sees every invalidation | misses; the way of a miss counts `damaged` |
//! | a put under way | in its looks at the stamps | is superseded, hence [`StoreError::Truncated`] |
//! | a put that begins | asks before it writes a byte | [`StoreError::Truncated`] |
//!
//! which costs a hit nothing and a put one load.
//!
//! An invalidation must reach the processes that did not touch a lost page yet. It maps the control page
//! anew and raises the floor there: for them everything is invalidated. Where the file has lost its
//! control page, too, every read of theirs meets the cut.

use guira_shm::sync::Ordering;
use guira_shm::truncation::Mark;

use crate::error::{OpenError, StoreError};
use crate::layout::control::{CONTROL_BYTES, CONTROL_CLOCK, CONTROL_FLOOR, CONTROL_OFFSET};
use crate::layout::superblock::{SUPERBLOCK_BYTES, Unchecked};
use crate::shared::Shared;

/// What the zeroes begin with.
pub(crate) const LOST: Mark = Mark {
    offset_bytes: CONTROL_FLOOR,
    value: u64::MAX,
};

impl Shared {
    /// Whether the mapping was taken away from the file.
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        self.memory.is_lost()
    }

    /// Refuses what would be written to nobody.
    #[inline]
    pub(crate) fn check_not_lost(&self) -> Result<(), StoreError> {
        if self.is_lost() {
            return Err(self.truncated());
        }
        Ok(())
    }

    #[cold]
    pub(crate) const fn truncated(&self) -> StoreError {
        StoreError::Truncated {
            size_bytes: self.geometry.total_bytes as u64,
        }
    }

    /// Refuses to open what was cut meanwhile.
    pub(crate) fn check_still_whole(&self) -> Result<(), OpenError> {
        match self.cut_at() {
            Some(found_bytes) => Err(OpenError::Truncated {
                path: self.path(),
                found_bytes,
                expected_bytes: self.geometry.total_bytes as u64,
            }),
            None => Ok(()),
        }
    }

    /// The file's length, if it was cut: it is too short, or this process was taken away from it.
    pub(crate) fn cut_at(&self) -> Option<u64> {
        let file = self.memory.file()?;
        let whole_bytes = self.geometry.total_bytes as u64;
        // A file that nothing leads to any more cannot be asked, but it may well be whole.
        let found_bytes = file.current_len_bytes().unwrap_or(whole_bytes);
        (found_bytes < whole_bytes || self.is_lost()).then_some(found_bytes)
    }

    /// An invalidation that this process may have made in its own zeroes only: invalidates everything for
    /// those that still have the file.
    #[cold]
    pub(crate) fn invalidate_for_others(&self) {
        let Some(file) = self.memory.file() else { return };
        // Where the file cannot be had, is shorter, or is another segment by now, there is nobody to tell.
        let Ok(mut head) = file.map_again((CONTROL_OFFSET + CONTROL_BYTES) as u64) else {
            return;
        };
        if head.outlive_truncation(LOST).is_err() {
            return;
        }
        let region = head.region();
        let mut bytes = Vec::with_capacity(SUPERBLOCK_BYTES);
        region.append_to(0, SUPERBLOCK_BYTES, &mut bytes);
        let is_ours = bytes
            .first_chunk()
            .is_some_and(|bytes| Unchecked(*bytes).check() == Ok(self.superblock));
        if is_ours {
            // SeqCst, both: as in `clear_all`.
            let clock = region.word(CONTROL_CLOCK).fetch_add(1, Ordering::SeqCst);
            let now = clock.wrapping_add(1);
            region.word(CONTROL_FLOOR).fetch_max(now, Ordering::SeqCst);
        }
    }
}
