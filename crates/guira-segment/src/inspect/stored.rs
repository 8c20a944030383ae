//! Listing entries with their values, one at a time: for whoever writes them down elsewhere.
//!
//! What holds of [`Entries`] holds here, too; but no more than one value is in memory at once, and a listing that
//! cannot go on says so, for it would be taken for the whole.

use crate::attach::{Counter, ThreadRef};
use crate::error::StoreError;
use crate::inspect::entries::{Entries, EntryInfo, Listed};
use crate::layout::entry::FLAG_ALIGNED;
use crate::layout::slot::BUCKET_SLOTS;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::tags::Tags;

/// One entry of a listing, with its value as it was at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredEntry {
    /// All but the value.
    pub info: EntryInfo,
    /// The value.
    pub value: Vec<u8>,
    /// Whether the value begins on a multiple of 16 bytes.
    pub is_aligned: bool,
}

/// The entries of a segment, or of one namespace, with their values.
#[derive(Debug)]
pub struct StoredEntries<'s> {
    segment: &'s Segment,
    namespace: Option<u16>,
    /// The next slot, counted over all buckets.
    next_slot: usize,
    damaged: u64,
}

impl<'s> Entries<'s> {
    /// The same listing from its beginning, with the values. Counts as neither hits nor reads.
    ///
    /// ```
    /// use guira_segment::{Expiry, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// segment.put(b"k", b"value", Expiry::never())?;
    /// let entries: Vec<_> = segment.all_entries().with_values().collect::<Result<_, _>>()?;
    /// assert_eq!((&entries[0].info.key[..], &entries[0].value[..]), (&b"k"[..], &b"value"[..]));
    /// assert_eq!(segment.stats().hits, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_values(self) -> StoredEntries<'s> {
        StoredEntries {
            segment: self.segment,
            namespace: self.namespace,
            next_slot: 0,
            damaged: 0,
        }
    }
}

impl StoredEntries<'_> {
    /// How much of the index was looked at, 0 to 1.
    #[must_use]
    pub fn walked(&self) -> f64 {
        self.next_slot as f64 / self.slots() as f64
    }

    /// Entries that were left out until now, as they are damaged: the value does not fit its check, or nobody would find or
    /// invalidate them by the key, tags or namespace that they show.
    #[must_use]
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    fn slots(&self) -> usize {
        self.segment.shared.geometry.counts.buckets as usize * BUCKET_SLOTS
    }
}

impl Iterator for StoredEntries<'_> {
    type Item = Result<StoredEntry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let slots = self.slots();
        if self.next_slot >= slots {
            return None;
        }
        let shared = &*self.segment.shared;
        let thread = match self.segment.writing_thread() {
            Ok(thread) => thread,
            Err(error) => {
                self.next_slot = slots;
                return Some(Err(error));
            }
        };
        while self.next_slot < slots {
            let (bucket, slot) = (self.next_slot / BUCKET_SLOTS, self.next_slot % BUCKET_SLOTS);
            self.next_slot += 1;
            match shared.stored_entry(&thread, bucket, slot, self.namespace) {
                Look::None => {}
                Look::Damaged => self.damaged += 1,
                // The zeroes in the place of a file that was cut may be in the value by now.
                Look::Entry(entry) => return Some(shared.check_not_lost().map(|()| *entry)),
            }
        }
        // They look like an empty rest, too.
        shared.check_not_lost().err().map(Err)
    }
}

/// What a slot led to.
enum Look {
    None,
    Damaged,
    Entry(Box<StoredEntry>),
}

impl Shared {
    fn stored_entry(&self, thread: &ThreadRef<'_>, bucket: usize, slot: usize, only: Option<u16>) -> Look {
        let Some(listed) = self.listed(thread, bucket, slot, only) else {
            return Look::None;
        };
        let value = self.value_of(&listed.found);
        if !self.copy_is_intact(&value, &listed.found) || !self.is_sound(bucket, &listed) {
            thread.count(self, Counter::Damaged);
            return Look::Damaged;
        }
        Look::Entry(Box::new(StoredEntry {
            is_aligned: listed.found.header.has(FLAG_ALIGNED),
            info: self.entry_info(listed),
            value,
        }))
    }

