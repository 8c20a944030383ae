//! A dump becomes entries of a segment.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use guira_files::{Depot, Stub};
use guira_segment::{Add, Expiry, Put, PutOptions, Segment, StoreError};

use super::error::{LoadCause, LoadError};
use super::format::EntryHead;
use super::reader::{DumpReader, Part};
use super::save::wall_ms;
use super::spill::{Spill, Spilled};

/// How a dump is loaded; [`dump`](super) tells the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load<'d> {
    replaces: bool,
    as_stale: bool,
    spill: Option<Spill<'d>>,
}

/// What was loaded, at the end or until now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Loaded {
    /// Entries that were stored.
    pub entries: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
    /// Keys that had a value already, which was kept.
    pub kept: u64,
    /// Entries whose time was over.
    pub expired: u64,
    /// Entries whose keys were invalidated, or written by others, just while they were stored.
    pub superseded: u64,
    /// Entries that are larger than this segment, or its files, can take.
    pub too_large: u64,
    /// Of those that were stored, values that are files.
    pub files: u64,
    /// Entries that do not count, as their values could not be read to their end when the dump was made.
    pub void: u64,
    /// Entries and files that were dropped for room while it was loaded, by whoever works on them: loaded ones, and
    /// others; 0 until the end.
    pub evicted: u64,
    /// Bytes of the dump that were read.
    pub dump_bytes: u64,
}

impl<'d> Load<'d> {
    /// What keys have already is kept, and entries are as stale or fresh as they were.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether what keys have already is replaced; by default it is kept: it is what this segment was told last.
    #[must_use]
    pub const fn replace(self, replaces: bool) -> Self {
        Self { replaces, ..self }
    }

    /// Whether each value is stale at once, so that it is given until it was computed anew; by default as it was.
    #[must_use]
    pub const fn as_stale(self, as_stale: bool) -> Self {
        Self { as_stale, ..self }
    }

    /// Where values of more than `above_bytes` go, and those that were in files before; the segment gets their stubs. By
    /// default all are kept in the segment. The depot must be this segment's.
    #[must_use]
    pub const fn files(self, depot: &'d Depot, above_bytes: usize) -> Self {
        Self {
            spill: Some(Spill { depot, above_bytes }),
            ..self
        }
    }

    /// Stores what `dump` has in `segment`, and tells `observe` after each entry how far it is. Namespaces are made if
    /// they are new.
    ///
    /// # Errors
    /// [`LoadError`], which says what was loaded before.
    pub fn run<R: Read>(
        &self,
        mut dump: DumpReader<R>,
        segment: &Segment,
        observe: &mut dyn FnMut(&Loaded),
    ) -> Result<Loaded, LoadError> {
        let evictions = self.evictions(segment);
        let mut loading = Loading {
            how: *self,
            segment,
            namespaces: BTreeMap::new(),
            loaded: Loaded::default(),
            value: Vec::new(),
        };
        let ended = loop {
            let step = loading.next(&mut dump);
            loading.loaded.dump_bytes = dump.bytes_read();
            match step {
                Ok(true) => observe(&loading.loaded),
                ended => break ended,
            }
        };
        let loaded = Loaded {
            evicted: self.evictions(segment).saturating_sub(evictions),
            ..loading.loaded
        };
        match ended {
            Ok(_) => Ok(loaded),
            Err(cause) => Err(LoadError {
                loaded: Box::new(loaded),
                cause,
            }),
        }
    }

    /// Until now, by everybody.
    fn evictions(&self, segment: &Segment) -> u64 {
        segment.stats().evictions + self.spill.map_or(0, |spill| spill.depot.stats().evicted)
    }
}

struct Loading<'s> {
    how: Load<'s>,
    segment: &'s Segment,
    namespaces: BTreeMap<Arc<str>, Segment>,
    loaded: Loaded,
    /// The value of the entry that is looked at.
    value: Vec<u8>,
}

/// What becomes of one entry of a dump.
enum Outcome {
    Stored,
    Kept,
    Superseded,
    TooLarge,
}

