//! The cache as a whole.

use guira_segment::Stats;

use super::Cache;
use crate::error::Error;

/// What a cache holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Live entries.
    pub entries: u64,
    /// Of those, stale ones.
    pub stale: u64,
    /// Bytes they take in the segment, headers included.
    pub bytes: u64,
}

/// Figures of a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Values that were met and could not be read, by this process, through this handle and its clones.
    pub mismatches: u64,
    /// Figures of the whole segment, which all its caches share.
    pub segment: Stats,
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// Invalidates everything in this cache, in constant time; other caches keep theirs. A put that
    /// begins while it runs may stay.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn clear(&self) -> Result<(), Error> {
        self.segment()?.clear();
        Ok(())
    }

    /// Invalidates what carries `tag`, in whichever cache of the segment, in constant time.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn invalidate_tag(&self, tag: &[u8]) -> Result<(), Error> {
        self.segment()?.invalidate_tag(tag);
        Ok(())
    }

    /// Removes what is stale, and returns how many those were. Takes time in proportion to the segment.
    /// What is past its hard deadline needs no purge: it is missed, and its room is used again.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn purge(&self) -> Result<u64, Error> {
        let segment = self.segment()?;
        let mut removed = 0;
        for entry in segment.entries().filter(|entry| entry.metadata.is_stale) {
            // It may have been refreshed since it was listed.
            let is_stale = segment.metadata(&entry.key).is_some_and(|now| now.is_stale);
            removed += u64::from(is_stale && segment.remove(&entry.key));
        }
        Ok(removed)
    }

    /// Counts what this cache holds. Takes time in proportion to the segment.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn usage(&self) -> Result<Usage, Error> {
        let mut usage = Usage::default();
        for entry in self.segment()?.entries() {
            usage.entries += 1;
            usage.stale += u64::from(entry.metadata.is_stale);
            usage.bytes += entry.metadata.entry_bytes as u64;
        }
        Ok(usage)
    }

    /// Bytes that all caches of the segment have together.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn capacity_bytes(&self) -> Result<u64, Error> {
        Ok(self.segment()?.stats().arena_bytes)
    }

    /// Figures of this handle and of the segment.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn stats(&self) -> Result<CacheStats, Error> {
        Ok(CacheStats {
            mismatches: self.mismatches(),
            segment: self.segment()?.stats(),
        })
    }
}
