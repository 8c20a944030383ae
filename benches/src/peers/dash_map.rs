//! `dashmap`: a sharded map of the same kind, each shard behind a lock. It evicts nothing.

use std::sync::Arc;

use super::{Bytes, Cache, Holding, MakeSibling, OneShotXxh3};
use crate::error::BenchError;
use crate::workload::ends_of;

/// A map that threads share.
#[derive(Clone, Debug)]
pub(crate) struct DashMap(Arc<dashmap::DashMap<Bytes, Bytes, OneShotXxh3>>);

impl DashMap {
    pub(crate) fn new(holding: Holding) -> Self {
        let map = dashmap::DashMap::with_capacity_and_hasher(holding.keys, OneShotXxh3);
        Self(Arc::new(map))
    }
}

impl Cache for DashMap {
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
        if let Some(mut slot) = self.0.get_mut(key) {
            *slot = value.into();
        } else {
            self.0.insert(key.into(), value.into());
        }
        Ok(())
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        let map = self.clone();
        Some(Box::new(|| Ok(map)))
    }
}
