//! Reading a dump, record by record: nothing is given out before its check was seen to fit.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::sync::Arc;

use super::error::ReadError;
use super::format::{
    Beginning, CHECK_BYTES, EntryHead, EntryRecord, Kind, MAX_BODY_BYTES, Origin, PREAMBLE_BYTES, Preamble,
    RECORD_HEAD_BYTES, Totals, VERSION, decode_namespace, first_seed, record_check,
};
use super::stream::Source;

/// A dump that is being read.
///
/// ```
/// use guira::dump::{DumpReader, DumpWriter, EntryHead, Origin, Part};
///
/// let origin = Origin { made_ms: 0, segment: 7, invalidation_clock: 0 };
/// let mut writer = DumpWriter::new(Vec::new(), &origin, false)?;
/// let head = EntryHead { key: b"k".to_vec(), ..EntryHead::default() };
/// writer.entry(Some("users"), &head, &mut &b"value"[..])?;
/// let (bytes, _) = writer.finish()?;
///
/// let mut reader = DumpReader::new(&bytes[..])?;
/// let entry = reader.next_entry()?.expect("one was written");
/// assert_eq!((entry.namespace.as_deref(), &entry.head), (Some("users"), &head));
/// let mut value = Vec::new();
/// assert_eq!(reader.next_part(&mut value)?, Part::Last);
/// assert_eq!(value, b"value");
/// assert!(reader.next_entry()?.is_none());
/// assert!(DumpReader::new(&bytes[1..]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DumpReader<R: Read> {
    source: Source<R>,
    is_compressed: bool,
    /// Where the next record begins.
    offset_bytes: u64,
    /// The check of the last record.
    seed: u64,
    body: Vec<u8>,
    origin: Origin,
    namespaces: Vec<Arc<str>>,
    totals: Totals,
    stage: Stage,
}

/// What the next call finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Another entry, or the end.
    Entries,
    /// The first part of a value, in the body from there on.
    FirstPart {
        from: usize,
        continues: bool,
    },
    /// Another part of a value, of which this much came before.
    Parts {
        value_bytes: u64,
    },
    Ended,
    /// Nothing that could be believed.
    Failed,
}

/// An entry of a dump, without its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DumpedEntry {
    /// The name of its namespace; `None` for the one without a name.
    pub namespace: Option<Arc<str>>,
    /// Key, tags and deadlines.
    pub head: EntryHead,
}

/// Which part of a value was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Another one follows.
    More,
    /// The value is whole, and nothing was added if it was so before.
    Last,
    /// The value could not be had when the dump was made: the entry does not count.
    Void,
}

