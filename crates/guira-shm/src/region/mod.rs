//! A region: memory shared by processes, seen as 8-byte words and runs of bytes.
//!
//! Words are atomics. Bytes are copied in and out by accesses that the compiler
//! may not reason about (`opaque` on x86-64, `by_atomics` elsewhere): a
//! protocol that copies first and validates afterwards reads bytes that another
//! process may be writing, and must get some bytes rather than undefined
//! behaviour. What the bytes mean is decided by the caller's validation.
//!
//! An offset outside the region is a bug of the caller, never data: every
//! access checks its bounds and panics. Offsets that come out of shared memory
//! are checked by the caller before they get here.
//!
//! A sanitizer does not see what `opaque` does. `cargo xtask sanitize` builds
//! with `--cfg guira_plain_copies`, which takes `by_atomics` on every machine.

#[cfg(all(not(guira_model), any(miri, guira_plain_copies, not(target_arch = "x86_64"))))]
mod by_atomics;
#[cfg(guira_points)]
mod by_halves;
#[cfg(guira_model)]
mod by_model;
#[cfg(all(test, any(miri, guira_plain_copies)))]
mod canary;
mod lines;
#[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
mod opaque;
mod span;
#[cfg(test)]
mod tests;
mod within;
mod words;

#[cfg(all(not(guira_model), any(miri, guira_plain_copies, not(target_arch = "x86_64"))))]
use by_atomics::SharedRun;
#[cfg(guira_model)]
use by_model::SharedRun;
#[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
use opaque::SharedRun;

pub use lines::LineRow;
pub use span::Span;
pub use words::{WordRow, Words};

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::any::Any;
use std::fmt;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::Arc;

/// Alignment of every region's first byte.
pub const REGION_ALIGN_BYTES: usize = 4096;

/// Memory shared by processes (or, for tests, by threads).
///
/// Every access is bounds-checked and panics outside the region. A clone is another handle to the
/// same memory.
#[derive(Clone)]
pub struct Region {
    start: NonNull<u8>,
    len_bytes: usize,
    /// Keeps the memory alive; unmaps or frees it when dropped.
    owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the memory belongs to `owner` (Send + Sync) and is reached through
// atomics and opaque copies only, which any thread may issue.
unsafe impl Send for Region {}
// SAFETY: as for Send; no access through `&Region` is a plain Rust access.
unsafe impl Sync for Region {}

impl Region {
    /// Zeroed, 4096-aligned memory of this process alone. The length is rounded
    /// up to a multiple of 8.
    ///
    /// # Panics
    ///
    /// When `len_bytes` is 0 or no such memory can be had.
    pub fn heap(len_bytes: usize) -> Region {
        Region::try_heap(len_bytes).expect("no memory for a region")
    }

    /// As [`Region::heap`]; `None` when no such memory can be had.
    ///
    /// # Panics
    ///
    /// When `len_bytes` is 0.
    pub fn try_heap(len_bytes: usize) -> Option<Region> {
        let heap = HeapMemory::zeroed(len_bytes)?;
        let (start, len_bytes) = (heap.start, heap.len_bytes);
        Some(Region {
            start,
            len_bytes,
            owner: Arc::new(heap),
        })
    }

