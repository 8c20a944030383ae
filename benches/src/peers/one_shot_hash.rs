//! xxh3 of a key's bytes at once, for every map and cache that takes a hasher.
//!
//! The crate's own hasher keeps 576 bytes of state for keys that come in parts, which would slow the
//! peers down for nothing.

use std::hash::{BuildHasher, Hasher};

use xxhash_rust::xxh3::xxh3_64;

/// Builds `LastWrite`.
#[derive(Clone, Copy, Debug, Default)]
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
