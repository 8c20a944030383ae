//! A dump becomes entries of a segment.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use guira_segment::{Add, Expiry, Put, PutOptions, Segment, StoreError};

use super::error::{LoadCause, LoadError};
use super::format::EntryHead;
use super::reader::{DumpReader, DumpedEntry, Part};
use super::save::wall_ms;

/// How a dump is loaded; [`dump`](super) tells the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    replaces: bool,
    as_stale: bool,
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
    /// Entries that are larger than this segment takes.
    pub too_large: u64,
    /// Entries that do not count, as their values could not be read to their end when the dump was made.
    pub void: u64,
    /// Entries that were dropped for room while it was loaded, by whoever works on the segment: loaded ones, and
    /// others; 0 until the end.
    pub evicted: u64,
    /// Bytes of the dump that were read.
    pub dump_bytes: u64,
}

impl Load {
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

    /// Stores what `dump` has in `segment`, and tells `observe` after each entry how far it is. Namespaces are made if
    /// they are new; what was in the one without a name comes into that of the handle.
    ///
    /// # Errors
    /// [`LoadError`], which says what was loaded before.
    pub fn run<R: Read>(
        &self,
        mut dump: DumpReader<R>,
        segment: &Segment,
        observe: &mut dyn FnMut(&Loaded),
    ) -> Result<Loaded, LoadError> {
        let evictions = segment.stats().evictions;
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
            evicted: segment.stats().evictions.saturating_sub(evictions),
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
}

struct Loading<'s> {
    how: Load,
    segment: &'s Segment,
    namespaces: BTreeMap<Arc<str>, Segment>,
    loaded: Loaded,
    /// The value of the entry that is looked at.
    value: Vec<u8>,
}

impl Loading<'_> {
    /// Loads one entry, and says whether there was one.
    fn next<R: Read>(&mut self, dump: &mut DumpReader<R>) -> Result<bool, LoadCause> {
        let Some(entry) = dump.next_entry()? else {
            return Ok(false);
        };
        let max_bytes = self.segment.max_value_bytes();
        let mut value_bytes = 0;
        self.value.clear();
        loop {
            let before = self.value.len();
            let part = dump.next_part(&mut self.value)?;
            value_bytes += self.value.len() - before;
            if value_bytes > max_bytes {
                // However long it is, it is read to its end, for its checks.
                self.value.clear();
            }
            match part {
                Part::More => {}
                Part::Last => break,
                Part::Void => {
                    self.loaded.void += 1;
                    return Ok(true);
                }
            }
        }
        if value_bytes > max_bytes {
            self.loaded.too_large += 1;
        } else {
            self.store(&entry)?;
        }
        Ok(true)
    }

    fn store(&mut self, entry: &DumpedEntry) -> Result<(), LoadCause> {
        let Some(expiry) = expiry_at(&entry.head, wall_ms(), self.how.as_stale) else {
            self.loaded.expired += 1;
            return Ok(());
        };
        let segment = self.segment_of(entry.namespace.as_ref())?;
        let tags: Vec<&[u8]> = entry.head.tags.iter().map(Vec::as_slice).collect();
        let options = PutOptions::from(expiry)
            .tags(&tags)
            .aligned(entry.head.is_aligned);
        let (key, value) = (&entry.head.key, &self.value);
        let count = if self.how.replaces {
            match segment.put_with(key, value, &options) {
                Ok(Put::Stored) => None,
                Ok(Put::Superseded) | Err(StoreError::Contended { .. }) => Some(&mut self.loaded.superseded),
                Err(StoreError::ValueTooLarge { .. }) => Some(&mut self.loaded.too_large),
                Err(error) => return Err(error.into()),
            }
        } else {
            match segment.add(key, value, &options) {
                Ok(Add::Stored) => None,
                Ok(Add::Exists) => Some(&mut self.loaded.kept),
                Ok(Add::Superseded) | Err(StoreError::Contended { .. }) => Some(&mut self.loaded.superseded),
                Err(StoreError::ValueTooLarge { .. }) => Some(&mut self.loaded.too_large),
                Err(error) => return Err(error.into()),
            }
        };
        match count {
            Some(count) => *count += 1,
            None => {
                self.loaded.entries += 1;
                self.loaded.value_bytes += self.value.len() as u64;
            }
        }
        Ok(())
    }

    fn segment_of(&mut self, namespace: Option<&Arc<str>>) -> Result<Segment, LoadCause> {
        let Some(name) = namespace else {
            return Ok(self.segment.clone());
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