    /// A region over memory that `owner` keeps alive.
    ///
    /// # Safety
    ///
    /// `start` is aligned to 4096 and `len_bytes` from it stay mapped readable
    /// and writable until `owner` is dropped, and nothing in this process takes
    /// a plain reference to them.
    pub(crate) unsafe fn over(
        start: NonNull<u8>,
        len_bytes: usize,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Region {
        Region {
            start,
            len_bytes: len_bytes & !7,
            owner,
        }
    }

    /// Length in bytes; a multiple of 8.
    #[inline]
    pub fn len(&self) -> usize {
        self.len_bytes
    }

    /// Whether the region holds no byte at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// The 8-byte word at `offset_bytes`.
    ///
    /// # Panics
    ///
    /// When the word is not inside the region or the offset is no multiple of 8.
    #[inline]
    pub fn word(&self, offset_bytes: usize) -> &AtomicU64 {
        // The length is a multiple of 8 too: an aligned offset below it has its whole word inside.
        // Turned by three bits, a crooked offset is beyond any length: one comparison for both.
        if offset_bytes.rotate_right(3) >= self.len_bytes >> 3 {
            self.refuse_word(offset_bytes);
        }
        // SAFETY: inside the region, as just checked.
        let at = unsafe { self.start.as_ptr().add(offset_bytes) };
        // SAFETY: `at` is in bounds, 8-aligned and alive while `self` is; shared
        // words are only ever reached as atomics.
        unsafe { AtomicU64::from_ptr(at.cast()) }
    }

    /// The `N` words from `offset_bytes`: one check for all of them.
    ///
    /// # Panics
    ///
    /// When a word is not inside the region or the offset is no multiple of 8.
    #[inline]
    pub fn words<const N: usize>(&self, offset_bytes: usize) -> &[AtomicU64; N] {
        if !offset_bytes.is_multiple_of(8) {
            misaligned(offset_bytes, 8);
        }
        let at = self.at(offset_bytes, N * 8).cast::<[AtomicU64; N]>();
        // SAFETY: `at` checked the bounds; the start is 4096-aligned and the offset a multiple of 8;
        // shared words are accessed atomically only.
        unsafe { &*at }
    }

    /// Copies `dst.len()` bytes out, filling `dst`.
    ///
    /// # Panics
    ///
    /// When the run is not inside the region.
    #[inline]
    pub fn copy_out(&self, offset_bytes: usize, dst: &mut [MaybeUninit<u8>]) {
        self.run(offset_bytes, dst.len()).copy_out(dst);
    }

    /// Appends `len_bytes` bytes of the region to `out`, which grows once.
    ///
    /// # Panics
    ///
    /// When the run is not inside the region; `out` is then unchanged.
    #[inline]
    pub fn append_to(&self, offset_bytes: usize, len_bytes: usize, out: &mut Vec<u8>) {
        self.run(offset_bytes, len_bytes).append_to(out);
    }

    /// Copies `src` into the region.
    ///
    /// # Panics
    ///
    /// When the run is not inside the region.
    #[inline]
    #[cfg_attr(guira_points, track_caller)]
    pub fn copy_in(&self, offset_bytes: usize, src: &[u8]) {
        #[cfg(guira_points)]
        let (offset_bytes, src) = self.first_half_in(offset_bytes, src);
        self.run(offset_bytes, src.len()).copy_in(src);
    }

    /// Whether the bytes at `offset_bytes` are `expected`.
    ///
    /// # Panics
    ///
    /// When the run is not inside the region.
    #[inline]
    pub fn equals(&self, offset_bytes: usize, expected: &[u8]) -> bool {
        self.run(offset_bytes, expected.len()).equals(expected)
    }

    /// Makes `len_bytes` bytes zero.
    ///
    /// # Panics
    ///
    /// When the run is not inside the region.
    #[cfg_attr(guira_points, track_caller)]
    pub fn zero(&self, offset_bytes: usize, len_bytes: usize) {
        #[cfg(guira_points)]
        let (offset_bytes, len_bytes) = self.zero_first_half(offset_bytes, len_bytes);
        self.run(offset_bytes, len_bytes).zero();
    }

    /// The 4-byte number at `offset_bytes` (a multiple of 4), read at once.
    ///
    /// # Panics
    ///
    /// When it is not inside the region or not aligned.
    #[inline]
    pub fn read_u32(&self, offset_bytes: usize) -> u32 {
        self.half_word(offset_bytes).load(Ordering::Relaxed)
    }

    /// Writes the 4-byte number at `offset_bytes` (a multiple of 4) at once.
    ///
    /// # Panics
    ///
    /// When it is not inside the region or not aligned.
    #[inline]
    #[cfg_attr(guira_points, track_caller)]
    pub fn write_u32(&self, offset_bytes: usize, value: u32) {
        self.half_word(offset_bytes).store(value, Ordering::Relaxed);
    }

    /// The word at `offset_bytes` (a multiple of 8), read at once, unordered.
    ///
    /// # Panics
    ///
    /// When it is not inside the region or not aligned.
    #[inline]
    pub fn read_u64(&self, offset_bytes: usize) -> u64 {
        self.word(offset_bytes).load(Ordering::Relaxed)
    }

    /// Writes the word at `offset_bytes` (a multiple of 8) at once, unordered.
    ///
    /// # Panics
    ///
    /// When it is not inside the region or not aligned.
    #[inline]
    #[cfg_attr(guira_points, track_caller)]
    pub fn write_u64(&self, offset_bytes: usize, value: u64) {
        self.word(offset_bytes).store(value, Ordering::Relaxed);
    }

    /// The bytes themselves, without a copy.
    ///
    /// # Safety
    ///
    /// No process writes these bytes while the slice lives: the caller's
    /// protocol holds them immutable (a pin taken and validated before this
    /// call, and released after the slice's last use).
    ///
    /// # Panics
    ///
    /// When the run is not inside the region.
    #[inline]
    pub unsafe fn bytes(&self, offset_bytes: usize, len_bytes: usize) -> &[u8] {
        #[cfg(guira_model)]
        self.run(offset_bytes, len_bytes).settle();
        let at = self.at(offset_bytes, len_bytes);
        // SAFETY: in bounds and alive while `self` is; immutable by the caller's contract.
        unsafe { std::slice::from_raw_parts(at, len_bytes) }
    }

    /// Asks the processor to fetch the line at `offset_bytes`, to be read soon.
    /// A hint: any offset is allowed.
    #[inline]
    pub fn prefetch(&self, offset_bytes: usize) {
        #[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
        opaque::prefetch(self.start.as_ptr().wrapping_add(offset_bytes));
        #[cfg(any(miri, guira_plain_copies, guira_model, not(target_arch = "x86_64")))]
        let _ = offset_bytes;
    }

    /// Asks the processor to fetch the line at `offset_bytes`, to be written
    /// soon. A hint: any offset is allowed.
    #[inline]
    pub fn prefetch_write(&self, offset_bytes: usize) {
        #[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
        opaque::prefetch_write(self.start.as_ptr().wrapping_add(offset_bytes));
        #[cfg(any(miri, guira_plain_copies, guira_model, not(target_arch = "x86_64")))]
        let _ = offset_bytes;
    }

    /// The first byte's address in this process, for memory advice.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// What keeps the memory alive.
    pub(crate) fn owner(&self) -> &(dyn Any + Send + Sync) {
        &*self.owner
    }

    #[cold]
    #[inline(never)]
    fn refuse_word(&self, offset_bytes: usize) -> ! {
        if offset_bytes.is_multiple_of(8) {
            outside(offset_bytes, 8, self.len_bytes)
        }
        misaligned(offset_bytes, 8)
    }

    #[inline]
    fn half_word(&self, offset_bytes: usize) -> &AtomicU32 {
        let at = self.at_aligned::<4>(offset_bytes);
        // SAFETY: `at` is in bounds, 4-aligned and alive while `self` is.
        unsafe { AtomicU32::from_ptr(at.cast()) }
    }

    #[inline]
    fn run(&self, offset_bytes: usize, len_bytes: usize) -> SharedRun<'_> {
        let at = self.at(offset_bytes, len_bytes);
        // SAFETY: `at` checked that the run lies in this region, which lives as long as the run.
        unsafe { SharedRun::new(at, len_bytes) }
    }

