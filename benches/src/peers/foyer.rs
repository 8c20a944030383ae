//! `foyer`'s memory cache, by S3-FIFO, W-TinyLFU or LRU.

use std::fmt;

use foyer_memory::{
    Cache as Sync, CacheBuilder, CacheProperties, EvictionConfig, LfuConfig, LruConfig, S3FifoConfig,
};

use super::{Bytes, Cache, Holding, MakeSibling, OneShotXxh3};
use crate::error::BenchError;
use crate::workload::ends_of;

/// Below this, shards fill unevenly and cost hits.
const ENTRIES_PER_SHARD: usize = 10_000;
/// As many as it takes by default.
const MOST_SHARDS: usize = 8;

/// A cache that threads share.
#[derive(Clone)]
pub(crate) struct Foyer(Sync<Bytes, Bytes, OneShotXxh3, CacheProperties>);

impl Foyer {
    pub(crate) fn s3_fifo(holding: Holding) -> Self {
        Self::new(holding, S3FifoConfig::default().into())
    }

    pub(crate) fn lfu(holding: Holding) -> Self {
        Self::new(holding, LfuConfig::default().into())
    }

    pub(crate) fn lru(holding: Holding) -> Self {
        Self::new(holding, LruConfig::default().into())
    }

    fn new(holding: Holding, eviction: EvictionConfig) -> Self {
        let cache = CacheBuilder::new(holding.capacity_entries)
            .with_shards((holding.capacity_entries / ENTRIES_PER_SHARD).clamp(1, MOST_SHARDS))
            .with_eviction_config(eviction)
            .with_hash_builder(OneShotXxh3)
            .build();
        Self(cache)
    }
}

impl fmt::Debug for Foyer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Foyer").finish_non_exhaustive()
    }
}

impl Cache for Foyer {
    #[inline]
    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        copy.clear();
        let Some(entry) = self.0.get(key) else {
            return Ok(false);
        };
        copy.extend_from_slice(entry.value());
        Ok(true)
    }

    #[inline]
    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
        Ok(self.0.get(key).and_then(|entry| ends_of(entry.value())))
    }

    #[inline]
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError> {
        self.0.insert(key.into(), value.into());
        Ok(())
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        let cache = self.clone();
        Some(Box::new(|| Ok(cache)))
    }
}
