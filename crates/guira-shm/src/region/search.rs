//! Looking at a line of eight words at once.

use super::Region;

impl Region {
    /// Which of the eight words at `offset_bytes` (a multiple of 64) have `high`
    /// as their sixteen high bits: bit `i` for word `i`.
    ///
    /// The words may change meanwhile; the caller loads those it acts on.
    ///
    /// # Panics
    ///
    /// When the line is not inside the region or not aligned.
    #[inline]
    pub fn match_high16(&self, offset_bytes: usize, high: u16) -> u32 {
        let line = self.at_aligned_line(offset_bytes);
        #[cfg(all(not(any(miri, guira_plain_copies, guira_model)), target_arch = "x86_64"))]
        {
            // SAFETY: the line is in bounds, 16-byte aligned and alive while `self` is; the loads
            // are in opaque code, so a concurrent atomic store is no race of Rust accesses.
            unsafe { match_high16_sse2(line, high) }
        }
        #[cfg(any(miri, guira_plain_copies, guira_model, not(target_arch = "x86_64")))]
        {
            let _ = line;
            (0..8).fold(0, |mask, word| {
                let value = self.word(offset_bytes + word * 8);
                let value = value.load(crate::sync::Ordering::Relaxed);
                mask | u32::from((value >> 48) as u16 == high) << word
            })
        }
    }

    /// Copies `len_bytes` from one place of the region to another that does not
    /// overlap it.
    ///
    /// # Panics
    ///
    /// When a run is not inside the region, or they overlap.
    #[cfg_attr(guira_points, track_caller)]
    pub fn copy_within(&self, from_bytes: usize, to_bytes: usize, len_bytes: usize) {
        assert!(
            from_bytes + len_bytes <= to_bytes || to_bytes + len_bytes <= from_bytes,
            "copy_within of runs that overlap"
        );
        let mut chunk = [std::mem::MaybeUninit::<u8>::uninit(); 256];
        let mut done_bytes = 0;
        while done_bytes < len_bytes {
            let step_bytes = (len_bytes - done_bytes).min(chunk.len());
            let part = &mut chunk[..step_bytes];
            self.copy_out(from_bytes + done_bytes, part);
            // SAFETY: `copy_out` filled every byte of `part`.
            let filled = unsafe { part.assume_init_ref() };
            self.copy_in(to_bytes + done_bytes, filled);
            done_bytes += step_bytes;
        }
    }

    #[inline]
    fn at_aligned_line(&self, offset_bytes: usize) -> *const u8 {
        assert!(
            offset_bytes.is_multiple_of(64),
            "a line begins on a multiple of 64 bytes"
        );
        self.at(offset_bytes, 64)
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
            assert_eq!(u64::from(region.match_high16(128, 0xbeef)), tags);
        }
    }

    #[test]
    fn bytes_are_copied_from_place_to_place() {
        let region = Region::heap(8192);
        let bytes: Vec<u8> = (0..1000_u32).map(|byte| byte as u8).collect();
        region.copy_in(16, &bytes);
        region.copy_within(16, 4096, 1000);
        assert!(region.equals(4096, &bytes));
    }
}
