//! The raw loop: what the machine allows a look-up through a mapped file.
//!
//! The key's hash, one word of a line of slots, one copy from where it points. No key is compared,
//! nobody else is minded, and keys that share a slot share a value: a limit, not a cache.

use std::path::Path;

use guira_shm::file::{CreateOptions, MappedFile, OpenRules, create_unnamed, open_checked};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::BenchError;
use crate::peers::Reader;
use crate::workload::{VALUE_BYTES, value, write_key};

const SLOT_BYTES: usize = 8;
/// Values lie as close as entries of a cache would.
const VALUE_STRIDE_BYTES: usize = VALUE_BYTES.next_multiple_of(16);

/// Slots, then values, in one mapped file.
#[derive(Debug)]
pub(crate) struct Raw {
    file: MappedFile,
    slots: usize,
}

impl Raw {
    /// Makes the file with the values of `keys` keys.
    pub(crate) fn create(path: &Path, keys: usize) -> Result<(), BenchError> {
        let slots = slots_for(keys);
        let size = slots * SLOT_BYTES + keys * VALUE_STRIDE_BYTES;
        let pending = create_unnamed(path, &CreateOptions::new(size.next_multiple_of(4096) as u64))?;
        let region = pending.map().region();
        let mut key = Vec::new();
        for index in 0..keys {
            let offset = slots * SLOT_BYTES + index * VALUE_STRIDE_BYTES;
            region.copy_in(offset, &value(index));
            write_key(index, &mut key);
            region.write_u64(slot_offset(&key, slots), offset as u64);
        }
        pending.publish(path)?;
        Ok(())
    }

    /// Maps the file that `create` made, on huge pages if asked for.
    pub(crate) fn open(path: &Path, keys: usize, huge_pages: bool) -> Result<Self, BenchError> {
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
            file,
            slots: slots_for(keys),
        })
    }
}

impl Reader for Raw {
    #[inline]
    fn read(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        let region = self.file.region();
        let offset = region.read_u64(slot_offset(key, self.slots)) as usize;
        copy.clear();
        region.append_to(offset, VALUE_BYTES, copy);
        Ok(true)
    }
}

fn slots_for(keys: usize) -> usize {
    keys.next_power_of_two()
}

#[inline]
fn slot_offset(key: &[u8], slots: usize) -> usize {
    (xxh3_64(key) as usize & (slots - 1)) * SLOT_BYTES
}
