//! Settings with which a files cache is made or opened.

use std::path::Path;

use guira_segment::Segment;

use super::Files;
use crate::depot::{DepotBuilder, own_directory, place};
use crate::error::FilesError;

/// Bytes of the index for each file: an entry of a stub, its slots, and room for the log to breathe.
const INDEX_BYTES_OF_A_FILE: u64 = 320;
const SMALLEST_INDEX_BYTES: u64 = 8 << 20;
const LARGEST_INDEX_BYTES: u64 = 4 << 30;
const DEFAULT_INLINE_BYTES: usize = 4 << 10;

/// Settings of a files cache; limits are kept in the directory: who opens one that is there has its.
#[derive(Clone, Debug)]
pub struct FilesBuilder {
    depot: DepotBuilder,
    index_bytes: Option<u64>,
    inline_max_bytes: usize,
}

impl Default for FilesBuilder {
    fn default() -> Self {
        Self {
            depot: DepotBuilder::default(),
            index_bytes: None,
            inline_max_bytes: DEFAULT_INLINE_BYTES,
        }
    }
}

impl FilesBuilder {
    /// What the directory may take on the disk, all in all: values, index, table, directories. By default 1 GiB.
    #[must_use]
    pub fn limit_bytes(self, bytes: u64) -> Self {
        Self {
            depot: self.depot.limit_bytes(bytes),
            ..self
        }
    }

    /// How many files there may be; by default one for each 32 KiB of the limit, and at least 1,024. Small values are
    /// no files.
    #[must_use]
    pub fn max_files(self, files: u64) -> Self {
        Self {
            depot: self.depot.max_files(files),
            ..self
        }
    }

    /// Bytes of the index, where keys and small values are; by default a 32nd of the limit, at least 8 MiB and 320
    /// bytes for each file.
    #[must_use]
    pub const fn index_bytes(self, bytes: u64) -> Self {
        Self {
            index_bytes: Some(bytes),
            ..self
        }
    }

    /// Values of up to so many bytes are kept in the index and are no files; by default 4 KiB. At most 64 KiB.
    #[must_use]
    pub fn inline_max_bytes(self, bytes: usize) -> Self {
        Self {
            inline_max_bytes: bytes.min(64 << 10),
            ..self
        }
    }

    /// See [`DepotBuilder::durable`].
    #[must_use]
    pub fn durable(self, is_durable: bool) -> Self {
        Self {
            depot: self.depot.durable(is_durable),
            ..self
        }
    }

    fn index_size(&self) -> u64 {
        let for_stubs = self.depot.files().saturating_mul(INDEX_BYTES_OF_A_FILE);
        self.index_bytes.unwrap_or_else(|| {
            (self.depot.asked_limit_bytes() / 32)
                .max(for_stubs)
                .clamp(SMALLEST_INDEX_BYTES, LARGEST_INDEX_BYTES)
        })
    }

    /// Opens the files cache in `directory`, or makes it; a directory that is made is for this user alone.
    ///
    /// # Errors
    /// See [`FilesError`].
    pub fn open_or_create(&self, directory: impl AsRef<Path>) -> Result<Files, FilesError> {
        let directory = own_directory(directory.as_ref(), true)?;
        let index_path = directory.join(place::INDEX);
        let index_bytes = self.index_size();
        let depot = self.depot.clone().index_bytes(index_bytes);
        if !index_path.exists() {
            if !directory.join(place::TABLE).exists() {
                refuse_foreign(&directory)?;
            }
            // Before anything is made: a limit that cannot be is an error that leaves nothing.
            depot.check()?;
        }
        let index = Segment::builder().size(index_bytes).open_or_create(&index_path)?;
        let depot = depot.open_or_create(&directory, &index)?;
        Ok(self.files(index, depot))
    }

    /// Opens the files cache in `directory`; it must be there.
    ///
    /// # Errors
    /// See [`FilesError`].
    pub fn open(&self, directory: impl AsRef<Path>) -> Result<Files, FilesError> {
        let directory = own_directory(directory.as_ref(), false)?;
        if !directory.join(place::INDEX).exists() {
            return Err(FilesError::NotFound { path: directory });
        }
        let index = Segment::builder().open(directory.join(place::INDEX))?;
        let depot = self.depot.open_or_create(&directory, &index)?;
        Ok(self.files(index, depot))
    }

    const fn files(&self, index: Segment, depot: crate::Depot) -> Files {
        Files {
            index,
            depot,
            inline_max_bytes: self.inline_max_bytes,
        }
    }
}

/// Nothing is made in a directory in which something else is.
fn refuse_foreign(directory: &Path) -> Result<(), FilesError> {
    let mut names = std::fs::read_dir(directory).map_err(|e| FilesError::io("list", directory, e))?;
    match names.next() {
        None => Ok(()),
        Some(_) => Err(FilesError::NotOurs {
            path: directory.to_path_buf(),
            problem: "there is something in it that is no files cache",
        }),
    }
}
