//! Copies from one place of a region to another.

use super::Region;

impl Region {
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
    }
}
