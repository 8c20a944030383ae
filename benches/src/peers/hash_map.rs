//! The standard library's map, used by one thread: what a look-up costs that shares with nobody.

use std::collections::HashMap as Map;

use super::{Bytes, Cache, Holding, MakeSibling, OneShotXxh3};
use crate::error::BenchError;
use crate::workload::ends_of;

/// A map with room for its keys.
#[derive(Debug)]
pub(crate) struct HashMap(Map<Bytes, Bytes, OneShotXxh3>);

impl HashMap {
    pub(crate) fn new(holding: Holding) -> Self {
        Self(Map::with_capacity_and_hasher(holding.keys, OneShotXxh3))
    }
}

impl Cache for HashMap {
    #[inline]
    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        copy.clear();
        let Some(value) = self.0.get(key) else {
            return Ok(false);
        };
        copy.extend_from_slice(value);
        Ok(true)
    }

    #[inline]
    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
        Ok(self.0.get(key).and_then(|value| ends_of(value)))
    }

    #[inline]
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError> {
        store(&mut self.0, key, value);
        Ok(())
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        None
    }
}

/// Puts as a cache does: the key is allocated once, the value each time.
#[inline]
pub(super) fn store(map: &mut Map<Bytes, Bytes, OneShotXxh3>, key: &[u8], value: &[u8]) {
    if let Some(slot) = map.get_mut(key) {
        *slot = value.into();
    } else {
        map.insert(key.into(), value.into());
    }
}