    /// Whether others would find and invalidate the entry by what is listed of it: no check covers a key, the names of
    /// tags, and that of the namespace.
    fn is_sound(&self, bucket: usize, listed: &Listed<'_>) -> bool {
        let namespace = listed.namespace;
        let is_named = namespace == 0
            || self
                .namespace_name(namespace)
                .is_some_and(|name| std::str::from_utf8(&name).is_ok());
        let tags = self.tags_of(&listed.found);
        let names = tags.names();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let named = Tags::new(self.superblock.hash_seed, &names);
        is_named
            && self.belongs(bucket, listed.slot, namespace, &listed.key)
            && named.is_ok_and(|named| named.hashes().eq(tags.hashes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expiry::Expiry;
    use crate::layout::namespace::NAMESPACE_LENGTH;
    use crate::options::PutOptions;
    use crate::pin::EnginePin;
    use guira_shm::sync::Ordering;

    fn segment() -> Segment {
        Segment::builder()
            .size(8 << 20)
            .checked_values(true)
            .private()
            .expect("it is small")
    }

    fn listed(segment: &Segment) -> (Vec<StoredEntry>, u64) {
        let mut entries = segment.all_entries().with_values();
        let found = entries
            .by_ref()
            .map(|entry| entry.expect("it is whole"))
            .collect();
        (found, entries.damaged())
    }

    #[test]
    fn what_is_listed_has_its_value_and_its_alignment() {
        let segment = segment();
        for n in 0..200_u32 {
            let options = PutOptions::from(Expiry::never()).aligned(n % 2 == 0);
            let (key, value) = (n.to_le_bytes(), vec![n as u8; n as usize * 100]);
            segment.put_with(&key, &value, &options).expect("there is room");
        }
        let (mut found, damaged) = listed(&segment);
        found.sort_by_key(|entry| entry.value.len());
        assert_eq!((found.len(), damaged), (200, 0));
        for (n, entry) in found.iter().enumerate() {
            assert_eq!(entry.info.key, (n as u32).to_le_bytes());
            assert_eq!(entry.value, vec![n as u8; n * 100]);
            assert_eq!(entry.is_aligned, n % 2 == 0);
        }
        let mut entries = segment.all_entries().with_values();
        assert!(entries.walked() < 0.01);
        let half = entries.by_ref().nth(100);
        assert!(half.is_some() && (0.1..0.9).contains(&entries.walked()));
        entries.by_ref().for_each(drop);
        assert!(entries.walked() >= 1.0);
    }

    /// Flips a bit `back_bytes` before the value of "flipped", and lists.
    fn listed_after_flip(back_bytes: usize) -> (Vec<StoredEntry>, u64) {
        let segment = segment();
        segment.put(b"sound", &[1; 64], Expiry::never()).expect("room");
        let tags: [&[u8]; 1] = [b"colours"];
        let options = PutOptions::default().tags(&tags);
        segment.put_with(b"flipped", &[2; 64], &options).expect("room");
        let shared = &*segment.shared;
        let at = {
            let thread = shared.thread().expect("attached");
            let pin = thread.engine_pin(shared, EnginePin::Read);
            let found = shared.find(&thread, pin, &segment.key(b"flipped"));
            found.expect("just put").value_offset() - back_bytes
        };
        let bit = 1 << (at % 8 * 8);
        let word = shared.word(at / 8 * 8);
        word.store(word.load(Ordering::Relaxed) ^ bit, Ordering::Relaxed);
        listed(&segment)
    }

    #[test]
    fn what_is_damaged_is_left_out_and_counted() {
        // A byte of the value, the last of the key, the last of the tag.
        for back_bytes in [0, 1, b"flipped".len() + 1] {
            let (found, damaged) = listed_after_flip(back_bytes);
            assert_eq!(damaged, 1, "{back_bytes} bytes before the value");
            assert!(
                matches!(&found[..], [entry] if entry.info.key == b"sound"),
                "{found:?}"
            );
        }
    }

    #[test]
    fn what_lies_in_a_namespace_without_a_name_is_not_taken_for_the_default_ones() {
        let segment = segment();
        let users = segment.namespace("users").expect("a row");
        users.put(b"7", b"plum", Expiry::never()).expect("room");
        segment.put(b"7", b"seven", Expiry::never()).expect("room");
        let length = segment.shared.namespace_word(users.namespace, NAMESPACE_LENGTH);
        length.store(u64::MAX, Ordering::Relaxed);
        let (found, damaged) = listed(&segment);
        assert_eq!(damaged, 1);
        assert!(
            matches!(&found[..], [entry] if entry.value == b"seven"),
            "{found:?}"
        );
    }
}
