//! Making a directory of value files, and opening it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use guira_segment::Segment;
use guira_shm::clock::Clock;
use guira_shm::directory::{Folder, make_directory};
use guira_shm::sync::Ordering;
use nix::unistd::geteuid;

use super::kept_maps::KeptMaps;
use super::place::{self, Place};
use super::{Depot, Shared, sweep};
use crate::error::FilesError;
use crate::layout::table::{CONTROL_LEFTOVERS, Geometry, MAX_RECORDS};
use crate::table::{Table, TableRules};

const DEFAULT_LIMIT_BYTES: u64 = 1 << 30;
/// A file for each so many bytes of the limit, unless it is said how many there may be.
const BYTES_OF_A_FILE: u64 = 32 << 10;
/// What a name costs in a directory, half empty as those can be.
const BYTES_OF_A_NAME: u64 = 96;
const FILES_OF_A_SHARD: u64 = 2048;
/// What the file system keeps beside table and index.
const SLACK_BYTES: u64 = 64 << 10;

/// Settings with which a directory is made; one that is there keeps its own.
#[derive(Clone, Debug)]
pub struct DepotBuilder {
    limit_bytes: u64,
    max_files: Option<u64>,
    index_bytes: u64,
    is_durable: bool,
}

impl Default for DepotBuilder {
    fn default() -> Self {
        Self {
            limit_bytes: DEFAULT_LIMIT_BYTES,
            max_files: None,
            index_bytes: 0,
            is_durable: false,
        }
    }
}

impl DepotBuilder {
    /// What the directory may take on the disk, all in all; by default 1 GiB.
    #[must_use]
    pub const fn limit_bytes(self, bytes: u64) -> Self {
        Self {
            limit_bytes: bytes,
            ..self
        }
    }

    /// How many values there may be; by default one for each 32 KiB of the limit, and at least 1,024.
    #[must_use]
    pub const fn max_files(self, files: u64) -> Self {
        Self {
            max_files: Some(files),
            ..self
        }
    }

    /// Writes each file, and its name, back to the disk (`fsync` of both) before its stub is stored, so that what was
    /// put is there whatever happens, with key and deadlines in its head. By default the kernel writes back when it
    /// likes. The cache itself begins anew after a power failure either way: what was invalidated shortly before it
    /// must not come back, and of that the disk may not have heard.
    #[must_use]
    pub const fn durable(self, is_durable: bool) -> Self {
        Self { is_durable, ..self }
    }

    /// Bytes of the limit that something else in the directory takes: the index of a files cache.
    #[must_use]
    pub(crate) const fn index_bytes(self, bytes: u64) -> Self {
        Self {
            index_bytes: bytes,
            ..self
        }
    }

    pub(crate) const fn asked_limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    pub(crate) fn files(&self) -> u64 {
        let files = self
            .max_files
            .unwrap_or((self.limit_bytes / BYTES_OF_A_FILE).max(1024));
        files.clamp(1, MAX_RECORDS)
    }

    fn rules(&self, arbiter: u128) -> Result<TableRules, FilesError> {
        let records = self.files();
        let shards = records
            .div_ceil(FILES_OF_A_SHARD)
            .next_power_of_two()
            .clamp(16, 4096);
        let directories_bytes = shards * 2 * 4096 + records * BYTES_OF_A_NAME;
        let table_bytes = Geometry::of(records).total_bytes as u64;
        let overhead_bytes = table_bytes + directories_bytes + self.index_bytes + SLACK_BYTES;
        let needed_bytes = overhead_bytes + (1 << 20);
        if self.limit_bytes < needed_bytes {
            return Err(FilesError::LimitTooSmall {
                limit_bytes: self.limit_bytes,
                overhead_bytes,
                needed_bytes,
            });
        }
        Ok(TableRules {
            arbiter,
            limit_bytes: self.limit_bytes,
            overhead_bytes,
            records,
            shards: shards as u32,
        })
    }

    /// Whether the limit leaves room for values.
    pub(crate) fn check(&self) -> Result<(), FilesError> {
        self.rules(0).map(drop)
    }

