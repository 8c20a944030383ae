//! The key stamp: what changed for the keys that share one word, told apart as far as 64 bits can.
//! (And the sizes of other regions of plain words: tag stamps, move counters, ghosts, sweep ranges.)
//!
//! ```text
//! 63               40 39                    8 7             0
//! | invalidations 24 | other writes 32       | last writer 8 |
//! ```
//!
//! `invalidate` adds to the high field, every other write of a key to the middle one, leaving eight
//! bits of its key's hash in the low one. A plain put compares only the high field. A fill requires
//! the word unchanged, or exactly one other write by a key whose eight bits differ from its own:
//! with puts at rate `r`, computations of time `t` and `n` words a fill is refused for nothing with
//! probability about `(r t / n)^2 / 2` instead of `r t / n`.
//!
//! Wrapping: a token also carries the invalidation clock, and is refused when that moved 2^24 or
//! more; the middle field needs 2^32 writes of one stamp inside one computation.

use super::{bits, mask};

/// layout: bytes of a key stamp, a tag stamp, a move counter
pub(crate) const STAMP_BYTES: usize = 8;
/// layout: bytes of a line of sixteen ghosts
pub(crate) const GHOST_LINE_BYTES: usize = 64;
/// layout: bytes of a sweep range's word
pub(crate) const SWEEP_RANGE_BYTES: usize = 8;

/// A key stamp; see the module's picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KeyStamp(pub(crate) u64);

/// The clock may move this far before a token is refused for its age.
pub(crate) const MAX_CLOCK_DISTANCE: u64 = 1 << 24;

/// What an invalidation adds.
pub(crate) const INVALIDATION: u64 = 1 << 40;

impl KeyStamp {
    #[inline]
    pub(crate) const fn invalidations(self) -> u64 {
        bits(self.0, 40, 24)
    }

    /// The stamp after a write of the key with `hash` that is not an invalidation.
    #[inline]
    pub(crate) const fn written(self, hash: u64) -> Self {
        let count = (bits(self.0, 8, 32) + 1) & mask(32);
        Self(self.0 & (mask(24) << 40) | count << 8 | writer_bits(hash))
    }

    /// Whether a computation for the key with `hash`, begun at `self`, is still current at `now`.
    #[inline]
    pub(crate) const fn allows_fill(self, now: Self, hash: u64) -> bool {
        if self.0 == now.0 {
            return true;
        }
        let one_write = self.invalidations() == now.invalidations()
            && bits(now.0, 8, 32) == (bits(self.0, 8, 32) + 1) & mask(32);
        one_write && bits(now.0, 0, 8) != writer_bits(hash)
    }
}

const fn writer_bits(hash: u64) -> u64 {
    bits(hash, 48, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: u64 = 0xaa << 48;
    const OTHER: u64 = 0xbb << 48;

    #[test]
    fn a_fill_is_refused_after_an_invalidation_or_a_write_of_its_own_key() {
        let token = KeyStamp(7 << 40 | 3 << 8 | 1);
        assert!(token.allows_fill(token, MINE));
        assert!(token.allows_fill(token.written(OTHER), MINE));
        assert!(!token.allows_fill(token.written(MINE), MINE));
        assert!(!token.allows_fill(token.written(OTHER).written(OTHER), MINE));
        assert!(!token.allows_fill(KeyStamp(token.0 + INVALIDATION), MINE));
    }

    #[test]
    fn fields_wrap_without_touching_each_other() {
        let full = KeyStamp(u64::MAX);
        assert_eq!(full.written(0).invalidations(), full.invalidations());
        assert_eq!(KeyStamp(full.0.wrapping_add(INVALIDATION)).invalidations(), 0);
    }
}
