//! Writing a dump, record by record.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};

use super::error::DumpError;
use super::format::{
    EntryHead, Kind, Origin, PART_BYTES, Preamble, Totals, first_seed, record_check, record_head,
};
use super::stream::Sink;

/// A dump that is being written. Until [`DumpWriter::finish`] it is cut short, and is read as such.
pub struct DumpWriter<W: Write> {
    sink: Sink<W>,
    /// The check of the last record.
    seed: u64,
    namespaces: BTreeMap<Box<str>, u16>,
    totals: Totals,
    body: Vec<u8>,
}

/// What became of an entry.
#[derive(Debug)]
pub enum Written {
    /// It is in the dump.
    Whole,
    /// Its value could not be read to its end, so it does not count.
    Void(io::Error),
}

impl<W: Write> fmt::Debug for DumpWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DumpWriter")
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}

impl<W: Write> DumpWriter<W> {
    /// Begins a dump.
    ///
    /// # Errors
    /// [`DumpError::Io`], or [`DumpError::NoCompression`].
    pub fn new(out: W, origin: &Origin, is_compressed: bool) -> Result<Self, DumpError> {
        let preamble = Preamble::encode(is_compressed);
        let sink = Sink::new(out, &preamble, is_compressed)?.ok_or(DumpError::NoCompression)?;
        let mut writer = Self {
            sink,
            seed: first_seed(&preamble),
            namespaces: BTreeMap::new(),
            totals: Totals::default(),
            body: Vec::new(),
        };
        origin.encode(&mut writer.body);
        writer.record(Kind::Origin)?;
        Ok(writer)
    }

    /// Writes an entry, whose value may be longer than memory.
    ///
    /// # Errors
    /// [`DumpError::Io`], [`DumpError::BadEntry`].
    pub fn entry(
        &mut self,
        namespace: Option<&str>,
        head: &EntryHead,
        value: &mut dyn Read,
    ) -> Result<Written, DumpError> {
        if !head.is_sound() {
            return Err(DumpError::BadEntry);
        }
        let namespace = self.namespace(namespace)?;
        let mut part = Vec::new();
        // Of what cannot be read at all, nothing is written.
        let mut continues = match next_part(value, &mut part) {
            Ok(continues) => continues,
            Err(error) => return Ok(Written::Void(error)),
        };
        let mut value_bytes = part.len() as u64;
        head.encode(namespace, continues, &mut self.body);
        self.body.append(&mut part);
        self.record(Kind::Entry)?;
        while continues {
            let next = next_part(value, &mut part);
            self.body.append(&mut part);
            match next {
                Ok(more) => continues = more,
                Err(error) => {
                    self.body.clear();
                    self.record(Kind::Void)?;
                    return Ok(Written::Void(error));
                }
            }
            value_bytes += self.body.len() as u64;
            self.record(if continues { Kind::Part } else { Kind::LastPart })?;
        }
        self.totals.entries += 1;
        self.totals.value_bytes += value_bytes;
        Ok(Written::Whole)
    }

    /// The number of a namespace, which is introduced by its first entry.
    fn namespace(&mut self, name: Option<&str>) -> Result<u16, DumpError> {
        let Some(name) = name else { return Ok(0) };
        if let Some(&number) = self.namespaces.get(name) {
            return Ok(number);
        }
        let number = u16::try_from(self.namespaces.len() + 1).map_err(|_| DumpError::BadEntry)?;
        self.body.extend_from_slice(name.as_bytes());
        self.record(Kind::Namespace)?;
        self.namespaces.insert(name.into(), number);
        Ok(number)
    }

    /// Writes what is in the body, and empties it.
    fn record(&mut self, kind: Kind) -> Result<(), DumpError> {
        let head = record_head(kind, self.body.len());
        self.seed = record_check(self.seed, &head, &self.body);
        self.sink.write_all(&head)?;
        self.sink.write_all(&self.body)?;
        self.sink.write_all(&self.seed.to_le_bytes())?;
        self.body.clear();
        Ok(())
    }

    /// Entries and bytes of their values that are in the dump until now.
    pub(super) const fn totals(&self) -> Totals {
        self.totals
    }

    /// Writes the end, and gives back what was written to, and how many bytes.
    ///
    /// # Errors
    /// [`DumpError::Io`].
    pub fn finish(mut self) -> Result<(W, u64), DumpError> {
        self.totals.encode(&mut self.body);
        self.record(Kind::End)?;
        Ok(self.sink.finish()?)
    }
}

/// Reads as much as a part has, and says whether there may be more.
fn next_part(value: &mut dyn Read, part: &mut Vec<u8>) -> io::Result<bool> {
    value.take(PART_BYTES as u64).read_to_end(part)?;
    Ok(part.len() == PART_BYTES)
}
