//! Bulk writes in two halves, with a point before each: a process that dies in
//! the middle of one leaves some bytes new and the others old.

use super::Region;
use crate::sync::point;

impl Region {
    /// Writes the first half of `src`; gives back where the rest goes, and the rest.
    #[track_caller]
    pub(super) fn first_half_in<'s>(&self, offset_bytes: usize, src: &'s [u8]) -> (usize, &'s [u8]) {
        self.at(offset_bytes, src.len());
        point("copy_in");
        if src.len() < 2 {
            return (offset_bytes, src);
        }
        let (first, rest) = src.split_at(src.len() / 2);
        self.run(offset_bytes, first.len()).copy_in(first);
        point("copy_in, half done");
        (offset_bytes + first.len(), rest)
    }

    /// Makes the first half zero; gives back where the rest lies, and its length.
    #[track_caller]
    pub(super) fn zero_first_half(&self, offset_bytes: usize, len_bytes: usize) -> (usize, usize) {
        self.at(offset_bytes, len_bytes);
        point("zero");
        if len_bytes < 2 {
            return (offset_bytes, len_bytes);
        }
        let first_bytes = len_bytes / 2;
        self.run(offset_bytes, first_bytes).zero();
        point("zero, half done");
        (offset_bytes + first_bytes, len_bytes - first_bytes)
    }
}
