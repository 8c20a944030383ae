//! Least recently used: the object unused for longest leaves first.

use super::queue::{Arena, Queue};
use super::{Capacity, Policy};
use crate::Access;

/// A least-recently-used cache.
#[derive(Debug)]
pub struct Lru {
    capacity: Capacity,
    arena: Arena<()>,
    recency: Queue,
}

impl Lru {
    /// An empty cache.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            arena: Arena::new(),
            recency: Queue::new(),
        }
    }
}

impl Policy for Lru {
    fn access(&mut self, access: Access) -> bool {
        if let Some(place) = self.arena.find(access.key) {
            self.recency.unlink(&mut self.arena, place);
            self.recency.push(&mut self.arena, place);
            return true;
        }
        let weight = self.capacity.weight_of(access);
        let Some(room) = self.capacity.total().checked_sub(weight) else {
            return false;
        };
        while self.recency.weight() > room {
            let Some(oldest) = self.recency.oldest() else {
                break;
            };
            self.recency.unlink(&mut self.arena, oldest);
            self.arena.drop_entry(oldest);
        }
        let place = self.arena.add(access.key, weight, ());
        self.recency.push(&mut self.arena, place);
        false
    }
}