impl<R: Read> fmt::Debug for DumpReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DumpReader")
            .field("origin", &self.origin)
            .field("offset_bytes", &self.offset_bytes)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl<R: Read> DumpReader<R> {
    /// Looks at the beginning of a dump.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn new(from: R) -> Result<Self, ReadError> {
        let mut source = Source::new(from);
        let mut preamble = Vec::new();
        (&mut source)
            .take(PREAMBLE_BYTES as u64)
            .read_to_end(&mut preamble)?;
        let Some(&preamble) = preamble.first_chunk() else {
            return Err(match Preamble::is_begun(&preamble) {
                false => ReadError::Foreign,
                true => ReadError::Cut {
                    offset_bytes: preamble.len() as u64,
                    is_compressed: false,
                },
            });
        };
        let damaged = |what| ReadError::Damaged {
            offset_bytes: 0,
            is_compressed: false,
            what,
        };
        let is_compressed = match Preamble::decode(preamble) {
            Beginning::Foreign => return Err(ReadError::Foreign),
            Beginning::Damaged => return Err(damaged("the first 16 bytes do not fit their check")),
            Beginning::Dump(preamble) if preamble.version != VERSION => {
                return Err(ReadError::Newer {
                    version: preamble.version,
                    supported: VERSION,
                });
            }
            Beginning::Dump(preamble) if !preamble.is_known => return Err(damaged("bits that nobody sets")),
            Beginning::Dump(preamble) => preamble.is_compressed,
        };
        if is_compressed {
            source = source.decompressed()?.ok_or(ReadError::NoCompression)?;
        }
        let mut reader = Self {
            source,
            is_compressed,
            offset_bytes: PREAMBLE_BYTES as u64,
            seed: first_seed(&preamble),
            body: Vec::new(),
            origin: Origin::default(),
            namespaces: Vec::new(),
            totals: Totals::default(),
            stage: Stage::Entries,
        };
        let (kind, begin) = reader.record()?;
        reader.origin = match (kind, Origin::decode(&reader.body)) {
            (Kind::Origin, Some(origin)) => origin,
            _ => return Err(reader.damaged(begin, "no record of its origin")),
        };
        Ok(reader)
    }

    /// Where the dump comes from.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Bytes of the dump that were read until now, with some ahead.
    #[must_use]
    pub fn bytes_read(&mut self) -> u64 {
        self.source.bytes_read()
    }

    /// The next entry, whose value [`DumpReader::next_part`] gives; what was not read of the last value is passed over.
    /// `None` at the end, and only if the dump is whole.
    ///
    /// # Errors
    /// [`ReadError`]; after one there is nothing more to be had.
    pub fn next_entry(&mut self) -> Result<Option<DumpedEntry>, ReadError> {
        while matches!(self.stage, Stage::FirstPart { .. } | Stage::Parts { .. }) {
            self.next_part(&mut Vec::new())?;
        }
        match self.stage {
            Stage::Ended => Ok(None),
            Stage::Failed => Err(self.damaged(self.offset_bytes, "it is not read on behind a fault")),
            _ => self.guarded(Self::read_entry),
        }
    }

    /// Adds the next part of the entry's value to `value`: at most 128 KiB.
    ///
    /// # Errors
    /// [`ReadError`]; what was added before is no whole value.
    pub fn next_part(&mut self, value: &mut Vec<u8>) -> Result<Part, ReadError> {
        match self.stage {
            Stage::FirstPart { from, continues } => {
                let part = self.body.get(from..).unwrap_or_default();
                value.extend_from_slice(part);
                let value_bytes = part.len() as u64;
                if continues {
                    self.stage = Stage::Parts { value_bytes };
                    return Ok(Part::More);
                }
                self.count(value_bytes);
                Ok(Part::Last)
            }
            Stage::Parts { value_bytes } => self.guarded(|reader| reader.read_part(value, value_bytes)),
            Stage::Entries | Stage::Ended => Ok(Part::Last),
            Stage::Failed => Err(self.damaged(self.offset_bytes, "it is not read on behind a fault")),
        }
    }

    fn read_entry(&mut self) -> Result<Option<DumpedEntry>, ReadError> {
        loop {
            let (kind, begin) = self.record()?;
            match kind {
                // Entries name them by 16 bits.
                Kind::Namespace if self.namespaces.len() >= usize::from(u16::MAX) => {
                    return Err(self.damaged(begin, "more namespaces than entries could be of"));
                }
                Kind::Namespace => match decode_namespace(&self.body) {
                    Some(name) => self.namespaces.push(name.into()),
                    None => return Err(self.damaged(begin, "the name of a namespace that cannot be one")),
                },
                Kind::Entry => {
                    return match self.decode_entry() {
                        Some(entry) => Ok(Some(entry)),
                        None => Err(self.damaged(begin, "an entry that cannot be one")),
                    };
                }
                Kind::End => {
                    if Totals::decode(&self.body) != Some(self.totals) {
                        return Err(self.damaged(begin, "its counts are not those of what came before"));
                    }
                    let is_at_end = self.source.is_at_end().map_err(|error| self.failed(error))?;
                    if !is_at_end {
                        return Err(self.damaged(self.offset_bytes, "it goes on behind its end"));
                    }
                    self.stage = Stage::Ended;
                    return Ok(None);
                }
                Kind::Origin | Kind::Part | Kind::LastPart | Kind::Void => {
                    return Err(self.damaged(begin, "a record in the place of another"));
                }
            }
        }
    }

    fn decode_entry(&mut self) -> Option<DumpedEntry> {
        let record = EntryRecord::decode(&self.body)?;
        let namespace = match usize::from(record.namespace).checked_sub(1) {
            None => None,
            Some(index) => Some(Arc::clone(self.namespaces.get(index)?)),
        };
        self.stage = Stage::FirstPart {
            from: self.body.len() - record.value.len(),
            continues: record.continues,
        };
        Some(DumpedEntry {
            namespace,
            head: record.head,
        })
    }

    fn read_part(&mut self, value: &mut Vec<u8>, before_bytes: u64) -> Result<Part, ReadError> {
        let (kind, begin) = self.record()?;
        let value_bytes = before_bytes + self.body.len() as u64;
        let part = match kind {
            Kind::Part => {
                self.stage = Stage::Parts { value_bytes };
                Part::More
            }
            Kind::LastPart => {
                self.count(value_bytes);
                Part::Last
            }
            Kind::Void => {
                self.stage = Stage::Entries;
                return Ok(Part::Void);
            }
            _ => return Err(self.damaged(begin, "a value that does not go on")),
        };
        value.extend_from_slice(&self.body);
        Ok(part)
    }

    /// A value is whole.
    const fn count(&mut self, value_bytes: u64) {
        self.totals.entries += 1;
        self.totals.value_bytes += value_bytes;
        self.stage = Stage::Entries;
    }

    /// After an error nothing more is read.
    fn guarded<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let result = read(self);
        if result.is_err() {
            self.stage = Stage::Failed;
        }
        result
    }

    /// Reads a record into the body, and says where it began.
    fn record(&mut self) -> Result<(Kind, u64), ReadError> {
        let begin = self.offset_bytes;
        let head = self.chunk::<RECORD_HEAD_BYTES>()?;
        let [kind, length @ ..] = head;
        let (Some(kind), body_bytes) = (Kind::of(kind), u32::from_le_bytes(length) as usize) else {
            return Err(self.damaged(begin, "a record of a kind that there is not"));
        };
        if body_bytes > MAX_BODY_BYTES {
            return Err(self.damaged(begin, "a record that is too long"));
        }
        let mut body = mem::take(&mut self.body);
        body.clear();
        let was_read = self.fill(&mut body, body_bytes);
        self.body = body;
        was_read?;
        let check = u64::from_le_bytes(self.chunk::<CHECK_BYTES>()?);
        if check != record_check(self.seed, &head, &self.body) {
            return Err(self.damaged(begin, "a record does not fit its check"));
        }
        self.seed = check;
        Ok((kind, begin))
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        let mut read = Vec::with_capacity(N);
        self.fill(&mut read, N)?;
        bytes.copy_from_slice(&read);
        Ok(bytes)
    }

    /// Reads exactly `count_bytes` more into `bytes`.
    fn fill(&mut self, bytes: &mut Vec<u8>, count_bytes: usize) -> Result<(), ReadError> {
        let read = (&mut self.source).take(count_bytes as u64).read_to_end(bytes);
        let read_bytes = read.map_err(|error| self.failed(error))?;
        self.offset_bytes += read_bytes as u64;
        if read_bytes < count_bytes {
            return Err(self.cut());
        }
        Ok(())
    }

    const fn cut(&self) -> ReadError {
        ReadError::Cut {
            offset_bytes: self.offset_bytes,
            is_compressed: self.is_compressed,
        }
    }

    const fn damaged(&self, offset_bytes: u64, what: &'static str) -> ReadError {
        ReadError::Damaged {
            offset_bytes,
            is_compressed: self.is_compressed,
            what,
        }
    }

    /// What the decompressor says is about the dump, what the system says is about the file.
    fn failed(&self, error: io::Error) -> ReadError {
        if !self.is_compressed || error.raw_os_error().is_some() {
            return ReadError::Io(error);
        }
        match error.kind() {
            ErrorKind::UnexpectedEof => self.cut(),
            _ => self.damaged(self.offset_bytes, "it cannot be decompressed"),
        }
    }
}
