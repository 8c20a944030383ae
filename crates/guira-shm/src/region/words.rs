//! Words that are asked for all the time: found and checked once, then reached by their number.
//!
//! [`Region::word`] checks an offset at every access. A handle from here checks what is left to be wrong: a
//! number that only the running program knows. Each keeps the region alive by itself.

use super::Region;
use crate::sync::AtomicU64;
use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

/// `N` words, one after another.
#[derive(Clone)]
pub struct Words<const N: usize> {
    first: NonNull<[AtomicU64; N]>,
    _owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: as for `Region`: the memory belongs to the owner (Send + Sync) and is reached as atomics only.
unsafe impl<const N: usize> Send for Words<N> {}
// SAFETY: as for Send.
unsafe impl<const N: usize> Sync for Words<N> {}

impl<const N: usize> Deref for Words<N> {
    type Target = [AtomicU64; N];

    #[inline(always)]
    fn deref(&self) -> &[AtomicU64; N] {
        // SAFETY: `Region::hold_words` found the words inside the region, 8-aligned; the owner keeps them
        // alive; shared words are accessed atomically only.
        unsafe { self.first.as_ref() }
    }
}

impl<const N: usize> fmt::Debug for Words<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words<{N}>")
    }
}

/// A row of words, as many as the running program knows.
#[derive(Clone)]
pub struct WordRow {
    first: NonNull<AtomicU64>,
    len: usize,
    _owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: as for `Words`.
unsafe impl Send for WordRow {}
// SAFETY: as for Send.
unsafe impl Sync for WordRow {}

impl WordRow {
    /// The word of that number.
    ///
    /// # Panics
    ///
    /// When the row is not as long.
    #[inline(always)]
    pub fn word(&self, number: usize) -> &AtomicU64 {
        if number >= self.len {
            beyond("word", number, self.len);
        }
        // SAFETY: inside the row, as just checked, and the row is inside the region.
        let at = unsafe { self.first.add(number) };
        // SAFETY: 8-aligned and alive while the owner is; shared words are accessed atomically only.
        unsafe { at.as_ref() }
    }
}

impl fmt::Debug for WordRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WordRow").field("len", &self.len).finish()
    }
}

#[cold]
#[inline(never)]
pub(super) fn beyond(what: &str, number: usize, len: usize) -> ! {
    panic!("{what} {number} of a row of {len}");
}

impl Region {
    /// The `N` words from `offset_bytes`, for ever.
    ///
    /// # Panics
    ///
    /// When a word is not inside the region or the offset is no multiple of 8.
    pub fn hold_words<const N: usize>(&self, offset_bytes: usize) -> Words<N> {
        Words {
            first: NonNull::from(self.words(offset_bytes)),
            _owner: Arc::clone(&self.owner),
        }
    }

    /// The row of `len` words from `offset_bytes`, for ever.
    ///
    /// # Panics
    ///
    /// When a word is not inside the region or the offset is no multiple of 8.
    pub fn hold_row(&self, offset_bytes: usize, len: usize) -> WordRow {
        let first = self.aligned_run::<8>(offset_bytes, len);
        WordRow {
            first: first.cast(),
            len,
            _owner: Arc::clone(&self.owner),
        }
    }

    pub(super) fn aligned_run<const UNIT: usize>(&self, offset_bytes: usize, len: usize) -> NonNull<u8> {
        if !offset_bytes.is_multiple_of(UNIT) {
            super::misaligned(offset_bytes, UNIT);
        }
        let first = self.at(offset_bytes, len.saturating_mul(UNIT));
        NonNull::new(first).expect("the region begins behind the zero address")
    }
}
