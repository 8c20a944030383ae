//! A run of bytes whose place was checked once, for whoever takes several looks at it: what is left to be
//! checked at each look is often known to the compiler.

use super::{Region, SharedRun, misaligned};
use crate::sync::AtomicU64;
use std::marker::PhantomData;

/// Bytes of a region from a multiple of 8 on.
#[derive(Clone, Copy, Debug)]
pub struct Span<'r> {
    start: *mut u8,
    len: usize,
    region: PhantomData<&'r Region>,
}

impl Region {
    /// The `len_bytes` bytes from `offset_bytes`.
    ///
    /// # Panics
    ///
    /// When they are not all inside the region, or the offset is no multiple of 8.
    #[inline(always)]
    pub fn span(&self, offset_bytes: usize, len_bytes: usize) -> Span<'_> {
        if !offset_bytes.is_multiple_of(8) {
            misaligned(offset_bytes, 8);
        }
        Span {
            start: self.at(offset_bytes, len_bytes),
            len: len_bytes,
            region: PhantomData,
        }
    }
}

impl<'r> Span<'r> {
    /// Its first `N` words.
    ///
    /// # Panics
    ///
    /// When it is not as long.
    #[inline(always)]
    pub fn words<const N: usize>(self) -> &'r [AtomicU64; N] {
        let at = self.at(0, N * 8).cast::<[AtomicU64; N]>();
        // SAFETY: `at` checked the bounds; the region begins on a page and the span on a word of it;
        // shared words are accessed atomically only.
        unsafe { &*at }
    }

    /// Whether its bytes from `at_bytes` on are `expected`.
    ///
    /// # Panics
    ///
    /// When it is not as long.
    #[inline(always)]
    pub fn equals(self, at_bytes: usize, expected: &[u8]) -> bool {
        self.run(at_bytes, expected.len()).equals(expected)
    }

    /// Appends `len_bytes` of its bytes from `at_bytes` on to `out`, which grows once.
    ///
    /// # Panics
    ///
    /// When it is not as long; `out` is then unchanged.
    #[inline(always)]
    pub fn append_to(self, at_bytes: usize, len_bytes: usize, out: &mut Vec<u8>) {
        self.run(at_bytes, len_bytes).append_to(out);
    }

    #[inline(always)]
    fn run(self, at_bytes: usize, len_bytes: usize) -> SharedRun<'r> {
        let at = self.at(at_bytes, len_bytes);
        // SAFETY: `at` checked that the run lies in the span, and the span in the region.
        unsafe { SharedRun::new(at, len_bytes) }
    }

    #[inline(always)]
    fn at(self, at_bytes: usize, len_bytes: usize) -> *mut u8 {
        if len_bytes > self.len || at_bytes > self.len - len_bytes {
            beyond(at_bytes, len_bytes, self.len);
        }
        // SAFETY: `at_bytes <= self.len`, so the pointer stays inside the span (or at its end).
        unsafe { self.start.add(at_bytes) }
    }
}

#[cold]
#[inline(never)]
fn beyond(at_bytes: usize, len_bytes: usize, span_bytes: usize) -> ! {
    panic!("{len_bytes} bytes at {at_bytes} are outside the span of {span_bytes} bytes");
}