    #[inline]
    fn at(&self, offset_bytes: usize, len_bytes: usize) -> *mut u8 {
        if len_bytes > self.len_bytes || offset_bytes > self.len_bytes - len_bytes {
            outside(offset_bytes, len_bytes, self.len_bytes);
        }
        // SAFETY: `offset_bytes <= self.len_bytes`, so the pointer stays inside the region (or at its end).
        unsafe { self.start.as_ptr().add(offset_bytes) }
    }

    #[inline]
    fn at_aligned<const N: usize>(&self, offset_bytes: usize) -> *mut u8 {
        if !offset_bytes.is_multiple_of(N) {
            misaligned(offset_bytes, N);
        }
        self.at(offset_bytes, N)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("len_bytes", &self.len_bytes)
            .finish_non_exhaustive()
    }
}

#[cold]
#[inline(never)]
fn outside(offset_bytes: usize, len_bytes: usize, region_bytes: usize) -> ! {
    panic!("{len_bytes} bytes at offset {offset_bytes} are outside the region of {region_bytes} bytes");
}

#[cold]
#[inline(never)]
fn misaligned(offset_bytes: usize, align_bytes: usize) -> ! {
    panic!("offset {offset_bytes} is no multiple of {align_bytes}");
}

/// Zeroed memory of this process, freed when dropped.
struct HeapMemory {
    allocation: NonNull<u8>,
    layout: Layout,
    /// The first aligned byte of the allocation.
    start: NonNull<u8>,
    len_bytes: usize,
}

// SAFETY: a plain allocation; freeing it is allowed from any thread.
unsafe impl Send for HeapMemory {}
// SAFETY: nothing is reached through `&HeapMemory`.
unsafe impl Sync for HeapMemory {}

impl HeapMemory {
    fn zeroed(len_bytes: usize) -> Option<HeapMemory> {
        assert!(len_bytes > 0, "a region of 0 bytes was asked for");
        let len_bytes = len_bytes.checked_next_multiple_of(8)?;
        // With room to align it here: the allocator would clear aligned memory itself, every page of it,
        // where it gets other memory zeroed from the kernel, page by page as it is used.
        let layout = Layout::from_size_align(len_bytes.checked_add(REGION_ALIGN_BYTES)?, 8).ok()?;
        // SAFETY: the layout's size is not 0.
        let allocation = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let aligned = |address: NonZeroUsize| {
            let address = address.get().next_multiple_of(REGION_ALIGN_BYTES);
            NonZeroUsize::new(address).expect("rounded up")
        };
        Some(HeapMemory {
            allocation,
            layout,
            start: allocation.map_addr(aligned),
            len_bytes,
        })
    }
}

impl Drop for HeapMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this very layout, freed once.
        unsafe { dealloc(self.allocation.as_ptr(), self.layout) }
    }
}

/// Asks the processor to fetch bytes that will be read soon. A hint.
#[inline]
pub fn prefetch(bytes: &[u8]) {
    #[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
    for line in bytes.chunks(64) {
        opaque::prefetch(line.as_ptr());
    }
    #[cfg(any(miri, guira_plain_copies, guira_model, not(target_arch = "x86_64")))]
    let _ = bytes;
}

impl SharedRun<'_> {
    /// Appends the run to `out`, which grows once.
    #[inline(always)]
    fn append_to(self, out: &mut Vec<u8>) {
        let len_bytes = self.len();
        out.reserve(len_bytes);
        self.copy_out(&mut out.spare_capacity_mut()[..len_bytes]);
        let filled_bytes = out.len() + len_bytes;
        // SAFETY: `reserve` made room and `copy_out` wrote every byte up to here.
        unsafe { out.set_len(filled_bytes) }
    }
}
