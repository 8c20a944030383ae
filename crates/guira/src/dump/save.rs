//! A segment becomes a dump.

use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guira_segment::{Segment, StoredEntry};

use super::error::DumpError;
use super::format::{EntryHead, Origin};
use super::writer::{DumpWriter, Written};

/// Knows stubs: what a segment holds in the place of values that lie elsewhere.
pub trait Stubs {
    /// What the stored bytes of an entry stand for.
    ///
    /// # Errors
    /// What the system said where it could not be told whether it is there; this ends the dump.
    fn resolve(&self, stored: &[u8]) -> io::Result<Resolved>;
}

/// What stored bytes stand for.
pub enum Resolved {
    /// For themselves: they are the value.
    Themselves,
    /// For these bytes. If they cannot be read to their end, the entry does not count.
    Bytes(Box<dyn Read>),
    /// For what is gone: the entry is a miss.
    Gone,
}

impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Themselves => "Themselves",
            Self::Bytes(_) => "Bytes(..)",
            Self::Gone => "Gone",
        })
    }
}

/// How a segment is dumped; [`dump`](super) tells the rest.
#[derive(Clone, Copy, Default)]
pub struct Dump<'s> {
    one_namespace: bool,
    is_compressed: bool,
    stubs: Option<&'s dyn Stubs>,
}

impl std::fmt::Debug for Dump<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dump")
            .field("one_namespace", &self.one_namespace)
            .field("is_compressed", &self.is_compressed)
            .field("has_stubs", &self.stubs.is_some())
            .finish()
    }
}

/// What was dumped, at the end or until now.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct Dumped {
    /// Entries in the dump.
    pub entries: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
    /// Entries that were left out as they are damaged: values that do not fit their check, namespaces without a name.
    pub damaged: u64,
    /// Entries that were left out as what their stubs stand for is gone, or could not be read.
    pub missing: u64,
    /// Entries that are in the dump as stubs, since nobody said what these stand for: misses wherever they are loaded.
    pub stubs: u64,
    /// Bytes of the dump; 0 until the end.
    pub dump_bytes: u64,
    /// How much of the segment was looked at, 0 to 1.
    pub walked: f64,
}

impl<'s> Dump<'s> {
    /// All namespaces, not compressed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the namespace that the segment's handle is seen through; by default all.
    #[must_use]
    pub const fn one_namespace(self, one_namespace: bool) -> Self {
        Self {
            one_namespace,
            ..self
        }
    }

    /// Whether it is compressed, for which the feature `zstd` is needed; by default not.
    #[must_use]
    pub const fn compressed(self, is_compressed: bool) -> Self {
        Self {
            is_compressed,
            ..self
        }
    }

    /// Who knows what stubs stand for. Without, they are dumped as they are.
    #[must_use]
    pub const fn stubs(self, stubs: &'s dyn Stubs) -> Self {
        Self {
            stubs: Some(stubs),
            ..self
        }
    }

    /// Writes the dump of `segment` to `out`, and tells `observe` after each entry how far it is.
    ///
    /// # Errors
    /// [`DumpError`]; what was written until then is no whole dump, and is not read as one.
    pub fn write(
        &self,
        segment: &Segment,
        out: impl Write,
        observe: &mut dyn FnMut(&Dumped),
    ) -> Result<Dumped, DumpError> {
        let origin = Origin {
            made_ms: wall_ms(),
            segment: segment.id(),
            invalidation_clock: segment.stats().invalidation_clock,
        };
        let mut writer = DumpWriter::new(out, &origin, self.is_compressed)?;
        let mut dumped = Dumped::default();
        let entries = if self.one_namespace {
            segment.entries()
        } else {
            segment.all_entries()
        };
        let mut entries = entries.with_values();
        loop {
            // Before the entry is looked at: it may live a little shorter for it, but never longer.
            let now_ms = wall_ms();
            let Some(entry) = entries.next().transpose()? else {
                break;
            };
            if !self.write_entry(&mut writer, &entry, now_ms)? {
                dumped.missing += 1;
            } else if self.stubs.is_none() && guira_files::Stub::is_like(&entry.value) {
                dumped.stubs += 1;
            }
            let totals = writer.totals();
            (dumped.entries, dumped.value_bytes) = (totals.entries, totals.value_bytes);
            (dumped.damaged, dumped.walked) = (entries.damaged(), entries.walked());
            observe(&dumped);
        }
        (dumped.damaged, dumped.walked) = (entries.damaged(), 1.0);
        (_, dumped.dump_bytes) = writer.finish()?;
        Ok(dumped)
    }

    /// Says whether the entry is in the dump.
    fn write_entry<W: Write>(
        &self,
        writer: &mut DumpWriter<W>,
        entry: &StoredEntry,
        now_ms: u64,
    ) -> Result<bool, DumpError> {
        let resolved = match self.stubs {
            None => Resolved::Themselves,
            Some(stubs) => stubs.resolve(&entry.value).map_err(|source| DumpError::Stub {
                key: entry.info.key.escape_ascii().to_string().into(),
                source,
            })?,
        };
        let mut head = head_of(entry, now_ms);
        let (mut stored, mut bytes);
        let value: &mut dyn Read = match resolved {
            Resolved::Themselves => {
                stored = &entry.value[..];
                &mut stored
            }
            Resolved::Bytes(outside) => {
                head.was_spilled = true;
                bytes = outside;
                &mut bytes
            }
            Resolved::Gone => return Ok(false),
        };
        let written = writer.entry(entry.info.namespace.as_deref(), &head, value)?;
        Ok(matches!(written, Written::Whole))
    }
}

/// What is written of an entry that was looked at not before `now_ms`.
fn head_of(entry: &StoredEntry, now_ms: u64) -> EntryHead {
    let metadata = &entry.info.metadata;
    let later = |lifetime: Duration| now_ms.saturating_add(ms(lifetime));
    let soft_ms = match metadata.stale_for {
        Some(past) => Some(now_ms.saturating_sub(ms(past))),
        None => metadata.soft_ttl.map(later),
    };
    EntryHead {
        key: entry.info.key.clone(),
        tags: entry.info.tags.clone(),
        hard_ms: metadata.ttl.map(later),
        soft_ms,
        written_ms: now_ms.saturating_sub(ms(metadata.age)),
        is_stale: metadata.is_stale,
        is_aligned: entry.is_aligned,
        was_spilled: false,
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn wall_ms() -> u64 {
    ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
