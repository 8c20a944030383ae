//! A cache on a segment whose large values are in files.

use std::path::{Path, PathBuf};

use guira::codec::Raw;
use guira::{Add, Cache, Error, Guira, Lifetime, Put};
use guira_files::{Depot, DepotBuilder, FilesError};

use super::files::{FILES, VALUES_LIMIT_BYTES, unopened};
use super::{Kept, Subject, Unopened};
use crate::audit;
use crate::world::{Key, SMALL_BYTES, Version, version_of};

/// One process's handle.
#[derive(Clone, Debug)]
pub(crate) struct Spilled {
    pub(crate) guira: Guira,
    pub(crate) cache: Cache<Key, Vec<u8>, Raw>,
}

/// A message of why a cache of `guira` did not open.
pub(super) fn unopened_guira(error: &Error) -> Unopened {
    match error {
        Error::Files(error) => unopened(error),
        other => Unopened::Failed(other.to_string()),
    }
}

/// What a failed write came to.
pub(super) fn unkept(error: &Error) -> Result<Kept, String> {
    let text = error.to_string();
    // A value that cannot be spilled tells the reason of the files as words.
    if text.contains(&FilesError::Crowded.to_string()) {
        Ok(Kept::Crowded)
    } else {
        Err(text)
    }
}

pub(super) fn version(key: Key, value: Option<impl AsRef<[u8]>>) -> Result<Option<Version>, String> {
    value.map(|bytes| version_of(key, bytes.as_ref())).transpose()
}

impl Spilled {
    fn files(&self) -> &Depot {
        self.guira.files().expect("it was opened with files")
    }
}

impl Subject for Spilled {
    const LIMIT_BYTES: u64 = VALUES_LIMIT_BYTES;

    fn open(root: &Path) -> Result<Self, Unopened> {
        let files = DepotBuilder::default()
            .limit_bytes(Self::LIMIT_BYTES)
            .max_files(FILES);
        let guira = Guira::builder()
            .size(8 << 20)
            .files(root.join("cache"), files)
            .open(root.join("segment"))
            .map_err(|error| unopened_guira(&error))?;
        let builder = guira.cache_builder("values").codec(Raw);
        let cache = builder.spill_above(10 * SMALL_BYTES).build();
        Ok(Self {
            cache: cache.map_err(|error| unopened_guira(&error))?,
            guira,
        })
    }

    fn read(&self, key: Key, turn: usize) -> Result<Option<Version>, String> {
        let failed = |error: Error| format!("key {key} cannot be read: {error}");
        match turn % 3 {
            0 => version(key, self.cache.get(&key).map_err(failed)?),
            1 => version(key, self.cache.get_ref(&key).map_err(failed)?.as_deref()),
            _ => {
                let many = self.cache.get_many([&key]);
                let found = many.into_iter().next().expect("a result for each key");
                version(key, found.map_err(failed)?)
            }
        }
    }

    fn put(&self, key: Key, bytes: &[u8]) -> Result<Kept, String> {
        match self.cache.put(&key, &bytes.to_vec(), Lifetime::never()) {
            Ok(Put::Stored) => Ok(Kept::Stored),
            Ok(_) => Ok(Kept::Superseded),
            Err(error) => unkept(&error),
        }
    }

    fn add(&self, key: Key, bytes: &[u8]) -> Result<Kept, String> {
        match self.cache.add(&key, &bytes.to_vec(), Lifetime::never()) {
            Ok(Add::Stored) => Ok(Kept::Stored),
            Ok(Add::Exists) => Ok(Kept::Exists),
            Ok(_) => Ok(Kept::Superseded),
            Err(error) => unkept(&error),
        }
    }

    fn remove(&self, key: Key) -> Result<(), String> {
        self.cache
            .remove(&key)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn invalidate(&self, key: Key) -> Result<(), String> {
        let invalidated = self.cache.invalidate(&key);
        invalidated.map(drop).map_err(|error| error.to_string())
    }

    fn clear(&self) -> Result<(), String> {
        self.cache.clear().map_err(|error| error.to_string())
    }

    fn sweep(&self) -> Result<Vec<PathBuf>, String> {
        let swept = self.files().sweep().map_err(|error| error.to_string())?;
        Ok(swept.foreign)
    }

    fn depot(&self) -> Option<&Depot> {
        Some(self.files())
    }

    /// What somebody was about to write when he died may be completed by whoever adds.
    fn may_follow(seen: Version, later: Version) -> bool {
        later >= seen
    }

    fn at_any_time(&self, has_strangers: bool) -> Vec<String> {
        audit::at_any_time(self.files(), Self::LIMIT_BYTES, has_strangers)
    }

    fn at_rest(&self, foreign: &[PathBuf]) -> Vec<String> {
        let mut wrong = audit::at_rest(self.files(), self.guira.segment(), Self::LIMIT_BYTES);
        wrong.extend(audit::swept(self.files().sweep(), foreign));
        wrong
    }
}