    /// Opens the directory whose files `segment` names, or makes it. One that belonged to another segment, and that no
    /// process has open, begins anew: so it does for a segment in memory that is made at each start of the machine.
    ///
    /// # Errors
    /// See [`FilesError`]; a files cache, which has an index of its own, is never taken.
    pub fn open_or_create(&self, directory: &Path, segment: &Segment) -> Result<Depot, FilesError> {
        let directory = own_directory(directory, true)?;
        let path = directory.join(place::TABLE);
        let index = directory.join(place::INDEX);
        if index.exists() && segment.path() != index {
            return Err(FilesError::NotOurs {
                path: directory,
                problem: "it is a files cache with an index of its own",
            });
        }
        let rules = self.rules(segment.id())?;
        loop {
            match self.try_open(&directory, segment) {
                Ok(Some(depot)) => return Ok(depot),
                Ok(None) => {}
                // Its successor is there, or is made.
                Err(FilesError::Outlived { .. }) => continue,
                Err(error) => return Err(error),
            }
            Table::create(&path, &rules)?;
        }
    }

    /// Opens the directory whose files `segment` names; it must be there, and be this segment's.
    ///
    /// # Errors
    /// See [`FilesError`].
    pub fn open(&self, directory: &Path, segment: &Segment) -> Result<Depot, FilesError> {
        let directory = own_directory(directory, false)?;
        let path = directory.join(place::TABLE);
        // Who looks takes nothing from others.
        if Table::arbiter_of(&path)?.is_some_and(|arbiter| arbiter != segment.id()) {
            return Err(FilesError::OtherSegment { path });
        }
        self.try_open(&directory, segment)?
            .ok_or(FilesError::NotFound { path: directory })
    }

    fn try_open(&self, directory: &Path, segment: &Segment) -> Result<Option<Depot>, FilesError> {
        let Some(table) = Table::open(&directory.join(place::TABLE), segment.id())? else {
            return Ok(None);
        };
        let place = Place::new(directory, table.life, table.shards);
        make_shards(&place)?;
        let own = place::values_of(table.life);
        let has_leftovers = sweep::list(directory)?
            .iter()
            .any(|(name, _)| place::is_values(name) && *name != own);
        if has_leftovers {
            table.word(CONTROL_LEFTOVERS).store(1, Ordering::Relaxed);
        }
        let folder =
            Folder::open(&place.values).map_err(|source| FilesError::io("open", &place.values, source))?;
        let shared = Shared {
            table,
            place,
            folder,
            arbiter: segment.clone(),
            clock: Clock::system(),
            maps: KeptMaps::new(),
            is_durable: self.is_durable,
        };
        // A row now, so that nobody takes the table for one that nobody uses; the dead are met on the way.
        let owner = shared.owner()?;
        shared.recover(&owner)?;
        Ok(Some(Depot {
            shared: Arc::new(shared),
        }))
    }
}

/// The real path of a directory that only this user may write to; made if `may_make`.
pub(crate) fn own_directory(path: &Path, may_make: bool) -> Result<PathBuf, FilesError> {
    let io = |action| move |source| FilesError::io(action, path, source);
    let found = match std::fs::metadata(path) {
        Err(error) if may_make && error.kind() == std::io::ErrorKind::NotFound => {
            make_directory(path).map_err(io("make"))?;
            std::fs::metadata(path).map_err(io("inspect"))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(FilesError::NotFound {
                path: path.to_path_buf(),
            });
        }
        other => other.map_err(io("inspect"))?,
    };
    if !found.is_dir() {
        return Err(FilesError::NotOurs {
            path: path.to_path_buf(),
            problem: "it is no directory",
        });
    }
    let user = geteuid().as_raw();
    if found.uid() != user && found.uid() != 0 {
        return Err(FilesError::Owner {
            path: path.to_path_buf(),
            owner: found.uid(),
            user,
        });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(FilesError::Permissions {
            path: path.to_path_buf(),
            mode,
        });
    }
    std::fs::canonicalize(path).map_err(io("resolve"))
}

impl Shared {
    /// Makes the directory of the file `number`, which somebody has removed, unless the table is gone, too: others that
    /// open the directory by now have a new one.
    pub(super) fn make_shard_again(&self, number: u64) -> Result<(), FilesError> {
        if !self.table.is_named() {
            return Err(FilesError::Removed {
                path: self.place.directory.clone(),
            });
        }
        for path in [&self.place.values, &self.place.shard(number)] {
            make_directory(path).map_err(|source| FilesError::io("make", path, source))?;
        }
        Ok(())
    }
}

fn make_shards(place: &Place) -> Result<(), FilesError> {
    let make = |path: &Path| make_directory(path).map_err(|source| FilesError::io("make", path, source));
    make(&place.values)?;
    for shard in 0..u64::from(place.shards) {
        make(&place.values.join(place::shard_name(shard)))?;
    }
    Ok(())
}
