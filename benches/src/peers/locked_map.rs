//! The standard library's map behind its reader-writer lock: the first thing that one would write.

use std::collections::HashMap as Map;
use std::sync::{Arc, PoisonError, RwLock};

use super::hash_map::store;
use super::{Bytes, Cache, Holding, MakeSibling, OneShotXxh3};
use crate::error::BenchError;
use crate::workload::ends_of;

/// A map that threads share.
#[derive(Clone, Debug)]
pub(crate) struct LockedMap(Arc<RwLock<Map<Bytes, Bytes, OneShotXxh3>>>);

impl LockedMap {
    pub(crate) fn new(holding: Holding) -> Self {
        let map = Map::with_capacity_and_hasher(holding.keys, OneShotXxh3);
        Self(Arc::new(RwLock::new(map)))
    }
}

impl Cache for LockedMap {
    #[inline]
    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        copy.clear();
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(value) = map.get(key) else {
            return Ok(false);
        };
        copy.extend_from_slice(value);
        Ok(true)
    }

    #[inline]
    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(map.get(key).and_then(|value| ends_of(value)))
    }

    #[inline]
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        store(&mut map, key, value);
        Ok(())
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        let map = self.clone();
        Some(Box::new(|| Ok(map)))
    }
}
