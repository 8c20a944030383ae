//! The cache as a whole.

use std::time::Duration;

use guira_segment::{Metadata, Stats};

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
        self.purge_stale_for(Duration::ZERO)
    }

    /// As [`Cache::purge`], of what has been stale for at least `time`. When an entry was made stale by
    /// [`Cache::expire`] is not kept; it counts as stale since it was put.
    ///
    /// What is refreshed meanwhile stays; but between the last look at an entry and its removal a new value may be put,
    /// and go with it, as an eviction may take any.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn purge_stale_for(&self, time: Duration) -> Result<u64, Error> {
        let segment = self.segment()?;
        let is_due = |entry: &Metadata| entry.is_stale && entry.stale_for.unwrap_or(entry.age) >= time;
        let mut removed = 0;
        for entry in segment.entries().filter(|entry| is_due(&entry.metadata)) {
            // It may have been refreshed since it was listed.
            let is_due = segment.metadata(&entry.key).is_some_and(|now| is_due(&now));
            removed += u64::from(is_due && segment.remove(&entry.key));
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
