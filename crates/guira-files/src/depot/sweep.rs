//! Finding what nobody needs any more: records whose stub is gone, and names in the directory that no record has.

use std::path::PathBuf;

use guira_shm::sync::Ordering;

use super::{Depot, Shared, place};
use crate::error::FilesError;
use crate::layout::record::RecordState;
use crate::layout::table::{CONTROL_ORPHANS, CONTROL_SWEEP_HAND};
use crate::table::{Counter, Owner};

/// Records that are looked at for each file that is.
const PASSED_BY: u64 = 64;
/// Evictions that look for an orphan first after one was met.
const ORPHANS_EXPECTED: u64 = 64;

/// What a sweep did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Files that no stub named.
    pub orphaned: u64,
    /// Files whose time was over.
    pub expired: u64,
    /// Entries of a files cache whose files were gone.
    pub missing: u64,
    /// Files in the directory that no record had: left by a machine's crash, or put there.
    pub unknown: u64,
    /// Dead processes whose work was completed.
    pub recovered: u64,
    /// Names in the directory that are not ours: they are never touched.
    pub foreign: Vec<PathBuf>,
}

/// A name in the directory of values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A value file's.
    Value {
        /// Its number.
        number: u64,
        /// Where it is.
        path: PathBuf,
    },
    /// Somebody else's.
    Foreign(PathBuf),
}

impl Depot {
    /// Looks at every record and at every name in the directory: finishes what the dead left, removes orphans, expired
    /// files and value files that no record knows. What is not ours is told and left alone. Takes time in proportion to
    /// the files; the others work meanwhile. Nobody needs to call it: writes do the same bit by bit.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn sweep(&self) -> Result<Swept, FilesError> {
        let shared = &*self.shared;
        let owner = shared.owner()?;
        let mut swept = Swept {
            recovered: shared.recover(&owner)?,
            ..Swept::default()
        };
        while !shared.clear_leftovers(u32::MAX) {}
        for record in 0..shared.table.geometry.records as u32 {
            match shared.sweep_record(&owner, record)? {
                Fate::Stays => {}
                Fate::Orphaned => swept.orphaned += 1,
                Fate::Expired => swept.expired += 1,
            }
        }
        shared.maps.retain(|stub| shared.info_of(stub).is_some());
        let known = shared.known_numbers();
        // A number that is given from here on is not looked for.
        let next = shared
            .table
            .word(crate::layout::table::CONTROL_NEXT_NUMBER)
            .load(Ordering::Relaxed);
        let mut unknown = Vec::new();
        for found in self.names()? {
            match found {
                Found::Foreign(path) => swept.foreign.push(path),
                Found::Value { number, path } if number < next && !known.contains(&number) => {
                    unknown.push((number, path));
                }
                Found::Value { .. } => {}
            }
        }
        if !unknown.is_empty() {
            // One may have got its record since; numbers are given once.
            let known = shared.known_numbers();
            for (_, path) in unknown.iter().filter(|(number, _)| !known.contains(number)) {
                let removed = guira_shm::directory::remove_file(path)
                    .map_err(|source| FilesError::io("remove", path, source))?;
                swept.unknown += u64::from(removed);
            }
        }
        Ok(swept)
    }

    /// The names in the directory and in its directories of values.
    ///
    /// # Errors
    /// One of them cannot be listed.
    pub fn names(&self) -> Result<Vec<Found>, FilesError> {
        let place = &self.shared.place;
        let mut found = Vec::new();
        for (name, path) in list(&place.directory)? {
            let is_ours = [place::TABLE, place::INDEX, place::SUCCESSOR].contains(&name.as_str())
                || place::is_values(&name);
            if !is_ours || path.is_symlink() {
                found.push(Found::Foreign(path));
            }
        }
        let shards: Vec<String> = (0..u64::from(place.shards)).map(place::shard_name).collect();
        for (name, path) in list(&place.values)? {
            if !shards.contains(&name) || path.is_symlink() {
                found.push(Found::Foreign(path));
                continue;
            }
            for (name, path) in list(&path)? {
                let Some(number) = place::number_of(&name) else {
                    found.push(Found::Foreign(path));
                    continue;
                };
                match path.symlink_metadata() {
                    Ok(it) if it.is_file() => found.push(Found::Value { number, path }),
                    // It was removed since it was listed.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    _ => found.push(Found::Foreign(path)),
                }
            }
        }
        Ok(found)
    }
}

enum Fate {
    Stays,
    Orphaned,
    Expired,
}

impl Shared {
    /// Looks at the next `count` files: what each write does of the sweep. Says whether one went.
    pub(super) fn sweep_some(&self, owner: &Owner, count: u64) -> Result<bool, FilesError> {
        let (records, hand) = (self.table.geometry.records, self.table.word(CONTROL_SWEEP_HAND));
        let mut left = count;
        let mut has_gone = false;
        // Free records are passed by, within bounds.
        for _ in 0..count * PASSED_BY {
            let record = (hand.fetch_add(1, Ordering::Relaxed) % records) as u32;
            if self.table.record(record).state() == Some(RecordState::Free) {
                continue;
            }
            has_gone |= !matches!(self.sweep_record(owner, record)?, Fate::Stays);
            left -= 1;
            if left == 0 {
                break;
            }
        }
        Ok(has_gone)
    }

    fn sweep_record(&self, owner: &Owner, record: u32) -> Result<Fate, FilesError> {
        let Some(info) = self.table.info(record) else {
            return Ok(Fate::Stays);
        };
        if info.word.state() != Some(RecordState::Live) {
            return Ok(Fate::Stays);
        }
        let now_ms = self.clock.realtime_ms();
        if info.due_ms <= now_ms {
            let is_gone = self.settle_due(owner, record, now_ms)?;
            return Ok(if is_gone { Fate::Expired } else { Fate::Stays });
        }
        if self.is_named(&info) {
            self.table.ensure_place(record, info.word);
            return Ok(Fate::Stays);
        }
        if !self.remove(owner, record, info.word)? {
            return Ok(Fate::Stays);
        }
        self.table
            .word(CONTROL_ORPHANS)
            .store(ORPHANS_EXPECTED, Ordering::Relaxed);
        self.table.count(Counter::Orphaned, 1);
        Ok(Fate::Orphaned)
    }

    fn known_numbers(&self) -> std::collections::HashSet<u64> {
        (0..self.table.geometry.records as u32)
            .filter(|record| self.table.record(*record).state() != Some(RecordState::Free))
            .map(|record| self.table.number(record))
            .collect()
    }
}

/// Names and paths in a directory; one that vanishes meanwhile is empty.
pub(super) fn list(directory: &std::path::Path) -> Result<Vec<(String, PathBuf)>, FilesError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FilesError::io("list", directory, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| FilesError::io("list", directory, source))?;
        names.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(names)
}
