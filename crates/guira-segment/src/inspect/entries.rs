//! Listing entries by walking the index. Others work meanwhile: what is there all the time is
//! listed (twice, if it is moved to a bucket ahead), what comes or goes meanwhile may be.

use crate::attach::ThreadRef;
use crate::entry::{Found, Validity};
use crate::key::{Key, Pair};
use crate::layout::entry::Kind;
use crate::layout::slot::{BUCKET_SLOTS, Slot};
use crate::log::walk::Walked;
use crate::metadata::Metadata;
use crate::pin::EnginePin;
use crate::segment::Segment;
use crate::shared::Shared;

/// One entry of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryInfo {
    /// The namespace's name; `None` for the default one.
    pub namespace: Option<String>,
    /// The key.
    pub key: Vec<u8>,
    /// Deadlines, age, size, block and version.
    pub metadata: Metadata,
    /// Its tags.
    pub tags: Vec<Vec<u8>>,
}

/// The entries of a segment, or of one namespace, in no order.
#[derive(Debug)]
pub struct Entries<'s> {
    pub(super) segment: &'s Segment,
    pub(super) namespace: Option<u16>,
    bucket: usize,
    batch: Vec<EntryInfo>,
}

/// An entry that is to be listed, pinned, and the slot that led to it.
pub(super) struct Listed<'s> {
    pub(super) slot: Slot,
    pub(super) found: Found<'s>,
    pub(super) namespace: u16,
    pub(super) key: Vec<u8>,
}

impl Segment {
    /// The entries of this handle's namespace.
    #[must_use]
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            segment: self,
            namespace: Some(self.namespace),
            bucket: 0,
            batch: Vec::new(),
        }
    }

    /// The entries of all namespaces.
    #[must_use]
    pub fn all_entries(&self) -> Entries<'_> {
        Entries {
            segment: self,
            namespace: None,
            bucket: 0,
            batch: Vec::new(),
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = EntryInfo;

    fn next(&mut self) -> Option<EntryInfo> {
        let shared = &*self.segment.shared;
        while self.batch.is_empty() && self.bucket < shared.geometry.counts.buckets as usize {
            let thread = shared.thread()?;
            for slot in 0..BUCKET_SLOTS {
                if let Some(listed) = shared.listed(&thread, self.bucket, slot, self.namespace) {
                    self.batch.push(shared.entry_info(listed));
                }
            }
            self.bucket += 1;
        }
        self.batch.pop()
    }
}

impl Shared {
    /// The valid entry that a slot leads to, if it is to be listed from there; pinned as `Read`.
    pub(super) fn listed<'s>(
        &'s self,
        thread: &ThreadRef<'_>,
        bucket: usize,
        slot: usize,
        only: Option<u16>,
    ) -> Option<Listed<'s>> {
        let word = self.load_slot(bucket, slot);
        let (found, namespace, key) = self.walk_slot(thread, word)?;
        let is_shown = match found.state.kind() {
            Kind::Live => true,
            Kind::Forward => self.leads_to_writing(found.state),
            Kind::Writing | Kind::Dead => false,
        };
        if only.is_some_and(|only| only != namespace) || !is_shown {
            return None;
        }
        if self.validity(found.location, &found.header, namespace) != Validity::Valid {
            return None;
        }
        // The same entry may be linked in both buckets for a moment: it is listed from the first.
        let hashed = Key::new(&self.geometry, self.namespace_seed(namespace), namespace, &key);
        if bucket != hashed.pair.primary
            && (0..BUCKET_SLOTS).any(|slot| self.load_slot(hashed.pair.primary, slot) == word)
        {
            return None;
        }
        Some(Listed {
            slot: word,
            found,
            namespace,
            key,
        })
    }

    /// What is shown of a listed entry.
    pub(super) fn entry_info(&self, listed: Listed<'_>) -> EntryInfo {
        let found = &listed.found;
        EntryInfo {
            namespace: self
                .namespace_name(listed.namespace)
                .map(|name| String::from_utf8_lossy(&name).into_owned()),
            metadata: self.metadata(found, found.state),
            tags: self.tags_of(found).names(),
            key: listed.key,
        }
    }

    /// The entry a slot names, parsed without knowing its key; pinned as `Read`.
    pub(crate) fn walk_slot<'s>(
        &'s self,
        thread: &ThreadRef<'_>,
        slot: Slot,
    ) -> Option<(Found<'s>, u16, Vec<u8>)> {
        if slot.is_empty() || !self.is_entry_place(slot.location()) {
            return None;
        }
        let pin = thread.engine_pin(self, EnginePin::Read);
        let pinned = self.pin_location(thread, pin, slot.location(), slot.generation())?;
        let entry = self.walk_entry(slot.location(), pinned.block, pinned.word.generation())?;
        let (namespace, key) = self.walked_key(&entry);
        let Walked {
            location,
            state,
            header,
            tags_bytes,
            ..
        } = entry;
        Some((
            Found {
                pinned,
                location,
                state,
                header,
                tags_bytes,
            },
            namespace,
            key,
        ))
    }

    /// Whether `bucket` is one of those a key belongs in, under the slot's tag.
    pub(crate) fn belongs(&self, bucket: usize, slot: Slot, namespace: u16, key: &[u8]) -> bool {
        let pair: Pair = Key::new(&self.geometry, self.namespace_seed(namespace), namespace, key).pair;
        pair.tag == slot.tag() && (bucket == pair.primary || bucket == pair.partner)
    }
}
