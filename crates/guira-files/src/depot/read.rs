//! Reading a value file.
//!
//! The first read of a file verifies it (`opening`). After that a map costs an open and a map, once in a process, and a
//! copy the copying.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use guira_shm::directory::{self, ReadMap};
use guira_shm::sync::Ordering;

use super::checking;
use super::checksum::checksum;
use super::opening::Opened;
use super::value::ValueMap;
use super::{Depot, Shared};
use crate::error::FilesError;
use crate::layout::stub::Stub;
use crate::table::Counter;

/// The part of all values' room that the maps of one process may keep.
const KEPT_PART: u64 = 4;
/// Longer values are always copied out of their files: of those the kernel's calls are the smaller part.
const COPIED_FROM_A_MAP_BYTES: u64 = 1 << 20;

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
        let Some(Opened { file, .. }) = shared.open_verified(stub)? else {
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
        let Some(opened) = shared.open_stub(stub)? else {
            return Ok(None);
        };
        if stub.is_linked() {
            let Some(opened) = shared.verified(opened, stub)? else {
                return Ok(None);
            };
            shared.count_read(stub);
            return Ok(shared.verified_copy(&opened.file, stub)?.map(ValueMap::copied));
        }
        let map = shared.map_of(&opened, stub)?;
        if !opened.is_verified && map.is_here() {
            // The bytes are compared where they will be read.
            let (head, value) = map.split_at(stub.head_bytes as usize);
            if !checking::is_head_of(head, stub) || checksum(value) != stub.checksum {
                shared.lose(stub, Counter::Corrupt);
                return Ok(None);
            }
            shared.vouch(stub, &opened.state);
        } else if shared.verified(opened, stub)?.is_none() {
            return Ok(None);
        }
        shared.count_read(stub);
        Ok(Some(shared.keep(map, stub)))
    }

    /// The bytes that `stub` names, copied; `None` if they are gone or damaged.
    ///
    /// # Errors
    /// As [`Depot::open`].
    pub fn bytes(&self, stub: &Stub) -> Result<Option<Vec<u8>>, FilesError> {
        let shared = &*self.shared;
        // Nobody shall be given a copy of what was changed in place.
        if let Some(map) = shared.maps.get(stub)
            && shared.info_of(stub).is_some()
            && shared.is_unchanged(stub)
        {
            shared.count_read(stub);
            return Ok(Some(map.copy()));
        }
        let Some(opened) = shared.open_stub(stub)? else {
            return Ok(None);
        };
        // A linked file may change at any time.
        if !opened.is_verified || stub.is_linked() {
            let bytes = shared.verified_copy(&opened.file, stub)?;
            if bytes.is_some() {
                if !opened.is_verified {
                    shared.vouch(stub, &opened.state);
                }
                shared.count_read(stub);
            }
            return Ok(bytes);
        }
        shared.count_read(stub);
        if shared.is_worth_a_map(stub) {
            let map = shared.map_of(&opened, stub)?;
            return Ok(Some(shared.keep(map, stub).copy()));
        }
        let bytes = read_all(&opened.file, stub).map_err(|source| shared.reading(stub, source))?;
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

    fn map_of(&self, opened: &Opened, stub: &Stub) -> Result<ReadMap, FilesError> {
        ReadMap::of_state(&opened.file, &opened.state, opened.state.len_bytes)
            .map_err(|source| self.reading(stub, source))
    }

    fn keep(&self, map: ReadMap, stub: &Stub) -> ValueMap {
        let map = ValueMap::mapped(map, stub.head_bytes as usize);
        self.maps.keep(stub, &map, self.kept_bytes(), |other| {
            self.info_of(other).is_some()
        });
        map
    }

    /// Whether the next copies of the value, which is verified, are better taken from a map.
    fn is_worth_a_map(&self, stub: &Stub) -> bool {
        stub.value_bytes <= COPIED_FROM_A_MAP_BYTES
            && self.maps.has_room(stub.value_bytes, self.kept_bytes())
            && self.maps.is_copied_again(stub)
    }

    /// A copy of a file's bytes that is what head and checksum say.
    fn verified_copy(&self, file: &File, stub: &Stub) -> Result<Option<Vec<u8>>, FilesError> {
        let read = checking::head_fits(file, stub).and_then(|fits| {
            if fits {
                read_all(file, stub).map(Some)
            } else {
                Ok(None)
            }
        });
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(source) => return Err(self.reading(stub, source)),
        };
        if let Some(bytes) = bytes
            && checksum(&bytes) == stub.checksum
        {
            return Ok(Some(bytes));
        }
        self.lose(stub, Counter::Corrupt);
        Ok(None)
    }

    pub(super) fn reading(&self, stub: &Stub, source: io::Error) -> FilesError {
        FilesError::io("read", &self.place.value(stub.number), source)
    }
}

fn read_all(file: &File, stub: &Stub) -> io::Result<Vec<u8>> {
    let length = usize::try_from(stub.value_bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
    directory::read_at(file, stub.head_bytes.into(), length)
}
