//! Writing a value file.
//!
//! The source is read once, into a file of ours; the checksum is that of the copy, so a source that changes while it is
//! copied, or vanishes afterwards, does no harm. Only a linked file ([`TakeFile::Link`]) stays the source's, too: if that
//! is changed in place, its checksum no longer fits and the value is a miss.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use guira_segment::Segment;
use guira_shm::directory::{self, FileState, ReadMap};
use xxhash_rust::xxh3::Xxh3;

use super::checksum::checksum;
use super::room::estimate_blocks;
use super::{Depot, Shared, checking};
use crate::error::FilesError;
use crate::layout::head::{self, Head};
use crate::layout::record::{NEVER_MS, RecordWord};
use crate::layout::stub::{STUB_BYTES, Stub};
use crate::table::{Counter, Owner};
use std::sync::Arc;

/// Bytes that are read from a stream at once.
const STREAM_STEP_BYTES: usize = 256 << 10;
/// Space that a stream of unknown length begins with, and grows by.
const STREAM_ROOM_BYTES: u64 = 1 << 20;
/// Nobody writes a value file that has a name.
const VALUE_MODE: u32 = 0o400;

/// Whose value a file is to be.
#[derive(Clone, Copy, Debug)]
pub struct Label<'k> {
    pub(crate) key: &'k [u8],
    pub(crate) key_hash: u64,
    pub(crate) namespace_hash: u64,
    pub(crate) birth: u64,
    pub(crate) hard: Option<Duration>,
    pub(crate) soft: Option<Duration>,
    pub(crate) kind: u32,
}

impl<'k> Label<'k> {
    /// A value of `key` in the namespace of `segment`, without deadlines.
    #[must_use]
    pub fn new(segment: &Segment, key: &'k [u8]) -> Self {
        Self {
            key,
            key_hash: segment.hash_of(key),
            namespace_hash: segment.namespace_hash(),
            birth: segment.invalidation_clock(),
            hard: None,
            soft: None,
            kind: 0,
        }
    }

    /// Its hard deadline and its soft one, from now; what the segment's entry says later counts.
    #[must_use]
    pub const fn deadlines(self, hard: Option<Duration>, soft: Option<Duration>) -> Self {
        Self { hard, soft, ..self }
    }

    /// A number for what the bytes are, of the writer's choice: it is in the file for whoever looks at it.
    #[must_use]
    pub const fn kind(self, kind: u32) -> Self {
        Self { kind, ..self }
    }
}

/// Where a value's bytes come from.
#[non_exhaustive]
pub enum Source<'s> {
    /// They are here.
    Bytes(&'s [u8]),
    /// They are read until the end, and `bytes_about` of them are expected (0 for no idea).
    Stream {
        /// What is read.
        from: &'s mut dyn Read,
        /// How many bytes it may be.
        bytes_about: u64,
    },
    /// They are all that this regular file has.
    File(&'s File, TakeFile),
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(&bytes.len()).finish(),
            Self::Stream { bytes_about, .. } => f.debug_tuple("Stream").field(bytes_about).finish(),
            Self::File(file, take) => f.debug_tuple("File").field(file).field(take).finish(),
        }
    }
}

/// How a file's bytes become a value's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TakeFile {
    /// Copied, inside the kernel where that can be.
    #[default]
    Copy,
    /// Its blocks are shared until one side is changed (a reflink), where the file system can; else copied.
    Share,
    /// The file itself gets a name here (a hard link), where it lies on the same file system and that is allowed; else
    /// as [`TakeFile::Share`]. Who changes it in place afterwards takes the value away.
    Link,
}

/// A value file that is written and has its name, for which the segment is to get the stub. Dropped without
/// [`Held::keep`], the file is removed.
#[derive(Debug)]
#[must_use = "the file is removed unless it is kept"]
pub struct Held<'d> {
    shared: &'d Shared,
    owner: Arc<Owner>,
    record: u32,
    held: RecordWord,
    key_hash: u64,
    due_ms: u64,
    stub: Stub,
    is_kept: bool,
}

