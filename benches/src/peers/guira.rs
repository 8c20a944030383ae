//! Guira itself: a segment that another process made and filled.

use guira_segment::{Expiry, Segment};

use super::{Cache, MakeSibling};
use crate::error::BenchError;
use crate::workload::ends_of;

impl Cache for Segment {
    #[inline]
    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        Ok(self.get_into(key, copy))
    }

    #[inline]
    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
        Ok(Self::get(self, key).and_then(|value| ends_of(&value)))
    }

    #[inline]
    fn get_many(
        &mut self,
        keys: &[&[u8]],
        _: &mut Vec<u8>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), BenchError> {
        Self::get_many(self, keys, |_, value| {
            if let Some(value) = value {
                each(value);
            }
        });
        Ok(())
    }

    #[inline]
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError> {
        Self::put(self, key, value, Expiry::never())?;
        Ok(())
    }

    fn has_turned_over(&self) -> bool {
        let stats = self.stats();
        stats.blocks_reclaimed >= u64::from(stats.blocks.total)
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        let segment = self.clone();
        Some(Box::new(|| Ok(segment)))
    }
}
