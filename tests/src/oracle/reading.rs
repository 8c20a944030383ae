//! Reads: what is found is what the map holds, to the last field.

use std::time::Duration;

use guira_segment::{Metadata, Read, ValueRef, Version};

use super::episode::Episode;
use super::lifetime::NEVER_MS;
use super::model::Held;
use super::names::{KEYS, Place, tag_name};

/// A value that is kept while other operations go on.
pub(super) struct HeldValue<'s> {
    value: ValueRef<'s>,
    bytes: Vec<u8>,
    version: Version,
}

impl HeldValue<'_> {
    pub(super) fn is_in_place(&self) -> bool {
        self.value.is_borrowed()
    }
}

/// Most values that are kept.
const MAX_VALUES: usize = 12;
/// Values of one thread that are kept in place.
const GUARDS: usize = 8;

impl<'s> Episode<'s, '_> {
    pub(super) fn get(&mut self, place: Place) {
        self.compare_watches();
        let segment = self.segment(place.space);
        let (value, watch) = if place.key.is_multiple_of(2) {
            (segment.get(place.name()), None)
        } else {
            segment
                .get_watched(place.name())
                .map_or((None, None), |(value, watch)| (Some(value), watch))
        };
        self.model.counters.read(value.is_some());
        let held = self.model.meet(place, value.is_some());
        let Some((value, held)) = value.zip(held) else {
            return self.tally.note("get miss");
        };
        self.tally.note("get hit");
        self.compare_value(place, &value, &held);
        if let Some(watch) = watch {
            self.keep_watch(segment, place, watch, &value);
        }
    }

    /// A value against what is held.
    pub(super) fn compare_value(&mut self, place: Place, value: &ValueRef<'_>, held: &Held) {
        assert_eq!(value.as_ref(), held.value, "{place:?}: the value");
        assert_eq!(
            value.is_stale(),
            self.model.is_stale(held),
            "{place:?}: stale, {held:?}"
        );
        if held.is_aligned && value.is_borrowed() {
            assert_eq!(value.as_ptr() as usize % 16, 0, "{place:?}: alignment");
        }
        let metadata = value.metadata();
        assert_eq!(metadata.version, value.version());
        self.compare_metadata(place, &metadata, held);
    }

    /// Every field of `metadata` against what is held.
    pub(super) fn compare_metadata(&mut self, place: Place, metadata: &Metadata, held: &Held) {
        let Metadata {
            value_bytes,
            entry_bytes,
            ttl,
            soft_ttl,
            is_stale,
            stale_for,
            age,
            block,
            version,
        } = *metadata;
        let now_ms = self.model.now_ms();
        let until = |deadline_ms: u64| Duration::from_millis(deadline_ms.saturating_sub(now_ms));
        let deadlines = held.deadlines;
        assert_eq!(value_bytes, held.value.len(), "{place:?}");
        assert_eq!(
            entry_bytes,
            self.model.world.entry_bytes(place, held),
            "{place:?}"
        );
        let hard = (deadlines.hard_ms < NEVER_MS).then(|| until(deadlines.hard_ms));
        assert_eq!(ttl, hard, "{place:?}: {held:?}");
        let soft = (deadlines.soft_ms < deadlines.hard_ms).then(|| until(deadlines.soft_ms));
        assert_eq!(soft_ttl, soft, "{place:?}: {held:?}");
        let is_past = deadlines.soft_ms < deadlines.hard_ms && deadlines.soft_ms <= now_ms;
        let passed = is_past.then(|| Duration::from_millis(now_ms - deadlines.soft_ms));
        assert_eq!(stale_for, passed, "{place:?}: {held:?}");
        assert_eq!(is_stale, self.model.is_stale(held), "{place:?}: {held:?}");
        let made_ms = (held.made_ms / 100).min(u64::from(u32::MAX)) * 100;
        assert_eq!(
            age,
            Duration::from_millis(now_ms - made_ms),
            "{place:?}: {held:?}"
        );
        assert!(u64::from(block) < self.model.world.blocks);
        self.model.see_version(place, held, version);
    }

    /// By the one method or by the other, which also says whether the value is stale.
    pub(super) fn get_into(&mut self, place: Place) {
        let mut buffer = b"what was there before".to_vec();
        let read = if place.key.is_multiple_of(2) {
            let read = self.call(place, |segment| segment.read_into(place.name(), &mut buffer));
            Some(read)
        } else {
            None
        };
        let was_found = match read {
            Some(read) => read != Read::Miss,
            None => self.call(place, |segment| segment.get_into(place.name(), &mut buffer)),
        };
        self.model.counters.read(was_found);
        self.tally.note(if was_found {
            "get_into hit"
        } else {
            "get_into miss"
        });
        let held = self.model.meet(place, was_found);
        if let Some((read, held)) = read.zip(held.as_ref()) {
            assert_eq!(
                read == Read::Stale,
                self.model.is_stale(held),
                "{place:?}: {held:?}"
            );
        }
        let expected = held.map(|held| held.value).unwrap_or_default();
        assert_eq!(buffer, expected, "{place:?}");
    }

    pub(super) fn get_many(&mut self, first: Place, count: u8) {
        self.tally.note("get_many");
        // From `first` on, round and round: some keys twice.
        let places: Vec<Place> = (0..count)
            .map(|step| Place {
                key: (first.key + step) % (KEYS + 2),
                ..first
            })
            .collect();
        let names: Vec<&[u8]> = places.iter().map(|place| place.name()).collect();
        let mut found: Vec<Option<Vec<u8>>> = Vec::new();
        self.call(first, |segment| {
            segment.get_many(&names, |index, value| {
                assert_eq!(index, found.len(), "out of order");
                found.push(value.map(<[u8]>::to_vec));
            });
        });
        assert_eq!(found.len(), places.len());
        for (place, found) in places.into_iter().zip(found) {
            self.model.counters.read(found.is_some());
            let held = self.model.meet(place, found.is_some());
            assert_eq!(found, held.map(|held| held.value), "{place:?}");
        }
    }

    pub(super) fn contains(&mut self, place: Place) {
        let was_found = self.call(place, |segment| segment.contains(place.name()));
        self.model.meet(place, was_found);
        self.tally
            .note(if was_found { "contains yes" } else { "contains no" });
    }

    pub(super) fn metadata(&mut self, place: Place) {
        let metadata = self.call(place, |segment| segment.metadata(place.name()));
        let held = self.model.meet(place, metadata.is_some());
        let Some((metadata, held)) = metadata.zip(held) else {
            return self.tally.note("metadata miss");
        };
        self.tally.note("metadata hit");
        self.compare_metadata(place, &metadata, &held);
    }

    pub(super) fn ttl(&mut self, place: Place) {
        let ttl = self.call(place, |segment| segment.ttl(place.name()));
        let held = self.model.meet(place, ttl.is_some());
        self.tally
            .note(if held.is_some() { "ttl hit" } else { "ttl miss" });
        let now_ms = self.model.now_ms();
        let expected = held.map(|held| {
            let hard_ms = held.deadlines.hard_ms;
            (hard_ms < NEVER_MS).then(|| Duration::from_millis(hard_ms - now_ms))
        });
        assert_eq!(ttl, expected, "{place:?}");
    }

    pub(super) fn tags(&mut self, place: Place) {
        let tags = self.call(place, |segment| segment.tags(place.name()));
        let held = self.model.meet(place, tags.is_some());
        self.tally
            .note(if held.is_some() { "tags hit" } else { "tags miss" });
        assert_eq!(tags, held.map(|held| names_of(&held)), "{place:?}");
    }

    // ---- values that are kept

    pub(super) fn hold_value(&mut self, place: Place) {
        self.compare_values();
        if self.values.len() == MAX_VALUES {
            self.values.remove(0);
        }
        let segment = self.segment(place.space);
        let value = segment.get(place.name());
        self.model.counters.read(value.is_some());
        let held = self.model.meet(place, value.is_some());
        let Some((value, held)) = value.zip(held) else {
            return;
        };
        self.compare_value(place, &value, &held);
        let in_place = self.values.iter().filter(|held| held.is_in_place()).count();
        if !self.model.world.may_evict && in_place < GUARDS {
            assert!(value.is_borrowed(), "a copy although a guard was free");
        }
        self.tally.note(if value.is_borrowed() {
            "value held in place"
        } else {
            "value held as a copy"
        });
        assert_eq!(value.tags(), names_of(&held));
        self.values.push(HeldValue {
            version: value.version(),
            bytes: value.to_vec(),
            value,
        });
    }

    /// Whatever happened since, a value that is held is what it was.
    pub(super) fn compare_values(&mut self) {
        for held in &self.values {
            self.tally.note("held value compared");
            assert_eq!(held.value.as_ref(), held.bytes, "a held value changed");
            assert_eq!(held.value.version(), held.version, "a held entry changed");
        }
    }
}

/// The names of an entry's tags.
pub(super) fn names_of(held: &Held) -> Vec<Vec<u8>> {
    held.tags.iter().map(|&tag| tag_name(tag).to_vec()).collect()
}
