//! A files cache.

use std::path::{Path, PathBuf};

use guira_files::{Depot, Files, FilesBuilder, FilesError};
use guira_segment::{Add, Expiry, Put};

use super::{Kept, Subject, Unopened};
use crate::audit;
use crate::world::{Key, Version, name, version_of};

/// Two records more than files in most scenes.
pub(super) const FILES: u64 = 16;
/// Table and directories take 0.3 MB of it; values may take about 1.25 MB.
pub(super) const VALUES_LIMIT_BYTES: u64 = 1_500_000;
const INDEX_BYTES: u64 = 8 << 20;

/// With which every process opens it.
pub(crate) fn builder() -> FilesBuilder {
    Files::builder()
        .limit_bytes(Files::LIMIT_BYTES)
        .index_bytes(INDEX_BYTES)
        .max_files(FILES)
}

pub(super) fn unopened(error: &FilesError) -> Unopened {
    match error {
        FilesError::Busy { .. } => Unopened::Busy,
        other => Unopened::Failed(other.to_string()),
    }
}

impl Subject for Files {
    const LIMIT_BYTES: u64 = INDEX_BYTES + VALUES_LIMIT_BYTES;

    fn open(root: &Path) -> Result<Self, Unopened> {
        let opened = builder().open_or_create(root.join("cache"));
        opened.map_err(|error| unopened(&error))
    }

    fn read(&self, key: Key, turn: usize) -> Result<Option<Version>, String> {
        let name = name(key);
        let failed = |error: FilesError| format!("key {key} cannot be read: {error}");
        let version = |bytes: &[u8]| version_of(key, bytes);
        match turn % 3 {
            0 => self
                .get(&name)
                .map_err(failed)?
                .map(|map| version(&map))
                .transpose(),
            1 => self
                .get_bytes(&name)
                .map_err(failed)?
                .map(|bytes| version(&bytes))
                .transpose(),
            _ => {
                let Some(open) = Files::open(self, &name).map_err(failed)? else {
                    return Ok(None);
                };
                let bytes = open
                    .bytes()
                    .map_err(|error| format!("key {key} cannot be read: {error}"))?;
                version(&bytes).map(Some)
            }
        }
    }

    fn put(&self, key: Key, bytes: &[u8]) -> Result<Kept, String> {
        match Files::put(self, &name(key), bytes, Expiry::never()) {
            Ok(Put::Stored) => Ok(Kept::Stored),
            Ok(_) => Ok(Kept::Superseded),
            Err(FilesError::Crowded) => Ok(Kept::Crowded),
            Err(error) => Err(error.to_string()),
        }
    }

    fn add(&self, key: Key, bytes: &[u8]) -> Result<Kept, String> {
        match Files::add(self, &name(key), bytes, Expiry::never()) {
            Ok(Add::Stored) => Ok(Kept::Stored),
            Ok(Add::Exists) => Ok(Kept::Exists),
            Ok(_) => Ok(Kept::Superseded),
            Err(FilesError::Crowded) => Ok(Kept::Crowded),
            Err(error) => Err(error.to_string()),
        }
    }

    fn remove(&self, key: Key) -> Result<(), String> {
        Files::remove(self, &name(key));
        Ok(())
    }

    fn invalidate(&self, key: Key) -> Result<(), String> {
        Files::invalidate(self, &name(key));
        Ok(())
    }

    fn clear(&self) -> Result<(), String> {
        Files::clear(self);
        Ok(())
    }

    fn sweep(&self) -> Result<Vec<PathBuf>, String> {
        let swept = Files::sweep(self).map_err(|error| error.to_string())?;
        Ok(swept.foreign)
    }

    fn depot(&self) -> Option<&Depot> {
        Some(Files::depot(self))
    }

    fn at_any_time(&self, has_strangers: bool) -> Vec<String> {
        audit::at_any_time(Files::depot(self), Self::LIMIT_BYTES, has_strangers)
    }

    fn at_rest(&self, foreign: &[PathBuf]) -> Vec<String> {
        let mut wrong = audit::at_rest(Files::depot(self), self.index(), Self::LIMIT_BYTES);
        match self.verify(|_| ()) {
            Ok(verified) if verified.damaged == 0 => {}
            Ok(verified) => wrong.push(format!("{verified:?}")),
            Err(error) => wrong.push(format!("the files cannot be verified: {error}")),
        }
        wrong.extend(audit::swept(Files::sweep(self), foreign));
        wrong
    }
}
