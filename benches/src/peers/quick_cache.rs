//! `quick_cache`: a concurrent cache inside one process, among the fastest there are.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::{Cache as Sync, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

use super::{Bytes, Cache, Holding, MakeSibling, OneShotXxh3};
use crate::error::BenchError;
use crate::workload::ends_of;

type Value = Arc<[u8]>;
type Entries = Sync<Bytes, Value, UnitWeighter, OneShotXxh3, DefaultLifecycle<Bytes, Value>>;

/// Values of any length need a counted pointer: it is cloned under the lock, the bytes copied after.
#[derive(Clone)]
pub(crate) struct QuickCache(Arc<Entries>);

impl QuickCache {
    pub(crate) fn new(holding: Holding) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(holding.capacity_entries)
            .weight_capacity(holding.capacity_entries as u64)
            .build()
            .expect("both capacities are set");
        let entries = Sync::with_options(options, UnitWeighter, OneShotXxh3, DefaultLifecycle::default());
        Self(Arc::new(entries))
    }
}

impl fmt::Debug for QuickCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("QuickCache").finish_non_exhaustive()
    }
}

impl Cache for QuickCache {
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
