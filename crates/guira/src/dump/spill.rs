//! Values that lie in files: a dump has them whole, and a load puts them into files again.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use guira_files::{Depot, FilesError, Held, Label, STUB_BYTES, Source, Stub};
use guira_segment::{PutOptions, Segment};

use super::error::{LoadCause, ReadError};
use super::reader::{DumpReader, Part};
use super::save::{Resolved, Stubs};

/// What a segment holds for large values stands for files of this depot.
impl Stubs for Depot {
    fn resolve(&self, stored: &[u8]) -> io::Result<Resolved> {
        let Some(stub) = Stub::parse(stored) else {
            return Ok(Resolved::Themselves);
        };
        match self.open(&stub) {
            Ok(Some(file)) => Ok(Resolved::Bytes(Box::new(file))),
            Ok(None) => Ok(Resolved::Gone),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// Where large values of a load go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spill<'d> {
    pub(super) depot: &'d Depot,
    pub(super) above_bytes: usize,
}

/// What became of a value that was to be written to a file.
pub(super) enum Spilled<'d> {
    /// It is there; the segment is to get its stub.
    Held(Held<'d>),
    /// The dump has no value of it.
    Void,
    /// The directory's limit leaves no room for it.
    TooLarge,
}

impl<'d> Spill<'d> {
    /// Whether `stored` may not be kept in the segment: it is long, or would be taken for a stub.
    pub(super) fn is_for(&self, stored: &[u8]) -> bool {
        stored.len() > self.above_bytes || Stub::is_like(stored)
    }

    /// Writes `front` and what follows of the value to a file.
    pub(super) fn write<R: Read>(
        &self,
        segment: &Segment,
        key: &[u8],
        options: &PutOptions<'_>,
        front: &[u8],
        rest: Option<&mut DumpReader<R>>,
    ) -> Result<Spilled<'d>, LoadCause> {
        let (hard, soft) = options.lifetimes();
        let label = Label::new(segment, key).deadlines(hard, soft);
        let Some(dump) = rest else {
            return held_or(self.depot.write(&label, Source::Bytes(front)));
        };
        let mut value = Following {
            front,
            dump,
            part: Vec::new(),
            read_bytes: 0,
            is_last: false,
            ended: None,
        };
        let source = Source::Stream {
            from: &mut value,
            bytes_about: 0,
        };
        let written = self.depot.write(&label, source);
        match (value.ended, written) {
            (Some(Ended::Fault(error)), _) => Err(error.into()),
            (Some(Ended::Void), _) => Ok(Spilled::Void),
            (None, written) => held_or(written),
        }
    }

    /// The stub that `key` has now, whose file nobody needs when another value takes its place.
    pub(super) fn stub_of(segment: &Segment, key: &[u8]) -> Option<Stub> {
        let (namespace, hash) = (segment.namespace_hash(), segment.hash_of(key));
        let entry = segment.get_by_hash(namespace, hash, STUB_BYTES)?;
        Stub::parse(&entry.value).filter(|_| entry.key == key)
    }
}

fn held_or(written: Result<Held<'_>, FilesError>) -> Result<Spilled<'_>, LoadCause> {
    match written {
        Ok(held) => Ok(Spilled::Held(held)),
        Err(FilesError::ValueTooLarge { .. }) => Ok(Spilled::TooLarge),
        Err(error) => Err(error.into()),
    }
}

/// Why a value was not read to its end.
enum Ended {
    Fault(ReadError),
    Void,
}

/// A value of a dump of which the front was read already.
struct Following<'v, R: Read> {
    front: &'v [u8],
    dump: &'v mut DumpReader<R>,
    part: Vec<u8>,
    /// Of the part.
    read_bytes: usize,
    is_last: bool,
    ended: Option<Ended>,
}

impl<R: Read> fmt::Debug for Following<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following")
            .field("dump", &self.dump)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Read for Following<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.front.is_empty() {
            return self.front.read(buffer);
        }
        while self.read_bytes == self.part.len() {
            if self.is_last {
                return Ok(0);
            }
            self.part.clear();
            self.read_bytes = 0;
            match self.dump.next_part(&mut self.part) {
                Ok(Part::More) => {}
                Ok(Part::Last) => self.is_last = true,
                Ok(Part::Void) => return Err(self.end(Ended::Void)),
                Err(error) => return Err(self.end(Ended::Fault(error))),
            }
        }
        let mut part = self.part.get(self.read_bytes..).unwrap_or_default();
        let read = part.read(buffer)?;
        self.read_bytes += read;
        Ok(read)
    }
}

impl<R: Read> Following<'_, R> {
    /// What is told to whom is reading; why is kept.
    fn end(&mut self, ended: Ended) -> io::Error {
        self.ended = Some(ended);
        io::Error::new(ErrorKind::InvalidData, "the value is not whole")
    }
}
