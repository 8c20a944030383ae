//! What takes part in a measurement, each behind the same small trait.

mod dash_map;
mod foyer;
pub(crate) mod guira;
mod hash_map;
pub(crate) mod lmdb;
mod locked_map;
pub(crate) mod memcached;
mod moka;
mod one_shot_hash;
mod papaya;
mod present;
mod quick_cache;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod server;
mod subject;
mod visit;

pub(crate) use one_shot_hash::OneShotXxh3;
pub(crate) use present::{installed, named_or_all};
pub(crate) use subject::{Peer, Subject};
pub(crate) use visit::{Visit, open_peer};

use crate::error::BenchError;
use crate::workload::{Values, write_key};

/// Bytes as a map keeps them: allocated once, as long as they are.
pub(crate) type Bytes = Box<[u8]>;

/// Makes one more handle to a cache, in the thread that will use it.
pub(crate) type MakeSibling<C> = Box<dyn FnOnce() -> Result<C, BenchError> + Send>;

/// A handle to something that keeps values under keys.
pub(crate) trait Cache: Sized + 'static {
    /// Whether each operation is a trip to another process: the clock is then looked at more often.
    const IS_SERVER: bool = false;

    /// Replaces `copy` by the value of `key`; false if there is none.
    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError>;

    /// The first and the last byte of the value, read where it lies.
    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError>;

    /// Calls `each` with the value of every key that has one; a loop, where there is nothing better.
    #[inline]
    fn get_many(
        &mut self,
        keys: &[&[u8]],
        copy: &mut Vec<u8>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), BenchError> {
        for key in keys {
            if self.get(key, copy)? {
                each(copy);
            }
        }
        Ok(())
    }

    /// Stores `value` under `key`, in place of what is there.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError>;

    /// Whether everything that was there at first has been written over; true where nothing wears on.
    fn has_turned_over(&self) -> bool {
        true
    }

    /// How another thread gets a handle; `None` where only one thread can use the cache.
    fn sibling(&self) -> Option<MakeSibling<Self>>;
}

/// How much a cache is to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    pub(crate) keys: usize,
    pub(crate) value_bytes: usize,
    /// The longest value, where they differ.
    pub(crate) longest_value_bytes: usize,
    /// Entries there is room for, in caches that evict.
    pub(crate) capacity_entries: usize,
}

impl Holding {
    /// Stores the first value of every key.
    pub(crate) fn fill(self, cache: &mut impl Cache) -> Result<(), BenchError> {
        let values = Values::new(self.longest_value_bytes);
        let mut key = Vec::new();
        for index in 0..self.keys {
            write_key(index, &mut key);
            cache.put(&key, values.value(index, self.value_bytes))?;
        }
        Ok(())
    }
}
