//! Queues of entries that also know each entry by its key.
//!
//! All queues of a policy share one [`Arena`], so an entry moves between them
//! without a second look-up, and leaves from the middle in constant time.

use std::collections::HashMap;

/// Marks the end of a queue.
const NONE: usize = usize::MAX;

/// Where an entry stands in its arena.
pub(super) type Place = usize;

#[derive(Debug)]
pub(super) struct Entry<S> {
    pub(super) key: u64,
    pub(super) weight: u64,
    /// What the policy keeps about the entry.
    pub(super) state: S,
    newer: Place,
    older: Place,
}

/// The entries of all queues of one policy.
#[derive(Debug)]
pub(super) struct Arena<S> {
    entries: Vec<Entry<S>>,
    vacant: Vec<Place>,
    by_key: HashMap<u64, Place>,
}

impl<S> Arena<S> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            vacant: Vec::new(),
            by_key: HashMap::new(),
        }
    }

    pub(super) fn find(&self, key: u64) -> Option<Place> {
        self.by_key.get(&key).copied()
    }

    pub(super) fn entry(&mut self, place: Place) -> &mut Entry<S> {
        &mut self.entries[place]
    }

    /// Adds an entry, in no queue yet. Its key must be absent.
    pub(super) fn add(&mut self, key: u64, weight: u64, state: S) -> Place {
        let entry = Entry {
            key,
            weight,
            state,
            newer: NONE,
            older: NONE,
        };
        let place = match self.vacant.pop() {
            Some(place) => {
                self.entries[place] = entry;
                place
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        self.by_key.insert(key, place);
        place
    }

    /// Drops an entry that stands in no queue.
    pub(super) fn drop_entry(&mut self, place: Place) {
        self.by_key.remove(&self.entries[place].key);
        self.vacant.push(place);
    }
}

/// Entries from the newest to the oldest, and their weight together.
#[derive(Debug)]
pub(super) struct Queue {
    newest: Place,
    oldest: Place,
    weight: u64,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            newest: NONE,
            oldest: NONE,
            weight: 0,
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn oldest(&self) -> Option<Place> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// Makes an entry of no queue the newest of this one.
    pub(super) fn push<S>(&mut self, arena: &mut Arena<S>, place: Place) {
        let older = self.newest;
        let entry = arena.entry(place);
        entry.newer = NONE;
        entry.older = older;
        self.weight += entry.weight;
        match older {
            NONE => self.oldest = place,
            _ => arena.entry(older).newer = place,
        }
        self.newest = place;
    }

    /// Takes an entry of this queue out of it.
    pub(super) fn unlink<S>(&mut self, arena: &mut Arena<S>, place: Place) {
        let entry = arena.entry(place);
        let (newer, older) = (entry.newer, entry.older);
        self.weight -= entry.weight;
        match newer {
            NONE => self.newest = older,
            _ => arena.entry(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            _ => arena.entry(older).newer = newer,
        }
    }
}
