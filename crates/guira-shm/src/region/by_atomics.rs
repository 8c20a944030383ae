//! Byte copies of shared memory by relaxed atomics, for processors without an
//! `opaque` of their own and for Miri.
//!
//! Whole aligned words are moved as words, the ends as bytes.

use crate::sync::{AtomicU64, Ordering};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::AtomicU8;

/// A run of shared bytes inside a region.
#[derive(Clone, Copy)]
pub(super) struct SharedRun<'a> {
    start: *mut u8,
    len: usize,
    region: PhantomData<&'a ()>,
}

impl<'a> SharedRun<'a> {
    /// # Safety
    ///
    /// `len` bytes from `start` are mapped readable and writable for the
    /// lifetime of the run.
    #[inline]
    pub(super) unsafe fn new(start: *mut u8, len: usize) -> Self {
        SharedRun {
            start,
            len,
            region: PhantomData,
        }
    }

    pub(super) fn len(self) -> usize {
        self.len
    }

    pub(super) fn copy_out(self, dst: &mut [MaybeUninit<u8>]) {
        let mut at = 0;
        while at < self.len {
            if let Some(word) = self.word(at) {
                let bytes = word.load(Ordering::Relaxed).to_le_bytes();
                dst[at..at + 8].write_copy_of_slice(&bytes);
                at += 8;
            } else {
                dst[at].write(self.byte(at).load(Ordering::Relaxed));
                at += 1;
            }
        }
    }

    pub(super) fn copy_in(self, src: &[u8]) {
        let mut at = 0;
        while at < self.len {
            let chunk = src[at..].first_chunk::<8>();
            if let (Some(word), Some(bytes)) = (self.word(at), chunk) {
                word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
                at += 8;
            } else {
                self.byte(at).store(src[at], Ordering::Relaxed);
                at += 1;
            }
        }
    }

    pub(super) fn equals(self, expected: &[u8]) -> bool {
        let mut at = 0;
        while at < self.len {
            if let Some(word) = self.word(at) {
                if word.load(Ordering::Relaxed).to_le_bytes() != expected[at..at + 8] {
                    return false;
                }
                at += 8;
            } else {
                if self.byte(at).load(Ordering::Relaxed) != expected[at] {
                    return false;
                }
                at += 1;
            }
        }
        true
    }

    pub(super) fn zero(self) {
        let mut at = 0;
        while at < self.len {
            if let Some(word) = self.word(at) {
                word.store(0, Ordering::Relaxed);
                at += 8;
            } else {
                self.byte(at).store(0, Ordering::Relaxed);
                at += 1;
            }
        }
    }

    /// The word at `at`, if it is aligned and inside the run.
    #[inline]
    fn word(self, at: usize) -> Option<&'a AtomicU64> {
        let from = self.start.wrapping_add(at);
        if at + 8 > self.len || !from.cast::<u64>().is_aligned() {
            return None;
        }
        // SAFETY: in bounds and aligned by the check above; shared memory is reached by atomics only.
        Some(unsafe { AtomicU64::from_ptr(from.cast()) })
    }

    #[inline]
    fn byte(self, at: usize) -> &'a AtomicU8 {
        assert!(at < self.len);
        // SAFETY: in bounds by the check above; shared memory is reached by atomics only.
        unsafe { AtomicU8::from_ptr(self.start.wrapping_add(at)) }
    }
}