impl Loading<'_> {
    /// Loads one entry, and says whether there was one.
    fn next<R: Read>(&mut self, dump: &mut DumpReader<R>) -> Result<bool, LoadCause> {
        let Some(entry) = dump.next_entry()? else {
            return Ok(false);
        };
        let Some(expiry) = expiry_at(&entry.head, wall_ms(), self.how.as_stale) else {
            // What is not read of its value is passed over, and its checks are looked at.
            self.loaded.expired += 1;
            return Ok(true);
        };
        self.value.clear();
        let enough_bytes = match self.how.spill {
            None => self.segment.max_value_bytes(),
            Some(_) if entry.head.was_spilled => 0,
            Some(spill) => spill.above_bytes,
        };
        let mut part = Part::More;
        while part == Part::More && self.value.len() <= enough_bytes {
            part = dump.next_part(&mut self.value)?;
        }
        if part == Part::Void {
            self.loaded.void += 1;
            return Ok(true);
        }
        let tags: Vec<&[u8]> = entry.head.tags.iter().map(Vec::as_slice).collect();
        let options = PutOptions::from(expiry)
            .tags(&tags)
            .aligned(entry.head.is_aligned);
        let segment = self.segment_of(entry.namespace.as_ref())?;
        let rest = (part == Part::More).then_some(dump);
        match self.how.spill {
            Some(spill) if rest.is_some() || entry.head.was_spilled || spill.is_for(&self.value) => {
                self.spill(spill, &segment, &entry.head.key, &options, rest)?;
            }
            _ if rest.is_some() => self.count(&Outcome::TooLarge, 0),
            _ => {
                let before = self.replaced(&segment, &entry.head.key);
                let outcome = self.put(&segment, &entry.head.key, &self.value, &options)?;
                self.retire(before, &outcome);
                self.count(&outcome, self.value.len() as u64);
            }
        }
        Ok(true)
    }

    /// Writes the value to a file, and stores its stub.
    fn spill<R: Read>(
        &mut self,
        spill: Spill<'_>,
        segment: &Segment,
        key: &[u8],
        options: &PutOptions<'_>,
        rest: Option<&mut DumpReader<R>>,
    ) -> Result<(), LoadCause> {
        if !self.how.replaces && segment.contains(key) {
            self.count(&Outcome::Kept, 0);
            return Ok(());
        }
        // What is invalidated while the file is written supersedes it.
        let options = options.since(&segment.fill_token(key));
        let held = match spill.write(segment, key, &options, &self.value, rest)? {
            Spilled::Held(held) => held,
            Spilled::Void => {
                self.loaded.void += 1;
                return Ok(());
            }
            Spilled::TooLarge => {
                self.count(&Outcome::TooLarge, 0);
                return Ok(());
            }
        };
        let before = self.replaced(segment, key);
        let outcome = self.put(segment, key, &held.stub(), &options)?;
        let value_bytes = held.value_bytes();
        if matches!(outcome, Outcome::Stored) {
            held.keep();
            self.loaded.files += 1;
        }
        self.retire(before, &outcome);
        self.count(&outcome, value_bytes);
        Ok(())
    }

    fn put(
        &self,
        segment: &Segment,
        key: &[u8],
        stored: &[u8],
        options: &PutOptions<'_>,
    ) -> Result<Outcome, StoreError> {
        let outcome = if self.how.replaces {
            segment.put_with(key, stored, options).map(|put| match put {
                Put::Stored => Outcome::Stored,
                Put::Superseded => Outcome::Superseded,
            })
        } else {
            segment.add(key, stored, options).map(|add| match add {
                Add::Stored => Outcome::Stored,
                Add::Exists => Outcome::Kept,
                Add::Superseded => Outcome::Superseded,
            })
        };
        match outcome {
            Err(StoreError::ValueTooLarge { .. }) => Ok(Outcome::TooLarge),
            Err(StoreError::Contended { .. }) => Ok(Outcome::Superseded),
            outcome => outcome,
        }
    }

    /// The stub that is about to be replaced.
    fn replaced(&self, segment: &Segment, key: &[u8]) -> Option<Stub> {
        (self.how.spill.is_some() && self.how.replaces)
            .then(|| Spill::stub_of(segment, key))
            .flatten()
    }

    /// Its file is removed at once: orphans are found sooner or later, but they take room.
    fn retire(&self, before: Option<Stub>, outcome: &Outcome) {
        if let (Some(stub), Some(spill), Outcome::Stored) = (before, self.how.spill, outcome) {
            spill.depot.retire(&stub);
        }
    }

    const fn count(&mut self, outcome: &Outcome, value_bytes: u64) {
        let loaded = &mut self.loaded;
        match outcome {
            Outcome::Stored => {
                loaded.entries += 1;
                loaded.value_bytes += value_bytes;
            }
            Outcome::Kept => loaded.kept += 1,
            Outcome::Superseded => loaded.superseded += 1,
            Outcome::TooLarge => loaded.too_large += 1,
        }
    }

    fn segment_of(&mut self, namespace: Option<&Arc<str>>) -> Result<Segment, LoadCause> {
        let Some(name) = namespace else {
            return Ok(self.segment.default_namespace());
        };
        if let Some(segment) = self.namespaces.get(name) {
            return Ok(segment.clone());
        }
        let segment = self
            .segment
            .namespace(name)
            .map_err(|source| LoadCause::Namespace {
                name: (**name).into(),
                source,
            })?;
        self.namespaces.insert(Arc::clone(name), segment.clone());
        Ok(segment)
    }
}

