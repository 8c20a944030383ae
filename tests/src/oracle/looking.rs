//! Looking at the whole: listings, checks, repairs, figures, names, the attachment.

use guira_segment::{EntryInfo, MAX_NAMESPACE_BYTES, NamespaceError, Repaired, Stats, StoredEntry, Verified};

use super::episode::Episode;
use super::names::{Place, SPACES, space_name};
use super::reading::names_of;

impl Episode<'_, '_> {
    pub(super) fn entries(&mut self, space: u8) {
        self.tally.note("entries");
        let listed: Vec<EntryInfo> = self.segment(space).entries().collect();
        self.compare_listing(&listed, Some(space));
    }

    pub(super) fn all_entries(&mut self) {
        self.tally.note("all_entries");
        let listed: Vec<EntryInfo> = self.segment(0).all_entries().collect();
        self.compare_listing(&listed, None);
        let mut stored = self.segment(0).all_entries().with_values();
        let valued: Vec<StoredEntry> = stored
            .by_ref()
            .collect::<Result<_, _>>()
            .expect("a whole segment");
        assert_eq!(stored.damaged(), 0);
        assert!(stored.walked() >= 1.0);
        self.compare_stored(&valued);
        let listed: Vec<EntryInfo> = valued.into_iter().map(|entry| entry.info).collect();
        self.compare_listing(&listed, None);
    }

    /// The values of a listing, and how they lie.
    fn compare_stored(&mut self, listed: &[StoredEntry]) {
        for place in Place::all() {
            let is_of_place = |entry: &&StoredEntry| {
                entry.info.namespace.as_deref() == space_name(place.space) && entry.info.key == place.name()
            };
            let entry = listed.iter().find(is_of_place);
            let held = self.model.meet(place, entry.is_some());
            if let Some((entry, held)) = entry.zip(held) {
                assert_eq!(entry.value, held.value, "{place:?}: the value");
                assert_eq!(entry.is_aligned, held.is_aligned, "{place:?}: alignment");
            }
        }
    }

    /// Every entry is listed once, with what is known of it.
    fn compare_listing(&mut self, listed: &[EntryInfo], only: Option<u8>) {
        let mut matched = 0;
        for place in Place::all().filter(|place| only.is_none_or(|only| only == place.space)) {
            let name = space_name(place.space);
            let mut of_place = listed
                .iter()
                .filter(|info| info.namespace.as_deref() == name && info.key == place.name());
            let info = of_place.next();
            assert!(of_place.next().is_none(), "{place:?}: listed twice");
            let held = self.model.meet(place, info.is_some());
            if let Some((info, held)) = info.zip(held) {
                let EntryInfo {
                    namespace: _,
                    key: _,
                    metadata,
                    tags,
                } = info;
                self.compare_metadata(place, metadata, &held);
                assert_eq!(*tags, names_of(&held), "{place:?}");
                matched += 1;
            }
        }
        assert_eq!(
            matched,
            listed.len(),
            "entries of keys that were never put: {listed:?}"
        );
    }

    pub(super) fn verify(&mut self) {
        self.tally.note("verify");
        let verified = self.segment(0).verify();
        self.compare_verified(&verified);
    }

    /// What `verify` counts includes entries that are over but were not met since.
    fn compare_verified(&mut self, verified: &Verified) {
        let Verified {
            entries,
            recovered,
            faults,
        } = verified;
        assert!(verified.is_clean() && faults.is_empty(), "{faults:?}");
        assert_eq!(*recovered, 0, "nobody died");
        let held = self.model.all().len() as u64;
        if !self.model.world.may_evict {
            assert!(*entries >= held, "{entries} entries, {held} held");
        }
        assert_eq!(*entries, self.segment(0).stats().entries, "the blocks' counts");
    }

    /// A repair of what is sound changes nothing.
    pub(super) fn repair(&mut self) {
        self.tally.note("repair");
        let before = self.model.all().len();
        let Repaired {
            found,
            dropped_entries,
            freed_blocks,
            left,
        } = self.segment(0).repair();
        self.compare_verified(&found);
        self.compare_verified(&left);
        assert_eq!((dropped_entries, freed_blocks), (0, 0));
        let listed = self.segment(0).all_entries().count();
        if !self.model.world.may_evict {
            assert_eq!(listed, before, "a repair lost something");
        }
    }

