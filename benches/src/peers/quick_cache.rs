//! `quick_cache`: a concurrent cache inside one process, among the fastest there are.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};
use xxhash_rust::xxh3::xxh3_64;

use super::Reader;
use crate::error::BenchError;
use crate::workload::{VALUE_BYTES, value, write_key};

/// How values lie in the cache.
pub(crate) trait Stored: Clone {
    fn from_value(value: [u8; VALUE_BYTES]) -> Self;
    fn as_bytes(&self) -> &[u8];
}

/// As values of any length do: behind a counted pointer, copied out afterwards.
impl Stored for Arc<[u8]> {
    fn from_value(value: [u8; VALUE_BYTES]) -> Self {
        Self::from(value.as_slice())
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        self
    }
}

/// As only values of one length can: inside the entry, copied out under its lock.
impl Stored for [u8; VALUE_BYTES] {
    fn from_value(value: [u8; VALUE_BYTES]) -> Self {
        value
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        self
    }
}

type Entries<V> = Cache<Box<[u8]>, V, UnitWeighter, OneShotXxh3, DefaultLifecycle<Box<[u8]>, V>>;

/// A cache with room for half as many keys again as it holds, so that none is evicted.
pub(crate) struct QuickCache<V> {
    entries: Entries<V>,
}

impl<V: Stored> QuickCache<V> {
    /// A cache with the values of `keys` keys.
    pub(crate) fn filled(keys: usize) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(keys + keys / 2)
            .weight_capacity((keys + keys / 2) as u64)
            .build()
            .expect("both capacities are set");
        let entries = Cache::with_options(options, UnitWeighter, OneShotXxh3, DefaultLifecycle::default());
        let mut key = Vec::new();
        for index in 0..keys {
            write_key(index, &mut key);
            entries.insert(key.as_slice().into(), V::from_value(value(index)));
        }
        Self { entries }
    }
}

impl<V> fmt::Debug for QuickCache<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("QuickCache").finish_non_exhaustive()
    }
}

impl<V: Stored> Reader for QuickCache<V> {
    #[inline]
    fn read(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        copy.clear();
        let Some(value) = self.entries.get(key) else {
            return Ok(false);
        };
        copy.extend_from_slice(value.as_bytes());
        Ok(true)
    }
}

/// xxh3 of the key's bytes at once. The crate's own hasher keeps 576 bytes of state for keys in
/// parts, which would slow the peer down for nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneShotXxh3;

/// The hash of the last bytes written.
#[derive(Debug)]
pub(crate) struct LastWrite(u64);

impl BuildHasher for OneShotXxh3 {
    type Hasher = LastWrite;

    #[inline]
    fn build_hasher(&self) -> LastWrite {
        LastWrite(0)
    }
}

impl Hasher for LastWrite {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    /// The length that slices write before their bytes; the hash of the bytes covers it.
    #[inline]
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
