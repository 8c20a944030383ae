//! The directory of value files of one segment: written, read, evicted, swept.
//!
//! A depot knows no keys. Whose value a file is, and whether it is still that key's, is decided by the segment: a
//! file's value is what an entry's stub names ([`Stub`]), so invalidations, deadlines, tags, fills, flights and
//! the bus work on the entry as on any other. A file that no stub names is an orphan and is swept; a stub whose
//! file is gone is a miss.
//!
//! # A put
//!
//! | step | a kill before it leaves | who clears that up |
//! |---|---|---|
//! | a record is HELD, its space counted | nothing | |
//! | room is made: other files are removed until usage is within the limit | a HELD record | who takes the row |
//! | the file is written, bytes that are here under its name and streams and copies without one | the same | the kernel, and as above |
//! | it has its name | a HELD record and a file, perhaps a part of one | who takes the row: no stub names it |
//! | the stub is stored in the segment (put, add, fill, ..) | the same | as above |
//! | the record is LIVE, in a queue | a HELD record whose file is named | who takes the row makes it LIVE |
//! | the file that was replaced is removed | an orphan | the sweep, or eviction |
//!
//! # A removal
//!
//! The record is DYING by one process's compare-and-swap; the stub goes, the file's name goes, the record is FREE and its
//! space given back. A reader that opened the file before keeps it, for the kernel does; one that comes later
//! misses.

mod checking;
mod checksum;
mod kept_maps;
mod leftovers;
mod make;
mod opening;
pub(crate) mod place;
mod read;
mod room;
mod sweep;
mod value;
mod write;

pub use make::DepotBuilder;
pub(crate) use make::own_directory;
pub use read::FileValue;
pub use sweep::{Found, Swept};
pub use value::ValueMap;
pub use write::{Held, Label, Source, TakeFile};

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use guira_segment::{Segment, Unseen};
use guira_shm::clock::Clock;
use guira_shm::directory::Folder;
use guira_shm::mutant::Mutant;

use crate::error::FilesError;
use crate::layout::record::{RecordState, RecordWord};
use crate::layout::stub::{STUB_BYTES, Stub};
use crate::table::{Counter, Owner, RecordInfo, Table};
use kept_maps::KeptMaps;
use place::Place;

/// The directory of value files of one segment. Cheap to clone; `Send` and `Sync`; a forked child goes on with it.
#[derive(Clone, Debug)]
pub struct Depot {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Table,
    place: Place,
    /// The directory of values.
    folder: Folder,
    arbiter: Segment,
    clock: Clock,
    maps: KeptMaps,
    is_durable: bool,
}

/// Figures of a depot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct DepotStats {
    /// What the directory may take on the disk, table, index and directories included.
    pub limit_bytes: u64,
    /// Of it, what is not there for values.
    pub overhead_bytes: u64,
    /// What value files take, or are about to: whole blocks, as the disk counts.
    pub used_bytes: u64,
    /// The same, added up record by record: another figure only while somebody writes, or has died writing and nobody
    /// has looked yet.
    pub recorded_bytes: u64,
    /// Value files.
    pub files: u64,
    /// How many there may be.
    pub max_files: u64,
    /// Values written, by all processes since the table was made; and their bytes.
    pub written: u64,
    /// See above.
    pub written_bytes: u64,
    /// Values read.
    pub read: u64,
    /// Files that were verified: at the first read of each.
    pub verified: u64,
    /// Stubs whose file was gone.
    pub missing: u64,
    /// Files that were damaged and removed.
    pub corrupt: u64,
    /// Files that were removed to make room.
    pub evicted: u64,
    /// Files that were removed because their time was over.
    pub expired: u64,
    /// Files that were removed because no stub named them.
    pub orphaned: u64,
    /// Dead processes whose work was completed.
    pub recovered: u64,
}

impl Depot {
    /// How to make or open one.
    #[must_use]
    pub fn builder() -> DepotBuilder {
        DepotBuilder::default()
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.place.directory
    }

