//! `papaya`: a map whose readers take no lock. It evicts nothing.

use std::sync::Arc;

use super::{Bytes, Cache, Holding, MakeSibling, OneShotXxh3};
use crate::error::BenchError;
use crate::workload::ends_of;

/// A map that threads share.
#[derive(Clone, Debug)]
pub(crate) struct Papaya(Arc<papaya::HashMap<Bytes, Bytes, OneShotXxh3>>);

impl Papaya {
    pub(crate) fn new(holding: Holding) -> Self {
        let map = papaya::HashMap::builder()
            .capacity(holding.keys)
            .hasher(OneShotXxh3)
            .build();
        Self(Arc::new(map))
    }
}

impl Cache for Papaya {
    #[inline]
    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        copy.clear();
        let guard = self.0.guard();
        let Some(value) = self.0.get(key, &guard) else {
            return Ok(false);
        };
        copy.extend_from_slice(value);
        Ok(true)
    }

    #[inline]
    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
        let guard = self.0.guard();
        Ok(self.0.get(key, &guard).and_then(|value| ends_of(value)))
    }

    #[inline]
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError> {
        let guard = self.0.guard();
        self.0.insert(key.into(), value.into(), &guard);
        Ok(())
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        let map = self.clone();
        Some(Box::new(|| Ok(map)))
    }
}
