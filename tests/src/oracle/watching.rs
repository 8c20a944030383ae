//! Watches: what one still calls current is what the map holds.

use guira_segment::{Segment, Watch};

use super::episode::Episode;
use super::names::Place;

/// A value that was read, and what tells whether it still is its key's.
pub(super) struct Watched<'s> {
    segment: &'s Segment,
    place: Place,
    watch: Watch,
    bytes: Vec<u8>,
    is_stale: bool,
}

/// Most watches that are kept.
const MAX_WATCHES: usize = 8;

impl<'s> Episode<'s, '_> {
    /// Keeps the watch that came with a value.
    pub(super) fn keep_watch(&mut self, segment: &'s Segment, place: Place, watch: Watch, bytes: &[u8]) {
        if self.watches.len() == MAX_WATCHES {
            self.watches.remove(0);
        }
        let is_stale = self
            .model
            .get(place)
            .cloned()
            .is_some_and(|held| self.model.is_stale(&held));
        self.watches.push(Watched {
            segment,
            place,
            watch,
            bytes: bytes.to_vec(),
            is_stale,
        });
    }

    /// A watch may end early, when its entry is moved; while it lasts the key has that value.
    pub(super) fn compare_watches(&mut self) {
        for Watched {
            segment,
            place,
            watch,
            bytes,
            is_stale,
        } in &self.watches
        {
            if !segment.is_current(watch) {
                self.tally.note("watch that ended");
                continue;
            }
            self.tally.note("watch that lasts");
            let held = self.model.get(*place).cloned();
            let held = held.unwrap_or_else(|| panic!("{place:?}: a watch lasts, and there is no value"));
            assert_eq!(held.value, *bytes, "{place:?}: a watch lasts");
            assert!(
                !held.is_expired || *is_stale,
                "{place:?}: a watch outlasts an expiry"
            );
        }
    }
}
