//! One 8-byte word of the index: a hint that an entry may be at a location.
//!
//! ```text
//! 63        48 47           36 35                                   0
//! |  tag 16   | generation 12 | location 36 (16-byte units, from file start) |
//! ```
//!
//! A slot proves nothing by itself: the entry it names is present only if the block still has the
//! slot's generation and the entry's own state word says LIVE. Duplicate, stale and dangling slots
//! are harmless. The zero word is an empty slot; location 0 is inside the superblock and so never
//! an entry.

use super::{bits, mask};

/// layout: bytes of a bucket, one cache line of eight slots
pub(crate) const BUCKET_BYTES: usize = 64;
/// layout: slots of a bucket
pub(crate) const BUCKET_SLOTS: usize = 8;
/// layout: width of the location field of a slot
pub(crate) const LOCATION_BITS: usize = 36;
/// layout: width of the generation field of a slot
pub(crate) const GENERATION_BITS: usize = 12;
/// layout: width of the tag field of a slot
pub(crate) const TAG_BITS: usize = 16;
/// layout: bytes of the unit in which locations count
pub(crate) const LOCATION_UNIT: usize = 16;

const _: () = assert!(TAG_BITS + GENERATION_BITS + LOCATION_BITS == 64);

/// Where an entry begins: 16-byte units from the start of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub(crate) struct Location(pub(crate) u64);

impl Location {
    #[inline]
    pub(crate) const fn from_offset(offset_bytes: usize) -> Self {
        Self((offset_bytes / LOCATION_UNIT) as u64)
    }

    #[inline]
    pub(crate) const fn offset(self) -> usize {
        self.0 as usize * LOCATION_UNIT
    }

    /// `bytes` further on.
    #[inline]
    pub(crate) const fn behind(self, bytes: usize) -> Self {
        Self::from_offset(self.offset() + bytes)
    }
}

/// A slot of the index; see the module's picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u64);

impl Slot {
    pub(crate) const EMPTY: Self = Self(0);

    #[inline]
    pub(crate) const fn new(tag: u16, generation: u16, location: Location) -> Self {
        Self(
            (tag as u64) << (LOCATION_BITS + GENERATION_BITS)
                | (generation as u64 & mask(GENERATION_BITS as u32)) << LOCATION_BITS
                | (location.0 & mask(LOCATION_BITS as u32)),
        )
    }

    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) const fn tag(self) -> u16 {
        (self.0 >> (LOCATION_BITS + GENERATION_BITS)) as u16
    }

    /// The low bits of the generation of the block that held the entry when it was linked.
    #[inline]
    pub(crate) const fn generation(self) -> u16 {
        bits(self.0, LOCATION_BITS as u32, GENERATION_BITS as u32) as u16
    }

    #[inline]
    pub(crate) const fn location(self) -> Location {
        Location(bits(self.0, 0, LOCATION_BITS as u32))
    }
}

impl core::fmt::Debug for Slot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "Slot(tag {:#06x} generation {} location {:#x})",
            self.tag(),
            self.generation(),
            self.location().0
        )
    }
}
