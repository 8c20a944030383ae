//! A block's control word and its metadata line.
//!
//! # States
//!
//! ```text
//!            open                seal              claim              retire (generation + 1)
//!   FREE -----------> OPEN ------------> SEALED ----------> DRAIN ----------------> RETIRED
//!    ^  \               \                  ^                  |                        |
//!    |   \ claim a run   \ never used      | owner died       |   no pin names it      |
//!    |    v               v (generation+1) +------------------+                        |
//!    |  CLAIMED -> BODY   FREE                                                         |
//!    +---------------------------------------------------------------------------------+
//! ```
//!
//! | transition | who may make it |
//! |---|---|
//! | FREE -> OPEN | anyone; the word names the record of the opener |
//! | OPEN, owner -> OPEN, no owner | the opener, once the block is in a shared lane |
//! | OPEN -> SEALED | the owner; for a block without one anyone who closed its tail; recovery of the owner |
//! | OPEN -> FREE, generation + 1 | the opener, if it lost the race for the lane (nothing was written) |
//! | SEALED -> DRAIN | anyone; the word names the record of the drainer |
//! | DRAIN -> SEALED | recovery of the drainer (or the drainer itself, giving up) |
//! | DRAIN -> RETIRED, generation + 1 | the drainer |
//! | RETIRED -> CLAIMED | anyone who saw no pin on it and finds it is the head of a run |
//! | RETIRED -> FREE | anyone who saw no pin on it after the generation changed |
//! | FREE -> CLAIMED | anyone building a run; the word names its record |
//! | CLAIMED -> BODY | the claimer; the blocks after the first of a run |
//! | CLAIMED -> OPEN | the claimer; the head of a finished run |
//! | CLAIMED, BODY -> FREE, generation + 1 | the claimer of the head, or recovery of it |
//!
//! Each is one compare-and-swap of the whole word, so a word that was read long ago never wins.
//! A word whose state field holds an unknown value is skipped by everybody (`verify` reports it).

use super::record::LineOwner;
use super::{bits, mask};

/// layout: bytes of a block's control word
pub(crate) const BLOCK_WORD_BYTES: usize = 8;
/// layout: bytes of a block's metadata line
pub(crate) const BLOCK_META_BYTES: usize = 64;
/// layout: metadata: tail word, generation 32, closed 1, used bytes / 16
pub(crate) const META_TAIL: usize = 0;
/// layout: metadata: live entries 32 and live bytes / 16 in 32 bits
pub(crate) const META_LIVE: usize = 8;
/// layout: metadata: seal sequence, order of the FIFO
pub(crate) const META_SEALED_AT: usize = 16;
/// layout: metadata: latest hard deadline of its entries, segment milliseconds
pub(crate) const META_EXPIRES_MS: usize = 24;
/// layout: metadata: run length, generation 32 and blocks 32, in the head
pub(crate) const META_SPAN: usize = 32;
/// layout: metadata: generation 32 and index 32 of the head, in a body block
pub(crate) const META_HEAD: usize = 40;
/// layout: metadata: sweep epoch 32 and generation 32 the wrap rule counts from
pub(crate) const META_SWEEP_BASE: usize = 48;
/// layout: metadata: when it was opened, segment milliseconds
pub(crate) const META_OPENED_MS: usize = 56;

/// What a block is being used for; see the module's picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BlockState {
    Free,
    Open,
    Sealed,
    Drain,
    Retired,
    Claimed,
    Body,
    /// A value that no version of this layout writes.
    Damaged,
}

impl BlockState {
    const fn from_bits(value: u64) -> Self {
        match value {
            0 => Self::Free,
            1 => Self::Open,
            2 => Self::Sealed,
            3 => Self::Drain,
            4 => Self::Retired,
            5 => Self::Claimed,
            6 => Self::Body,
            _ => Self::Damaged,
        }
    }

    const fn to_bits(self) -> u64 {
        match self {
            Self::Free => 0,
            Self::Open => 1,
            Self::Sealed => 2,
            Self::Drain => 3,
            Self::Retired => 4,
            Self::Claimed => 5,
            Self::Body => 6,
            Self::Damaged => 15,
        }
    }
}

/// Which queue of S3-FIFO a block belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pool {
    /// New entries; a tenth of the blocks.
    Admission,
    /// Entries that were read again, or came back while remembered as a ghost.
    Main,
}

/// `[zero 8 | owner 12 | class 6 | pool 2 | state 4 | generation 32]`, high to low.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockWord(pub(crate) u64);

impl BlockWord {
    #[inline]
    pub(crate) const fn new(generation: u32, state: BlockState) -> Self {
        Self(generation as u64 | state.to_bits() << 32)
    }

    #[inline]
    pub(crate) const fn generation(self) -> u32 {
        self.0 as u32
    }

