//! Reading a value file.
//!
//! The first read of a file verifies it: the head is its stub's, the bytes have the checksum. What was verified is
//! noted in the table by the file's state (inode, length, times), so that no process does it again as long as the
//! state is the same; a file that was touched in any way the kernel knows is verified anew. A state that is
//! younger than the kernel's clock can tell apart is not noted.
//!
//! A file that is gone, cut, or not what its stub says is a miss: it is removed, its stub goes, and it is counted.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use guira_shm::directory::{self, FileState, ReadMap, open_regular};
use guira_shm::sync::Ordering;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::checking;
use super::value::ValueMap;
use super::{Depot, Shared};
use crate::error::FilesError;
use crate::layout::record::RecordState;
use crate::layout::stub::Stub;
use crate::layout::table::{CONTROL_BOOT_HIGH, CONTROL_BOOT_LOW};
use crate::table::Counter;

/// A change within this of a look may not show in a file's times: the kernel's clock ticks every 10 ms at worst.
const TICK_NS: i128 = 50_000_000;

/// The part of all values' room that the maps of one process may keep.
const KEPT_PART: u64 = 4;

/// A value file, open and verified. It reads the value's bytes, from the first to the last; whatever becomes of the
/// file's name, it can be read.
#[derive(Debug)]
pub struct FileValue {
    file: File,
    stub: Stub,
    position: u64,
}

impl FileValue {
    /// Bytes of the value.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.stub.value_bytes
    }

    /// Whether the value has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stub.value_bytes == 0
    }

    /// Where the value's first byte is in the file, for those who read by offset: it ends with the file.
    #[must_use]
    pub const fn offset_bytes(&self) -> u64 {
        self.stub.head_bytes as u64
    }

    /// The file, positioned at the value's first byte: reading it to its end gives the value.
    ///
    /// # Errors
    /// It cannot be positioned.
    pub fn into_file(mut self) -> io::Result<File> {
        self.file.seek(SeekFrom::Start(self.offset_bytes()))?;
        Ok(self.file)
    }

    /// All bytes, copied.
    ///
    /// # Errors
    /// The disk failed.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        read_all(&self.file, &self.stub)
    }
}

