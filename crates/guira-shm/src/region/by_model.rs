//! Byte copies for the model checker: over whole words, for it knows nothing smaller.
//!
//! A word of which a run covers a part is read and, for a write, changed at once, so that neighbours
//! keep their bytes.

use crate::sync::{AtomicU64, Ordering};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

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
    /// `len` bytes from `start`, rounded out to whole words, are mapped readable and writable for the
    /// lifetime of the run.
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
        for (at, skip, len) in self.pieces() {
            let bytes = self.word(at, skip).load(Ordering::Relaxed).to_le_bytes();
            dst[at..at + len].write_copy_of_slice(&bytes[skip..skip + len]);
        }
    }

    pub(super) fn copy_in(self, src: &[u8]) {
        self.write(|at| src[at]);
    }

    pub(super) fn equals(self, expected: &[u8]) -> bool {
        self.pieces().all(|(at, skip, len)| {
            let bytes = self.word(at, skip).load(Ordering::Relaxed).to_le_bytes();
            bytes[skip..skip + len] == expected[at..at + len]
        })
    }

    pub(super) fn zero(self) {
        self.write(|_| 0);
    }

    /// Makes the memory hold what the checker's words hold, for a view of the bytes themselves.
    pub(super) fn settle(self) {
        for (at, skip, _) in self.pieces() {
            self.word(at, skip).settle();
        }
    }

    fn write(self, byte: impl Fn(usize) -> u8) {
        for (at, skip, len) in self.pieces() {
            let word = self.word(at, skip);
            let mut now = if len == 8 { 0 } else { word.load(Ordering::Relaxed) };
            loop {
                let mut bytes = now.to_le_bytes();
                (0..len).for_each(|index| bytes[skip + index] = byte(at + index));
                let new = u64::from_le_bytes(bytes);
                if len == 8 {
                    word.store(new, Ordering::Relaxed);
                    break;
                }
                match word.compare_exchange(now, new, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(_) if std::thread::panicking() => break,
                    Err(other) => now = other,
                }
            }
        }
    }

    /// The run word by word: where in the run, how many bytes of the word lie before it, how many in it.
    fn pieces(self) -> impl Iterator<Item = (usize, usize, usize)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= self.len {
                return None;
            }
            let skip = self.start.addr().wrapping_add(at) % 8;
            let piece = (at, skip, (8 - skip).min(self.len - at));
            at += piece.2;
            Some(piece)
        })
    }

    fn word(self, at: usize, skip: usize) -> &'a AtomicU64 {
        assert!(at < self.len);
        let word = self.start.wrapping_add(at).wrapping_sub(skip).cast();
        // SAFETY: aligned, for `skip` was taken off; inside the region, which is of whole words;
        // shared memory is reached by atomics only.
        unsafe { AtomicU64::from_ptr(word) }
    }
}
