//! `moka`: a concurrent cache inside one process, with TinyLFU and the richest features.

use std::sync::Arc;

use moka::sync::Cache as Sync;

use super::{Bytes, Cache, Holding, MakeSibling, OneShotXxh3};
use crate::error::BenchError;
use crate::workload::ends_of;

/// A cache that threads share; it tidies itself in its callers' operations.
#[derive(Clone, Debug)]
pub(crate) struct Moka(Sync<Bytes, Arc<[u8]>, OneShotXxh3>);

impl Moka {
    pub(crate) fn new(holding: Holding) -> Self {
        let cache = Sync::builder()
            .initial_capacity(holding.capacity_entries)
            .max_capacity(holding.capacity_entries as u64)
            .build_with_hasher(OneShotXxh3);
        Self(cache)
    }
}

impl Cache for Moka {
    #[inline]
    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        copy.clear();
        let Some(value) = self.0.get(key) else {
            return Ok(false);
        };
        copy.extend_from_slice(&value);
        Ok(true)
    }

    #[inline]
    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
        Ok(self.0.get(key).and_then(|value| ends_of(&value)))
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