    /// The segment whose stubs name the files.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        &self.shared.arbiter
    }

    /// Space for all values together, in bytes.
    #[must_use]
    pub fn room_bytes(&self) -> u64 {
        self.shared.table.budget_blocks() * 512
    }

    /// Figures. Counts the files by a look at each record.
    #[must_use]
    pub fn stats(&self) -> DepotStats {
        let table = &self.shared.table;
        let files = (0..table.geometry.records as u32)
            .filter(|record| table.record(*record).state() == Some(RecordState::Live))
            .count();
        DepotStats {
            limit_bytes: table.limit_bytes,
            overhead_bytes: table.overhead_bytes,
            used_bytes: self.used_bytes(),
            recorded_bytes: table.counted_blocks() * 512,
            files: files as u64,
            max_files: table.geometry.records,
            written: table.counted(Counter::Written),
            written_bytes: table.counted(Counter::WrittenBytes),
            read: table.counted(Counter::Read),
            verified: table.counted(Counter::Verified),
            missing: table.counted(Counter::Missing),
            corrupt: table.counted(Counter::Corrupt),
            evicted: table.counted(Counter::Evicted),
            expired: table.counted(Counter::Expired),
            orphaned: table.counted(Counter::Orphaned),
            recovered: table.counted(Counter::Recovered),
        }
    }

    /// Space that value files take or are about to, in bytes of whole blocks.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.shared.table.used_blocks() * 512
    }

    /// Whether the file that a stub names may be there: its record is the stub's. If not, it never will be again.
    #[must_use]
    pub fn has(&self, stub: &Stub) -> bool {
        self.shared.info_of(stub).is_some()
    }

    /// The file that a stub names is not needed any more: it is removed now. Does nothing if it is gone.
    pub fn retire(&self, stub: &Stub) {
        let shared = &*self.shared;
        if let Some(info) = shared.info_of(stub)
            && info.word.state() == Some(RecordState::Live)
            && let Ok(owner) = shared.owner()
        {
            // What cannot be removed now is an orphan that is swept later.
            let _ = shared.remove(&owner, stub.record, info.word);
        }
    }
}

impl Shared {
    /// This process's row.
    fn owner(&self) -> Result<Arc<Owner>, FilesError> {
        self.table.owner(|dead| self.finish(dead))
    }

    /// The record of a stub, if it still is the stub's.
    fn info_of(&self, stub: &Stub) -> Option<RecordInfo> {
        if stub.life != self.table.life || !self.table.has_record(stub.record) {
            return None;
        }
        let info = self.table.info(stub.record)?;
        let is_there = matches!(info.word.state(), Some(RecordState::Live | RecordState::Held));
        (info.number == stub.number && is_there).then_some(info)
    }

    /// Whether an entry of the segment names the file.
    fn is_named(&self, info: &RecordInfo) -> bool {
        let looked = self
            .arbiter
            .look_by_hash(info.namespace_hash, info.key_hash, STUB_BYTES);
        match looked {
            Ok(entry) => entry.is_some_and(|entry| self.names(&entry.value, info.number)),
            // A good file must not go because nobody could look.
            Err(Unseen) => true,
        }
    }

    fn names(&self, stored: &[u8], number: u64) -> bool {
        Stub::parse(stored).is_some_and(|stub| stub.life == self.table.life && stub.number == number)
    }

    /// Takes the stub of a file that goes out of the segment.
    fn forget(&self, info: &RecordInfo) {
        self.arbiter
            .evict_by_hash(info.namespace_hash, info.key_hash, STUB_BYTES, |stored| {
                self.names(stored, info.number)
            });
    }

    /// Removes a LIVE record and its file; false if somebody was faster. Where the file cannot be removed, the record is
    /// LIVE again and all is as it was.
    fn remove(&self, owner: &Owner, record: u32, live: RecordWord) -> Result<bool, FilesError> {
        let dying = live.dying(owner.row);
        if !self.table.change(owner, record, live, dying) {
            return Ok(false);
        }
        self.table.note_departure(live);
        self.bury(owner, record, dying).map(|()| true)
    }

    /// Takes the file of a record that is DYING by `owner` away, its stub behind it, and frees the record.
    fn bury(&self, owner: &Owner, record: u32, dying: RecordWord) -> Result<(), FilesError> {
        // Nobody else changes it as long as it is DYING.
        let Some(info) = self.table.info(record) else {
            return Ok(());
        };
        if Mutant::FreedBeforeUnlinked.is_on() {
            self.table.change(owner, record, dying, dying.free());
        }
        if let Err((path, source)) = self.unlink(info.number) {
            // As it was: a stub that names it has its file, and what no stub names is swept.
            if self.table.change(owner, record, dying, dying.live()) {
                self.table.ensure_place(record, dying.live());
            }
            return Err(FilesError::io("remove", &path, source));
        }
        self.forget(&info);
        self.table.change(owner, record, dying, dying.free());
        Ok(())
    }

    /// Takes the names of a value file away.
    fn unlink(&self, number: u64) -> Result<(), (PathBuf, std::io::Error)> {
        for path in [self.place.value(number), self.place.linked(number)] {
            match guira_shm::directory::remove_file(&path) {
                Ok(true) => break,
                Ok(false) => {}
                // Something else has the name: the file is gone, and this is not ours.
                Err(error) if matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::NotADirectory) => {}
                Err(error) => return Err((path, error)),
            }
        }
        Ok(())
    }
}
