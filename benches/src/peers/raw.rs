//! The raw loop: what the machine allows a look-up through a mapped file.
//!
//! The key's hash, one word of a line of slots, one copy from where it points; to store, the value
//! is copied to its place without a look at the slot. No key is compared, nobody else is minded, and
//! keys that share a slot share a value: a limit, not a cache.

use std::path::Path;

use guira_shm::file::{CreateOptions, OpenRules, create_unnamed, open_checked};
use guira_shm::region::Region;
use xxhash_rust::xxh3::xxh3_64;

use super::{Cache, Holding, MakeSibling};
use crate::error::BenchError;

const SLOT_BYTES: usize = 8;
const LINE_BYTES: usize = 64;
/// Keys of a batch that are under way at once.
const WINDOW: usize = 16;

/// Slots, then values, in one mapped file.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    region: Region,
    slots: usize,
    stride_bytes: usize,
    value_bytes: usize,
}

impl Raw {
    /// Makes the file with the value of every key.
    pub(crate) fn create(path: &Path, holding: Holding) -> Result<(), BenchError> {
        let slots = slots_for(holding.keys);
        let size = values_offset(slots) + slots * stride_bytes(holding);
        let pending = create_unnamed(path, &CreateOptions::new(size.next_multiple_of(4096) as u64))?;
        let region = pending.map().region();
        for slot in 0..slots {
            let offset = values_offset(slots) + slot * stride_bytes(holding);
            region.write_u64(slot * SLOT_BYTES, offset as u64);
        }
        let mut raw = Self {
            region: region.clone(),
            slots,
            stride_bytes: stride_bytes(holding),
            value_bytes: holding.value_bytes,
        };
        holding.fill(&mut raw)?;
        pending.publish(path)?;
        Ok(())
    }

    /// Maps the file that `create` made, on huge pages if asked for.
    pub(crate) fn open(path: &Path, holding: Holding, huge_pages: bool) -> Result<Self, BenchError> {
        let rules = OpenRules {
            allow_group_write: false,
            writable: true,
        };
        let open = open_checked(path, &rules)?;
        let len_bytes = open.len_bytes()?;
        let file = open.map(len_bytes)?;
        let all = 0..file.region().len();
        if huge_pages {
            file.collapse_huge(all.clone());
        }
        file.populate(all)?;
        Ok(Self {
            region: file.region().clone(),
            slots: slots_for(holding.keys),
            stride_bytes: stride_bytes(holding),
            value_bytes: holding.value_bytes,
        })
    }

    /// Where the slot of `key` says that its value lies.
    #[inline]
    fn find(&self, key: &[u8]) -> usize {
        self.region.read_u64(slot_of(key, self.slots) * SLOT_BYTES) as usize
    }
}

impl Cache for Raw {
    #[inline]
    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        copy.clear();
        let offset = self.find(key);
        self.region.append_to(offset, self.value_bytes, copy);
        Ok(true)
    }

    #[inline]
    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
        let region = &self.region;
        let byte = |offset: usize| (region.read_u32(offset & !3) >> (offset % 4 * 8)) as u8;
        let offset = self.find(key);
        Ok(Some([byte(offset), byte(offset + self.value_bytes - 1)]))
    }

    /// The latencies of a window of keys overlap: slots first, then values, then copies.
    #[inline]
    fn get_many(
        &mut self,
        keys: &[&[u8]],
        copy: &mut Vec<u8>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), BenchError> {
        let region = &self.region;
        for keys in keys.chunks(WINDOW) {
            let mut offsets = [0; WINDOW];
            for (offset, key) in offsets.iter_mut().zip(keys) {
                *offset = slot_of(key, self.slots) * SLOT_BYTES;
                region.prefetch(*offset);
            }
            for offset in &mut offsets[..keys.len()] {
                *offset = region.read_u64(*offset) as usize;
                for line in (*offset..*offset + self.value_bytes)
                    .step_by(LINE_BYTES)
                    .take(WINDOW)
                {
                    region.prefetch(line);
                }
            }
            for offset in &offsets[..keys.len()] {
                copy.clear();
                region.append_to(*offset, self.value_bytes, copy);
                each(copy);
            }
        }
        Ok(())
    }

    #[inline]
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError> {
        let offset = values_offset(self.slots) + slot_of(key, self.slots) * self.stride_bytes;
        self.region.copy_in(offset, value);
        Ok(())
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        let raw = self.clone();
        Some(Box::new(|| Ok(raw)))
    }
}

fn slots_for(keys: usize) -> usize {
    keys.next_power_of_two()
}

/// A value begins a line of the processor's cache, and so touches as few of them as can be.
fn stride_bytes(holding: Holding) -> usize {
    holding.longest_value_bytes.next_multiple_of(LINE_BYTES)
}

/// Where values begin: on a page.
#[inline]
fn values_offset(slots: usize) -> usize {
    (slots * SLOT_BYTES).next_multiple_of(4096)
}

#[inline]
fn slot_of(key: &[u8], slots: usize) -> usize {
    xxh3_64(key) as usize & (slots - 1)
}
