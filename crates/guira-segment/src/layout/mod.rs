//! The byte-level contract of a segment, as constants and packed words.
//!
//! This folder never touches memory: it says where things are and what their bits mean. The same
//! words in the same order stand in `shm-layout.md`; `cargo xtask tidy` compares every constant
//! whose documentation begins with `layout:` with the tables there, and a golden-bytes test
//! (`golden.rs`) compares encoded structures with bytes written down once.
//!
//! Everything that processes share is an aligned 8-byte little-endian word, read and written as
//! an atomic, except keys, values and tag names, which are bytes inside an entry. No pointers, no
//! Rust enums, no `bool`: every bit pattern of every word decodes to something.

pub(crate) mod block;
pub(crate) mod coherence;
pub(crate) mod control;
pub(crate) mod entry;
pub(crate) mod flight;
pub(crate) mod geometry;
#[cfg(test)]
mod golden;
pub(crate) mod journal;
pub(crate) mod namespace;
pub(crate) mod record;
pub(crate) mod slot;
pub(crate) mod stamp;
pub(crate) mod superblock;

/// Bits `[shift, shift + width)` of a word.
#[inline]
pub(crate) const fn bits(word: u64, shift: u32, width: u32) -> u64 {
    (word >> shift) & mask(width)
}

/// A mask of `width` low bits.
#[inline]
pub(crate) const fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}
