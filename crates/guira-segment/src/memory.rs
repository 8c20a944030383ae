//! Where a segment's bytes are: a mapped file, or memory of this process alone.

use guira_shm::file::{FileError, MappedFile};
use guira_shm::lock::ByteLocks;
use guira_shm::region::Region;

/// A segment's bytes.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The file's region or the private one: every access needs it, so none asks which.
    region: Region,
    /// A file that other processes map too; without one the bytes die with the process.
    file: Option<MappedFile>,
    /// What stands for a file's locks in a model.
    #[cfg(all(test, guira_model))]
    lock_table: Option<std::sync::Arc<guira_shm::lock::LockTable>>,
}

impl Memory {
    /// A file that other processes map too.
    pub(crate) fn of_file(file: MappedFile) -> Self {
        Self {
            region: file.region().clone(),
            file: Some(file),
            #[cfg(all(test, guira_model))]
            lock_table: None,
        }
    }

    /// Private memory: one process, its threads, and Miri.
    pub(crate) const fn private(region: Region) -> Self {
        Self {
            region,
            file: None,
            #[cfg(all(test, guira_model))]
            lock_table: None,
        }
    }

    /// Memory of a model that several processes have.
    #[cfg(all(test, guira_model))]
    pub(crate) const fn of_model(
        region: Region,
        lock_table: std::sync::Arc<guira_shm::lock::LockTable>,
    ) -> Self {
        Self {
            region,
            file: None,
            lock_table: Some(lock_table),
        }
    }

    /// A descriptor of its own for a process's locks; `None` where there is one process only.
    pub(crate) fn open_locks(&self) -> Result<Option<ByteLocks>, FileError> {
        #[cfg(all(test, guira_model))]
        if let Some(table) = &self.lock_table {
            return Ok(Some(ByteLocks::of_table(table)));
        }
        let Some(file) = &self.file else { return Ok(None) };
        Ok(Some(ByteLocks::new(file.reopen()?)))
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
