//! Copies from one place of a region to another, and short ones to look at.

use super::Region;
use std::mem::MaybeUninit;

/// The longest run that is copied to the stack.
const SHORT_BYTES: usize = 256;

impl Region {
    /// What `look` makes of a copy of `len_bytes` bytes.
    ///
    /// # Panics
    ///
    /// When the run is not inside the region.
    #[inline]
    pub fn look_at<T>(&self, offset_bytes: usize, len_bytes: usize, look: impl FnOnce(&[u8]) -> T) -> T {
        let mut short = [MaybeUninit::<u8>::uninit(); SHORT_BYTES];
        if let Some(copy) = short.get_mut(..len_bytes) {
            self.copy_out(offset_bytes, copy);
            // SAFETY: `copy_out` filled every byte of `copy`.
            return look(unsafe { copy.assume_init_ref() });
        }
        let mut copy = Vec::new();
        self.append_to(offset_bytes, len_bytes, &mut copy);
        look(&copy)
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
        let mut chunk = [MaybeUninit::<u8>::uninit(); 256];
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_copied_from_place_to_place() {
        let region = Region::heap(8192);
        let bytes: Vec<u8> = (0..1000_u32).map(|byte| byte as u8).collect();
        region.copy_in(16, &bytes);
        region.copy_within(16, 4096, 1000);
        assert!(region.equals(4096, &bytes));
        for len_bytes in [0, 1, SHORT_BYTES, SHORT_BYTES + 1, 1000] {
            assert!(region.look_at(16, len_bytes, |copy| copy == &bytes[..len_bytes]));
        }
    }
}
