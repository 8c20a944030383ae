//! Where a segment's bytes are: a mapped file, or memory of this process alone.

use guira_shm::file::MappedFile;
use guira_shm::region::Region;

/// A segment's bytes.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The file's region or the private one: every access needs it, so none asks which.
    region: Region,
    /// A file that other processes map too; without one the bytes die with the process.
    file: Option<MappedFile>,
}

impl Memory {
    /// A file that other processes map too.
    pub(crate) fn of_file(file: MappedFile) -> Self {
        Self {
            region: file.region().clone(),
            file: Some(file),
        }
    }

    /// Private memory: one process, its threads, and Miri.
    pub(crate) const fn private(region: Region) -> Self {
        Self { region, file: None }
    }

    #[inline]
    pub(crate) const fn region(&self) -> &Region {
        &self.region
    }

    /// Whether the file was cut and the bytes are this process's alone now.
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        self.file.as_ref().is_some_and(MappedFile::is_lost)
    }

    pub(crate) const fn file(&self) -> Option<&MappedFile> {
        self.file.as_ref()
    }
}