    #[inline]
    pub(crate) const fn state(self) -> BlockState {
        BlockState::from_bits(bits(self.0, 32, 4))
    }

    /// OPEN, SEALED or DRAIN: entries of this generation may be read.
    #[inline]
    pub(crate) const fn is_readable(self) -> bool {
        let state = bits(self.0, 32, 4);
        state >= 1 && state <= 3
    }

    #[inline]
    pub(crate) const fn pool(self) -> Pool {
        if bits(self.0, 36, 2) == 0 {
            Pool::Admission
        } else {
            Pool::Main
        }
    }

    /// Lifetime class of a block of the main pool.
    #[inline]
    pub(crate) const fn class(self) -> u8 {
        bits(self.0, 38, 6) as u8
    }

    /// Index of the attach record that owns the block in this state, if any does.
    #[inline]
    pub(crate) const fn owner(self) -> Option<u16> {
        match bits(self.0, 44, 12) as u16 {
            0 => None,
            index_plus_one => Some(index_plus_one - 1),
        }
    }

    #[inline]
    pub(crate) const fn with_state(self, state: BlockState) -> Self {
        Self(self.0 & !(mask(4) << 32) | state.to_bits() << 32)
    }

    #[inline]
    pub(crate) const fn with_pool(self, pool: Pool, class: u8) -> Self {
        let pool = match pool {
            Pool::Admission => 0,
            Pool::Main => 1,
        };
        Self(self.0 & !(mask(8) << 36) | pool << 36 | (class as u64 & mask(6)) << 38)
    }

    /// The low bits of the owner's incarnation: a recovery that comes late tells a new owner of the
    /// same record from the dead one.
    #[inline]
    pub(crate) const fn owner_incarnation(self) -> u8 {
        bits(self.0, 56, 8) as u8
    }

    #[inline]
    pub(crate) const fn with_owner(self, owner: LineOwner) -> Self {
        let record = match owner.record() {
            None => 0,
            Some(index) => (index as u64 + 1) & mask(12),
        };
        Self(self.without_owner().0 | record << 44 | (owner.incarnation() as u64 & mask(8)) << 56)
    }

    #[inline]
    pub(crate) const fn without_owner(self) -> Self {
        Self(self.0 & mask(44))
    }

    /// The same block, one incarnation later, without owner, pool or class.
    #[inline]
    pub(crate) const fn next_generation(self, state: BlockState) -> Self {
        Self::new(self.generation().wrapping_add(1), state)
    }
}

impl core::fmt::Debug for BlockWord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "Block({:?} generation {} {:?} class {} owner {:?})",
            self.state(),
            self.generation(),
            self.pool(),
            self.class(),
            self.owner()
        )
    }
}

/// How far a block is written: `[generation 32 | closed 1 | used bytes / 16, 31]`.
///
/// The tail is the arbiter of reservations: space is taken by advancing it, and sealing closes it
/// first, so nobody can append to a block after it was sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tail(pub(crate) u64);

impl Tail {
    #[inline]
    pub(crate) const fn new(generation: u32, used_bytes: usize) -> Self {
        Self((generation as u64) << 32 | (used_bytes / 16) as u64 & mask(31))
    }

    #[inline]
    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    pub(crate) const fn is_closed(self) -> bool {
        bits(self.0, 31, 1) == 1
    }

    #[inline]
    pub(crate) const fn used_bytes(self) -> usize {
        bits(self.0, 0, 31) as usize * 16
    }

    #[inline]
    pub(crate) const fn closed(self) -> Self {
        Self(self.0 | 1 << 31)
    }

    #[inline]
    pub(crate) const fn advanced(self, bytes: usize) -> Self {
        Self(self.0 + (bytes / 16) as u64)
    }
}

/// Live entries and bytes of a block: `[entries 32 | bytes / 16, 32]`. A killed process may leave it too
/// high by its last operation, never too low; it starts anew with the block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Live(pub(crate) u64);

impl Live {
    /// What one entry of `bytes` adds.
    #[inline]
    pub(crate) const fn of_entry(bytes: usize) -> Self {
        Self(1 << 32 | (bytes / 16) as u64)
    }

    pub(crate) const NONE: Self = Self(0);

    /// Both together.
    #[inline]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Saturated at zero where the drift of killed processes made it negative.
    #[inline]
    pub(crate) const fn entries(self) -> u32 {
        let entries = (self.0 >> 32) as u32;
        if entries > u32::MAX / 2 { 0 } else { entries }
    }

    #[inline]
    pub(crate) const fn bytes(self) -> usize {
        let units = self.0 as u32;
        if units > u32::MAX / 2 {
            0
        } else {
            units as usize * 16
        }
    }
}

/// `[generation 32 | value 32]`: a metadata field that counts only for one incarnation.
#[inline]
pub(crate) const fn tagged(generation: u32, value: u32) -> u64 {
    (generation as u64) << 32 | value as u64
}