/// What is left of an entry's life at `now_ms`; `None` if it is over.
fn expiry_at(head: &EntryHead, now_ms: u64, as_stale: bool) -> Option<Expiry> {
    let left = |deadline_ms: u64| Duration::from_millis(deadline_ms.saturating_sub(now_ms));
    let hard = head.hard_ms.map(left);
    if hard.is_some_and(|hard| hard.is_zero()) {
        return None;
    }
    // A stale entry has a soft deadline that is past, which cannot be given: it is the next millisecond.
    let soonest = Duration::from_millis(1);
    let soft = if head.is_stale || as_stale {
        Some(soonest)
    } else {
        head.soft_ms.map(|soft_ms| left(soft_ms).max(soonest))
    };
    let life = hard.map_or(Expiry::never(), Expiry::after);
    Some(match (soft, hard) {
        (None, _) => life,
        (Some(soft), None) => life.soft(soft),
        (Some(soft), Some(hard)) => life.soft(soft.min(hard)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(hard_ms: Option<u64>, soft_ms: Option<u64>, is_stale: bool) -> EntryHead {
        EntryHead {
            hard_ms,
            soft_ms,
            is_stale,
            ..EntryHead::default()
        }
    }

    #[test]
    fn time_goes_on_while_a_dump_lies_around() {
        let ms = Duration::from_millis;
        let at = |head: &EntryHead| expiry_at(head, 1_000, false);
        assert_eq!(at(&head(None, None, false)), Some(Expiry::never()));
        assert_eq!(at(&head(Some(1_000), None, false)), None);
        assert_eq!(at(&head(Some(10), Some(5), false)), None);
        assert_eq!(at(&head(Some(1_001), None, false)), Some(Expiry::after(ms(1))));
        assert_eq!(
            at(&head(Some(3_000), Some(1_500), false)),
            Some(Expiry::after(ms(2_000)).soft(ms(500)))
        );
        let stale = Expiry::after(ms(2_000)).soft(ms(1));
        assert_eq!(at(&head(Some(3_000), Some(900), false)), Some(stale));
        assert_eq!(at(&head(Some(3_000), Some(1_500), true)), Some(stale));
        assert_eq!(at(&head(Some(3_000), None, true)), Some(stale));
        assert_eq!(
            expiry_at(&head(Some(3_000), None, false), 1_000, true),
            Some(stale)
        );
        assert_eq!(at(&head(None, None, true)), Some(Expiry::never().soft(ms(1))));
        // Soft deadlines behind hard ones are no deadlines.
        assert_eq!(
            at(&head(Some(1_500), Some(9_000), false)),
            Some(Expiry::after(ms(500)).soft(ms(500)))
        );
    }
}
