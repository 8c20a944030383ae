//! Ghosts: hashes of keys that were evicted from the admission pool without a second read. A key
//! that comes back while remembered goes straight to the main pool (S3-FIFO, SOSP 2023).
//!
//! Lossy and without invariants: a line holds sixteen 32-bit ghosts `[fingerprint 20 | age 12]`, two
//! to a word, chosen by the key's hash; the oldest gives way. A ghost older than three turnovers of the
//! log is forgotten. Plain loads and stores; a lost one costs nothing.

use guira_shm::sync::{AtomicU64, Ordering};

use crate::key::reduce;
use crate::layout::control::CONTROL_SEAL_SEQUENCE;
use crate::layout::stamp::GHOST_LINE_BYTES;
use crate::shared::Shared;

const AGE_BITS: u32 = 12;
const AGE_MASK: u32 = (1 << AGE_BITS) - 1;
/// Turnovers after which a ghost counts no more. Its line usually drops it before: measured on real
/// traces, 1 loses up to 0.3 points of hits, and from 3 on nothing is gained.
const REMEMBERED_TURNOVERS: u64 = 3;
/// Ages per turnover of the log; the age field wraps after sixteen turnovers.
const AGES_PER_TURNOVER: u64 = 256;

impl Shared {
    /// Where the line is that [`Shared::take_ghost`] reads.
    #[inline]
    pub(crate) fn ghost_line(&self, hash: u64) -> usize {
        let line = reduce(hash.rotate_left(32), self.geometry.counts.ghost_lines as usize);
        self.geometry.ghosts + line * GHOST_LINE_BYTES
    }

    fn ghost_age(&self) -> u32 {
        let sequence = self.word(CONTROL_SEAL_SEQUENCE).load(Ordering::Relaxed);
        let age = sequence.saturating_mul(AGES_PER_TURNOVER) / u64::from(self.geometry.blocks());
        (age as u32) & AGE_MASK
    }

    /// Remembers that the key with `hash` was evicted unread.
    pub(crate) fn add_ghost(&self, hash: u64) {
        let now = self.ghost_age();
        let ghost = fingerprint(hash) | now;
        let line = self.ghost_line(hash);
        let mut oldest = (0, 0);
        for half in 0..16 {
            let current = self.ghost(line, half);
            if current == 0 || current & !AGE_MASK == ghost & !AGE_MASK {
                oldest = (u32::MAX, half);
                break;
            }
            let age = now.wrapping_sub(current) & AGE_MASK;
            if age >= oldest.0 {
                oldest = (age, half);
            }
        }
        self.set_ghost(line, oldest.1, ghost);
    }

    /// Whether the key with `hash` is remembered; it no longer is afterwards.
    pub(crate) fn take_ghost(&self, hash: u64) -> bool {
        let wanted = fingerprint(hash);
        let line = self.ghost_line(hash);
        let words: &[AtomicU64; GHOST_LINE_BYTES / 8] = self.region().words(line);
        // What is wanted is never zero, so no empty half is taken for it.
        let found = words.iter().enumerate().find_map(|(at, word)| {
            let word = word.load(Ordering::Relaxed);
            if word as u32 & !AGE_MASK == wanted {
                Some((at * 2, word as u32))
            } else if (word >> 32) as u32 & !AGE_MASK == wanted {
                Some((at * 2 + 1, (word >> 32) as u32))
            } else {
                None
            }
        });
        found.is_some_and(|(half, ghost)| {
            self.set_ghost(line, half, 0);
            let age = self.ghost_age().wrapping_sub(ghost) & AGE_MASK;
            u64::from(age) <= AGES_PER_TURNOVER * REMEMBERED_TURNOVERS
        })
    }

    fn ghost(&self, line: usize, half: usize) -> u32 {
        let word = self.word(line + half / 2 * 8).load(Ordering::Relaxed);
        (word >> (half % 2 * 32)) as u32
    }

    fn set_ghost(&self, line: usize, half: usize, ghost: u32) {
        let word = self.word(line + half / 2 * 8);
        let shift = half % 2 * 32;
        let others = word.load(Ordering::Relaxed) & !(0xffff_ffff << shift);
        word.store(others | u64::from(ghost) << shift, Ordering::Relaxed);
    }
}

/// Twenty bits of the hash above the age; never zero, so an empty half is no ghost.
const fn fingerprint(hash: u64) -> u32 {
    let bits = ((hash >> 20) as u32) & 0xf_ffff;
    (if bits == 0 { 1 } else { bits }) << AGE_BITS
}