impl Held<'_> {
    /// What stands for the file in the segment.
    #[must_use]
    pub fn stub(&self) -> [u8; STUB_BYTES] {
        self.stub.encode()
    }

    /// Bytes of the value.
    #[must_use]
    pub const fn value_bytes(&self) -> u64 {
        self.stub.value_bytes
    }

    /// As [`Held::keep`], of an entry that has so much time left: its file goes before others when that is over.
    pub fn keep_for(mut self, left: Option<Duration>) {
        self.due_ms = deadline_ms(self.shared.clock.realtime_ms(), left);
        self.keep();
    }

    /// The segment has the stub: the file stays.
    pub fn keep(mut self) {
        self.is_kept = true;
        self.shared
            .table
            .publish(self.record, self.held, self.key_hash, self.due_ms);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.is_kept && self.owner.is_current() {
            self.shared
                .discard(&self.owner, self.record, self.held, Some(self.stub.number));
        }
    }
}

impl Depot {
    /// Writes a file with the bytes of `source` for the value of `label`: room is made first, then the file is
    /// written, then it gets its name. The caller stores [`Held::stub`] in the segment, and says [`Held::keep`].
    ///
    /// # Errors
    /// [`FilesError::ValueTooLarge`], [`FilesError::NoSpace`], [`FilesError::Source`] and others; nothing is left
    /// behind, and nothing that was there is lost but what was evicted for it.
    pub fn write(&self, label: &Label<'_>, source: Source<'_>) -> Result<Held<'_>, FilesError> {
        let shared = &*self.shared;
        let owner = shared.owner()?;
        let draft = Draft::begin(shared, owner, label)?;
        let held = match source {
            Source::Bytes(bytes) => draft.write_bytes(bytes),
            Source::Stream { from, bytes_about } => draft.write_stream(from, bytes_about),
            Source::File(file, take) => draft.write_file(file, take),
        }?;
        shared.table.count(Counter::Written, 1);
        shared.table.count(Counter::WrittenBytes, held.value_bytes());
        Ok(held)
    }
}

/// A record that is HELD and the file that is written for it.
struct Draft<'d, 'k> {
    shared: &'d Shared,
    owner: Arc<Owner>,
    label: Label<'k>,
    number: u64,
    due_ms: u64,
    now_ms: u64,
    record: Option<(u32, RecordWord)>,
}

impl Drop for Draft<'_, '_> {
    fn drop(&mut self) {
        if let Some((record, held)) = self.record.take()
            && self.owner.is_current()
        {
            self.shared.discard(&self.owner, record, held, Some(self.number));
        }
    }
}

impl<'d, 'k> Draft<'d, 'k> {
    fn begin(shared: &'d Shared, owner: Arc<Owner>, label: &Label<'k>) -> Result<Self, FilesError> {
        let now_ms = shared.clock.realtime_ms();
        Ok(Self {
            owner,
            label: *label,
            number: shared.table.next_number(),
            due_ms: deadline_ms(now_ms, label.hard),
            now_ms,
            record: None,
            shared,
        })
    }

    fn claim(&mut self, file_bytes: u64) -> Result<(), FilesError> {
        let (record, held) = self.shared.claim(&self.owner, file_bytes)?;
        let hashes = [self.label.key_hash, self.label.namespace_hash];
        self.shared
            .table
            .describe(record, self.number, hashes, self.due_ms);
        self.record = Some((record, held));
        Ok(())
    }

    /// Space for a file that turned out longer.
    fn grow_to(&mut self, file_bytes: u64) -> Result<(), FilesError> {
        let blocks = self.shared.fitting_blocks(file_bytes)?;
        let Some((record, held)) = &mut self.record else {
            return Ok(());
        };
        self.shared
            .correct(&self.owner, *record, held, blocks.max(held.blocks()).into())
    }

    fn head(&self, head_bytes: usize, value_bytes: u64, checksum: u64) -> Head {
        let table = &self.shared.table;
        Head {
            head_bytes: head_bytes as u32,
            life: table.life,
            number: self.number,
            value_bytes,
            checksum,
            key_hash: self.label.key_hash,
            namespace_hash: self.label.namespace_hash,
            birth: self.label.birth,
            hard_ms: self.due_ms,
            soft_ms: deadline_ms(self.now_ms, self.label.soft),
            made_ms: self.now_ms,
            kind: self.label.kind,
            key: self.label.key.to_vec(),
        }
    }