impl Read for FileValue {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.stub.value_bytes.saturating_sub(self.position);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let room = buffer.get_mut(..most).unwrap_or_default();
        let read = self.file.read_at(room, self.offset_bytes() + self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for FileValue {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.stub.value_bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl Depot {
    /// The file that `stub` names, open; `None` if it is gone or damaged.
    ///
    /// # Errors
    /// The file is there and cannot be opened or read: permissions, a failing disk, no descriptor left.
    pub fn open(&self, stub: &Stub) -> Result<Option<FileValue>, FilesError> {
        let shared = &*self.shared;
        let Some(file) = shared.open_verified(stub)? else {
            return Ok(None);
        };
        shared.count_read(stub);
        if stub.is_linked() {
            // It may change while it is read: a copy that was compared does not.
            return shared.copied(&file, stub);
        }
        Ok(Some(FileValue {
            file,
            stub: *stub,
            position: 0,
        }))
    }

    /// The bytes that `stub` names, mapped; `None` if they are gone or damaged. A map that this process has already is
    /// given again.
    ///
    /// # Errors
    /// As [`Depot::open`].
    pub fn map(&self, stub: &Stub) -> Result<Option<ValueMap>, FilesError> {
        let shared = &*self.shared;
        if let Some(map) = shared.maps.get(stub) {
            if shared.info_of(stub).is_some() {
                shared.count_read(stub);
                return Ok(Some(map));
            }
            shared.maps.drop_of(stub);
            return Ok(None);
        }
        let Some(file) = shared.open_verified(stub)? else {
            return Ok(None);
        };
        shared.count_read(stub);
        if stub.is_linked() {
            return Ok(shared.verified_copy(&file, stub)?.map(ValueMap::copied));
        }
        let head_bytes = stub.head_bytes as usize;
        let map = ReadMap::of(&file, u64::from(stub.head_bytes) + stub.value_bytes)
            .map_err(|source| shared.reading(stub, source))?;
        let map = ValueMap::mapped(map, head_bytes);
        shared.maps.keep(stub, &map, shared.kept_bytes(), |other| {
            shared.info_of(other).is_some()
        });
        Ok(Some(map))
    }

    /// The bytes that `stub` names, copied; `None` if they are gone or damaged.
    ///
    /// # Errors
    /// As [`Depot::open`].
    pub fn bytes(&self, stub: &Stub) -> Result<Option<Vec<u8>>, FilesError> {
        let shared = &*self.shared;
        if let Some(map) = shared.maps.get(stub)
            && shared.info_of(stub).is_some()
        {
            shared.count_read(stub);
            return Ok(Some(map.to_vec()));
        }
        let Some(file) = shared.open_verified(stub)? else {
            return Ok(None);
        };
        shared.count_read(stub);
        if stub.is_linked() {
            return shared.verified_copy(&file, stub);
        }
        let bytes = read_all(&file, stub).map_err(|source| shared.reading(stub, source))?;
        Ok(Some(bytes))
    }

    /// A small value as a file without a name.
    pub(crate) fn file_of(&self, value: &[u8]) -> Result<FileValue, FilesError> {
        let file = self.shared.unnamed()?;
        directory::write_at(&file, 0, value)
            .map_err(|source| FilesError::io("write a file in", &self.shared.place.values, source))?;
        Ok(FileValue {
            file,
            stub: Stub {
                life: self.shared.table.life,
                number: 0,
                record: 0,
                head_bytes: 0,
                value_bytes: value.len() as u64,
                checksum: 0,
            },
            position: 0,
        })
    }

    /// Reads all bytes that `stub` names and compares them with its checksum, whether that was done before or not. False
    /// if they are gone or damaged; then they are removed.
    ///
    /// # Errors
    /// As [`Depot::open`].
    pub fn verify(&self, stub: &Stub) -> Result<bool, FilesError> {
        let shared = &*self.shared;
        if shared.info_of(stub).is_some() {
            shared.table.verified(stub.record).store(0, Ordering::Relaxed);
        }
        Ok(shared.open_verified(stub)?.is_some())
    }
}

impl Shared {
    /// What the maps that a process keeps may have in all: their files stay on the disk although their names are gone.
    const fn kept_bytes(&self) -> u64 {
        self.table.budget_blocks() * 512 / KEPT_PART
    }

    fn count_read(&self, stub: &Stub) {
        self.table.use_record(stub.record);
        self.table.count(Counter::Read, 1);
    }

    /// The stub's file; verified, now or before.
    fn open_verified(&self, stub: &Stub) -> Result<Option<File>, FilesError> {
        if self.info_of(stub).is_none() {
            return Ok(None);
        }
        let path = if stub.is_linked() {
            self.place.linked(stub.number)
        } else {
            self.place.value(stub.number)
        };
        let file = match open_regular(&path) {
            Ok(file) => file,
            Err(error) if checking::is_gone(&error) => {
                self.lose(stub, Counter::Missing);
                return Ok(None);
            }
            Err(source) => return Err(FilesError::io("open", &path, source)),
        };
        let state = FileState::of(&file).map_err(|source| self.reading(stub, source))?;
        if state.len_bytes != u64::from(stub.head_bytes) + stub.value_bytes {
            self.lose(stub, Counter::Corrupt);
            return Ok(None);
        }
        let folded = self.fold(&state, stub);
        if self.table.verified(stub.record).load(Ordering::Relaxed) == folded {
            return Ok(Some(file));
        }
        let is_intact = checking::is_intact(&file, stub).map_err(|source| self.reading(stub, source))?;
        if !is_intact {
            self.lose(stub, Counter::Corrupt);
            return Ok(None);
        }
        self.table.count(Counter::Verified, 1);
        let now_ns = i128::from(self.clock.realtime_ms()) * 1_000_000;
        let is_settled = state.changed_ns < now_ns - TICK_NS && state.modified_ns < now_ns - TICK_NS;
        if is_settled && self.info_of(stub).is_some() {
            self.table.verified(stub.record).store(folded, Ordering::Relaxed);
        }
        Ok(Some(file))
    }

    fn unnamed(&self) -> Result<File, FilesError> {
        let unsupported = || io::Error::from(io::ErrorKind::Unsupported);
        directory::unnamed_file(&self.place.values, 0o400)
            .and_then(|file| file.ok_or_else(unsupported))
            .map_err(|source| FilesError::io("make a file in", &self.place.values, source))
    }

    /// A linked file's bytes in a file of this process alone, if they are what their checksum says.
    fn copied(&self, file: &File, stub: &Stub) -> Result<Option<FileValue>, FilesError> {
        let copy = self.unnamed()?;
        let copied = directory::copy_into(file, stub.value_bytes, &copy, 0)
            .map_err(|source| self.reading(stub, source))?;
        let is_intact = copied == stub.value_bytes
            && checking::is_intact(&copy, stub).map_err(|source| self.reading(stub, source))?;
        if !is_intact {
            self.lose(stub, Counter::Corrupt);
            return Ok(None);
        }
        Ok(Some(FileValue {
            file: copy,
            stub: *stub,
            position: 0,
        }))
    }

    /// A copy of a linked file's bytes that is what its checksum says: the file may change at any time.
    fn verified_copy(&self, file: &File, stub: &Stub) -> Result<Option<Vec<u8>>, FilesError> {
        let bytes = match read_all(file, stub) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Vec::new(),
            Err(source) => return Err(self.reading(stub, source)),
        };
        if bytes.len() as u64 == stub.value_bytes && xxh3_64(&bytes) == stub.checksum {
            return Ok(Some(bytes));
        }
        self.lose(stub, Counter::Corrupt);
        Ok(None)
    }

    /// A file's state in a word that is not 0. It vouches for one stub, and for this boot of the machine.
    fn fold(&self, state: &FileState, stub: &Stub) -> u64 {
        let [boot_low, boot_high] =
            [CONTROL_BOOT_LOW, CONTROL_BOOT_HIGH].map(|word| self.table.region().read_u64(word));
        let mut bytes = Vec::with_capacity(96);
        for word in [
            state.identity.0,
            state.identity.1,
            state.len_bytes,
            stub.number,
            stub.checksum,
            boot_low,
            boot_high,
        ] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for word in [state.modified_ns, state.changed_ns] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        xxh3_64_with_seed(&bytes, 1).max(1)
    }

    /// The file is gone or is not what it was: record, stub and file go.
    fn lose(&self, stub: &Stub, why: Counter) {
        let Some(info) = self.info_of(stub) else {
            return; // somebody removed it in the ordinary way
        };
        // One that is HELD yet is its writer's to look after.
        if info.word.state() == Some(RecordState::Live)
            && let Ok(owner) = self.owner()
            && matches!(self.remove(&owner, stub.record, info.word), Ok(true))
        {
            self.table.count(why, 1);
            tracing::warn!(
                directory = %self.place.directory.display(),
                number = stub.number,
                "a value file was {}", if why == Counter::Missing { "gone" } else { "damaged, and is removed" }
            );
        }
    }

    fn reading(&self, stub: &Stub, source: io::Error) -> FilesError {
        FilesError::io("read", &self.place.value(stub.number), source)
    }
}

fn read_all(file: &File, stub: &Stub) -> io::Result<Vec<u8>> {
    let length = usize::try_from(stub.value_bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, stub.head_bytes.into())?;
    Ok(bytes)
}
