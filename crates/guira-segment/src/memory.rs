//! Where a segment's bytes are: a mapped file, or memory of this process alone.

use guira_shm::file::MappedFile;
use guira_shm::region::Region;

/// A segment's bytes.
#[derive(Debug)]
pub(crate) enum Memory {
    /// A file that other processes map too.
    File(MappedFile),
    /// Private memory: one process, its threads, and Miri. Dies with the process.
    Heap(Region),
}

impl Memory {
    #[inline]
    pub(crate) fn region(&self) -> &Region {
        match self {
            Self::File(file) => file.region(),
            Self::Heap(region) => region,
        }
    }

    pub(crate) const fn file(&self) -> Option<&MappedFile> {
        match self {
            Self::File(file) => Some(file),
            Self::Heap(_) => None,
        }
    }
}