    fn write_bytes(mut self, bytes: &[u8]) -> Result<Held<'d>, FilesError> {
        let head_bytes = head::head_bytes(self.label.key, false);
        self.claim((head_bytes + bytes.len()) as u64)?;
        let head = self.head(head_bytes, bytes.len() as u64, checksum(bytes));
        // Under its name from the start: the record says whose it is, no stub names it before it is complete, and what is
        // written at once is soon complete. A list of files without names and a link would cost more.
        let file = self.in_shard(Self::named_file)?;
        directory::write_whole(&file, &head.encode(), bytes).map_err(|e| self.io("write", e))?;
        self.finish(&file, None, &head)
    }

    fn write_stream(mut self, from: &mut dyn Read, bytes_about: u64) -> Result<Held<'d>, FilesError> {
        let head_bytes = head::head_bytes(self.label.key, false) as u64;
        let mut room_bytes = head_bytes + bytes_about.max(STREAM_STEP_BYTES as u64);
        self.claim(room_bytes)?;
        let (file, path) = self.new_file()?;
        let mut hasher = Xxh3::new();
        let mut value_bytes = 0;
        let mut buffer = vec![0; STREAM_STEP_BYTES];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(FilesError::Source { source }),
            };
            let bytes = buffer.get(..read).unwrap_or(&[]);
            let end = head_bytes + value_bytes + bytes.len() as u64;
            if end > room_bytes {
                room_bytes = end + STREAM_ROOM_BYTES;
                // Near the limit it may be that only what is needed fits.
                if self.grow_to(room_bytes).is_err() {
                    room_bytes = end;
                    self.grow_to(end)?;
                }
            }
            directory::write_at(&file, head_bytes + value_bytes, bytes).map_err(|e| self.io("write", e))?;
            hasher.update(bytes);
            value_bytes += bytes.len() as u64;
        }
        let head = self.head(head_bytes as usize, value_bytes, hasher.digest());
        directory::write_at(&file, 0, &head.encode()).map_err(|e| self.io("write", e))?;
        self.finish(&file, path.as_deref(), &head)
    }

    fn write_file(mut self, source: &File, take: TakeFile) -> Result<Held<'d>, FilesError> {
        let of_source = |source| FilesError::Source { source };
        let metadata = source.metadata().map_err(of_source)?;
        if !metadata.is_file() {
            let kind = ErrorKind::InvalidInput;
            return Err(of_source(std::io::Error::new(
                kind,
                "it is no regular file; give its bytes as a stream",
            )));
        }
        let source_bytes = metadata.len();
        // Where it cannot be linked, space and record go on with the copy.
        if take == TakeFile::Link
            && let Some(held) = self.link(source)?
        {
            return Ok(held);
        }
        let head_bytes = head::head_bytes(self.label.key, take != TakeFile::Copy) as u64;
        if self.record.is_none() {
            self.claim(head_bytes + source_bytes)?;
        } else {
            self.grow_to(head_bytes + source_bytes)?;
        }
        let (file, path) = self.new_file()?;
        let is_shared = take != TakeFile::Copy
            && directory::clone_into(source, source_bytes, &file, head_bytes)
                .map_err(|e| self.io("share blocks with", e))?;
        let value_bytes = if is_shared {
            source_bytes
        } else {
            directory::copy_into(source, source_bytes, &file, head_bytes)
                .map_err(|e| self.io("copy to", e))?
        };
        let checksum = self.checksum_of(&file, head_bytes, value_bytes)?;
        let head = self.head(head_bytes as usize, value_bytes, checksum);
        directory::write_at(&file, 0, &head.encode()).map_err(|e| self.io("write", e))?;
        self.finish(&file, path.as_deref(), &head)
    }

    /// The source itself gets a name here; `None` where that cannot be.
    fn link(&mut self, source: &File) -> Result<Option<Held<'d>>, FilesError> {
        let of_source = |source| FilesError::Source { source };
        let state = FileState::of(source).map_err(of_source)?;
        self.claim(state.blocks_512.saturating_mul(512).max(state.len_bytes))?;
        let path = self.shared.place.linked(self.number);
        if directory::name_file(source, &path).is_err() {
            return Ok(None);
        }
        // Read, not mapped: it is somebody else's, and may be cut at this moment.
        let checksum = checking::checksum_of(source, state.len_bytes).map_err(of_source)?;
        let mut head = self.head(0, state.len_bytes, checksum);
        head.head_bytes = 0;
        self.account(source, 0)?;
        self.write_back(source)?;
        self.write_back_name()?;
        Ok(Some(self.hold(&head)))
    }

    fn checksum_of(&self, file: &File, from: u64, value_bytes: u64) -> Result<u64, FilesError> {
        let map = ReadMap::of(file, from + value_bytes).map_err(|e| self.io("read", e))?;
        map.will_be_read_through();
        Ok(checksum(map.get(from as usize..).unwrap_or(&[])))
    }

    /// What `make` makes, in a directory that is made again if it is gone.
    fn in_shard<T>(&self, make: impl Fn(&Self) -> Result<T, FilesError>) -> Result<T, FilesError> {
        match make(self) {
            // Somebody tidied up.
            Err(FilesError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                self.shared.make_shard_again(self.number)?;
                make(self)
            }
            made => made,
        }
    }

    /// A file without a name, and the one that it will have; where there is no such thing, a file that has it.
    fn new_file(&self) -> Result<(File, Option<PathBuf>), FilesError> {
        self.in_shard(|draft| {
            let place = &draft.shared.place;
            let unnamed = directory::unnamed_file(&place.shard(draft.number), VALUE_MODE);
            match unnamed.map_err(|e| draft.io("make", e))? {
                Some(file) => Ok((file, Some(place.value(draft.number)))),
                None => Ok((draft.named_file()?, None)),
            }
        })
    }

    fn named_file(&self) -> Result<File, FilesError> {
        let path = self.shared.place.value(self.number);
        directory::new_file(&path, VALUE_MODE).map_err(|e| self.io("make", e))
    }

    /// The file is complete: its space is corrected, and it gets its name unless it has it.
    fn finish(mut self, file: &File, path: Option<&Path>, head: &Head) -> Result<Held<'d>, FilesError> {
        self.account(
            file,
            estimate_blocks(u64::from(head.head_bytes) + head.value_bytes) - 8,
        )?;
        self.write_back(file)?;
        if let Some(path) = path {
            directory::name_file(file, path).map_err(|e| self.io("name", e))?;
        }
        self.write_back_name()?;
        Ok(self.hold(head))
    }

    fn write_back(&self, file: &File) -> Result<(), FilesError> {
        if !self.shared.is_durable {
            return Ok(());
        }
        file.sync_all().map_err(|e| self.io("write back", e))
    }

    fn write_back_name(&self) -> Result<(), FilesError> {
        if !self.shared.is_durable {
            return Ok(());
        }
        let shard = self.shared.place.shard(self.number);
        File::open(&shard)
            .and_then(|directory| directory.sync_all())
            .map_err(|e| self.io("write back the directory of", e))
    }

    /// Corrects the record's space to what the file takes: at least so many blocks, for some file systems say it late.
    fn account(&mut self, file: &File, least_blocks: u64) -> Result<(), FilesError> {
        let state = FileState::of(file).map_err(|e| self.io("inspect", e))?;
        if let Some((record, held)) = &mut self.record {
            self.shared
                .correct(&self.owner, *record, held, state.blocks_512.max(least_blocks))?;
        }
        Ok(())
    }

    fn hold(&mut self, head: &Head) -> Held<'d> {
        let (record, held) = self.record.take().expect("it was claimed before it was written");
        Held {
            shared: self.shared,
            owner: Arc::clone(&self.owner),
            record,
            held,
            key_hash: self.label.key_hash,
            due_ms: self.due_ms,
            stub: Stub {
                life: head.life,
                number: head.number,
                record,
                head_bytes: head.head_bytes,
                value_bytes: head.value_bytes,
                checksum: head.checksum,
            },
            is_kept: false,
        }
    }

    fn io(&self, action: &'static str, error: std::io::Error) -> FilesError {
        FilesError::io(action, &self.shared.place.value(self.number), error)
    }
}

fn deadline_ms(now_ms: u64, lifetime: Option<Duration>) -> u64 {
    lifetime.map_or(NEVER_MS, |lifetime| {
        let ms = u64::try_from(lifetime.as_millis()).unwrap_or(NEVER_MS);
        now_ms.saturating_add(ms)
    })
}
