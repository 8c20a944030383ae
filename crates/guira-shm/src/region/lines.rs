//! A row of cache lines of eight words, found and checked once, then reached by number: the index of a
//! hash table whose buckets are looked at whole.

use super::Region;
use super::words::beyond;
use crate::sync::AtomicU64;
use std::any::Any;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

#[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
use super::opaque;

/// A row of cache lines of eight words.
#[derive(Clone)]
pub struct LineRow {
    first: NonNull<[AtomicU64; 8]>,
    len: usize,
    _owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: as for `Words`.
unsafe impl Send for LineRow {}
// SAFETY: as for Send.
unsafe impl Sync for LineRow {}

impl LineRow {
    /// The words of the line of that number.
    ///
    /// # Panics
    ///
    /// When the row is not as long.
    #[inline(always)]
    pub fn line(&self, number: usize) -> &[AtomicU64; 8] {
        // SAFETY: `at` found the line inside the row; 64-aligned and alive while the owner is; shared
        // words are accessed atomically only.
        unsafe { self.at(number).as_ref() }
    }

    /// A word of the line of that number.
    ///
    /// # Panics
    ///
    /// When the row is not as long, or it is not one of the eight.
    #[inline(always)]
    pub fn word(&self, number: usize, word: usize) -> &AtomicU64 {
        &self.line(number)[word]
    }

    /// Which words of a line have `high` as their sixteen high bits: bit `i` for word `i`.
    ///
    /// The words may change meanwhile; the caller loads those it acts on.
    ///
    /// # Panics
    ///
    /// When the row is not as long.
    #[inline(always)]
    pub fn match_high16(&self, number: usize, high: u16) -> u32 {
        #[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
        {
            let line = self.at(number).as_ptr().cast_const().cast();
            // SAFETY: the line is inside the region, 64-byte aligned and alive while `self` is; the loads
            // are in opaque code, so a concurrent atomic store is no race of Rust accesses.
            unsafe { match_high16_sse2(line, high) }
        }
        #[cfg(any(miri, guira_plain_copies, guira_model, not(target_arch = "x86_64")))]
        {
            let words = self.line(number).iter().enumerate();
            words.fold(0, |mask, (word, value)| {
                let value = value.load(crate::sync::Ordering::Relaxed);
                mask | u32::from((value >> 48) as u16 == high) << word
            })
        }
    }

    /// Asks the processor to fetch a line, to be read soon. A hint: any number is allowed.
    #[inline(always)]
    pub fn prefetch(&self, number: usize) {
        #[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
        opaque::prefetch(self.first.as_ptr().wrapping_add(number).cast());
        #[cfg(any(miri, guira_plain_copies, guira_model, not(target_arch = "x86_64")))]
        let _ = number;
    }

    #[inline(always)]
    fn at(&self, number: usize) -> NonNull<[AtomicU64; 8]> {
        if number >= self.len {
            beyond("line", number, self.len);
        }
        // SAFETY: inside the row, as just checked, and the row is inside the region.
        unsafe { self.first.add(number) }
    }
}

impl fmt::Debug for LineRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineRow").field("len", &self.len).finish()
    }
}

impl Region {
    /// The row of `len` lines of 64 bytes from `offset_bytes`, for ever.
    ///
    /// # Panics
    ///
    /// When a line is not inside the region or the offset is no multiple of 64.
    pub fn hold_lines(&self, offset_bytes: usize, len: usize) -> LineRow {
        let first = self.aligned_run::<64>(offset_bytes, len);
        LineRow {
            first: first.cast(),
            len,
            _owner: Arc::clone(&self.owner),
        }
    }
}

/// Compares the top 16 bits of each of eight words.
///
/// # Safety
///
/// `line` is 16-byte aligned and readable for 64 bytes.
#[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
#[inline]
unsafe fn match_high16_sse2(line: *const u8, high: u16) -> u32 {
    let mask: u32;
    // SAFETY: reads 64 bytes at `line`, as the caller promises; touches no other memory.
    unsafe {
        std::arch::asm!(
            "movd {tag}, {high:e}",
            "pshuflw {tag}, {tag}, 0",
            "punpcklqdq {tag}, {tag}",
            "movdqa {a}, [{line:r}]",
            "movdqa {b}, [{line:r} + 16]",
            "pcmpeqw {a}, {tag}",
            "pcmpeqw {b}, {tag}",
            "movmskpd {mask:e}, {a}",
            "movmskpd {t:e}, {b}",
            "lea {mask:e}, [{mask:r} + 4*{t:r}]",
            "movdqa {a}, [{line:r} + 32]",
            "movdqa {b}, [{line:r} + 48]",
            "pcmpeqw {a}, {tag}",
            "pcmpeqw {b}, {tag}",
            "movmskpd {t:e}, {a}",
            "shl {t:e}, 4",
            "or {mask:e}, {t:e}",
            "movmskpd {t:e}, {b}",
            "shl {t:e}, 6",
            "or {mask:e}, {t:e}",
            tag = out(xmm_reg) _,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            high = in(reg) u32::from(high),
            line = in(reg) line,
            mask = out(reg) mask,
            t = out(reg) _,
            options(nostack, readonly),
        );
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Ordering;

    #[test]
    fn every_word_with_the_tag_is_found_and_no_other() {
        let region = Region::heap(4096);
        let lines = region.hold_lines(64, 4);
        for tags in 0..256_u64 {
            for word in 0..8 {
                let tag = if tags >> word & 1 == 1 {
                    0xbeef
                } else {
                    0xbeee + word % 2 * 2
                };
                let value = tag << 48 | 0xbeef_beef_beef;
                region
                    .word(128 + word as usize * 8)
                    .store(value, Ordering::Relaxed);
            }
            assert_eq!(u64::from(lines.match_high16(1, 0xbeef)), tags);
        }
    }
}