    pub(super) fn stats(&mut self) {
        self.tally.note("stats");
        let segment = self.segment(0);
        assert_eq!(segment.now_ms(), self.model.now_ms(), "the time");
        let stats = segment.stats();
        self.model.counters.compare(&stats);
        assert_eq!(
            stats.invalidation_clock, self.model.births,
            "the invalidation clock"
        );
        let in_place = self.values.iter().filter(|value| value.is_in_place()).count() as u64;
        assert_eq!((stats.guards, stats.pins), (in_place, in_place), "guards, pins");
        let flights = self.leads.iter().filter(|lead| lead.is_current()).count() as u64;
        assert_eq!(stats.flights, flights, "flights");
        self.compare_sizes(&stats);
        self.compare_blocks(&stats);
        assert!((0.0..=1.0).contains(&stats.index_load()), "{stats:?}");
    }

    fn compare_sizes(&mut self, stats: &Stats) {
        let world = self.model.world;
        assert_eq!(stats.block_bytes, world.block_bytes);
        assert_eq!(stats.arena_bytes, world.block_bytes * world.blocks);
        assert!(stats.size_bytes > stats.arena_bytes && stats.index_slots >= world.index_entries);
        let openings = if self.path.is_some() { 2 } else { 1 };
        assert_eq!((stats.processes, stats.max_processes), (openings, 4));
        assert!(
            (openings..=8).contains(&stats.threads),
            "{} threads",
            stats.threads
        );
        assert_eq!(stats.namespaces, u64::from(SPACES - 1));
        assert!(stats.entries <= stats.index_slots && stats.bytes_used <= stats.arena_bytes);
        let held = self.model.all();
        let held_bytes: usize = held
            .iter()
            .map(|(place, held)| world.entry_bytes(*place, held))
            .sum();
        if !world.may_evict {
            assert!(stats.entries >= held.len() as u64 && stats.bytes_used >= held_bytes as u64);
            let lost = (stats.evictions, stats.no_space, stats.is_evicting);
            let asked = self.model.evicted;
            assert_eq!(lost, (asked, 0, false), "a large world dropped something");
        }
        // What grows by itself: of these only bounds are known.
        assert!(stats.expired <= stats.stores + stats.fills);
        // A drain that moved some may have been given back, or its block still be held by a guard.
        let drained = stats.blocks_reclaimed + u64::from(stats.blocks.total);
        assert!(stats.survivors <= drained * stats.block_bytes);
        assert!(stats.displaced <= u64::MAX / 2);
    }

    fn compare_blocks(&mut self, stats: &Stats) {
        let blocks = stats.blocks;
        let sum = blocks.free
            + blocks.open
            + blocks.sealed_admission
            + blocks.sealed_main
            + blocks.draining
            + blocks.retired
            + blocks.run
            + blocks.damaged;
        assert_eq!((blocks.total, blocks.damaged), (sum, 0), "{blocks:?}");
        assert_eq!(u64::from(blocks.total), self.model.world.blocks);
    }

    /// Names of namespaces: what exists is found, what is bad is refused.
    pub(super) fn names(&mut self) {
        self.tally.note("names");
        for space in 0..SPACES {
            let segment = self.segment(space);
            let name = segment.namespace_name();
            assert_eq!(name.as_deref(), space_name(space));
            assert_eq!(segment.max_value_bytes(), self.model.world.max_value_bytes());
            if let Some(name) = name {
                let again = segment.namespace(&name).expect("it exists");
                assert_eq!(again.namespace_name(), Some(name.clone()));
                let existing = segment.existing_namespace(&name);
                assert_eq!(existing.and_then(|it| it.namespace_name()), Some(name));
            }
        }
        let segment = self.segment(0);
        assert!(segment.existing_namespace("never made").is_none());
        for bad in [String::new(), "n".repeat(MAX_NAMESPACE_BYTES + 1)] {
            let refused = segment.namespace(&bad).expect_err("a bad name");
            let expected = NamespaceError::BadName {
                name_bytes: bad.len(),
                max_bytes: MAX_NAMESPACE_BYTES,
            };
            assert_eq!(refused, expected);
            assert!(segment.existing_namespace(&bad).is_none());
        }
    }

    pub(super) fn attachment(&mut self) {
        self.tally.note("attachment");
        let segment = self.segment(0);
        assert_eq!(segment.recover(), 0, "nobody died");
        segment.attach().expect("it is attached");
        assert_eq!(segment.id(), self.segment(1).id(), "whatever the namespace");
        assert!(!segment.survives_reboot(), "it lies in memory");
        assert_eq!(segment.path(), self.path.unwrap_or("".as_ref()));
    }
}
