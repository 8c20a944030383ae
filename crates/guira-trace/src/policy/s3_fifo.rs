//! S3-FIFO: a small queue sieves out what is used once, a main queue keeps the rest.
//!
//! The algorithm of "FIFO queues are all you need for cache eviction" (SOSP 2023),
//! entry by entry. New objects enter the small queue. An object that leaves it
//! moves to the main queue if it was used often enough, else to the ghost queue,
//! which remembers its key alone; an object set again while a ghost enters the
//! main queue. The main queue gives each use another turn, one use less each time.

use super::queue::{Arena, Place, Queue};
use super::{Capacity, Policy};
use crate::Access;

/// Uses counted at most: the counter has two bits.
const MAX_USES: u8 = 3;

/// The parameters of an [`S3Fifo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct S3FifoConfig {
    /// The small queue's share of the capacity, 0 to 100; main has the rest.
    pub small_percent: u8,
    /// Hits in the small queue that take an object to the main queue, 0 to 3.
    pub promote_at_hits: u8,
}

impl Default for S3FifoConfig {
    /// A small queue of 10 % and promotion after one hit. (The paper's
    /// pseudo-code asks for two hits; set `promote_at_hits` to 2 for that.)
    fn default() -> Self {
        Self {
            small_percent: 10,
            promote_at_hits: 1,
        }
    }
}

/// An S3-FIFO cache, exact to the entry.
///
/// The ghost queue remembers objects of as much weight as the main queue's share.
#[derive(Debug)]
pub struct S3Fifo {
    capacity: Capacity,
    promote_at_hits: u8,
    small_capacity: u64,
    main_capacity: u64,
    arena: Arena<State>,
    small: Queue,
    main: Queue,
    ghost: Queue,
}

#[derive(Debug)]
struct State {
    uses: u8,
    ghost: bool,
}

impl S3Fifo {
    /// An empty cache with the default parameters.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self::with_config(capacity, S3FifoConfig::default())
    }

    /// An empty cache with the given parameters; a share above 100 counts as 100.
    #[must_use]
    pub fn with_config(capacity: Capacity, config: S3FifoConfig) -> Self {
        let total = capacity.total();
        let small = u128::from(total) * u128::from(config.small_percent.min(100)) / 100;
        let small_capacity = u64::try_from(small).expect("a share of a u64 is a u64");
        Self {
            capacity,
            promote_at_hits: config.promote_at_hits,
            small_capacity: small_capacity.max(1),
            main_capacity: total - small_capacity,
            arena: Arena::new(),
            small: Queue::new(),
            main: Queue::new(),
            ghost: Queue::new(),
        }
    }

    fn evict(&mut self) {
        // The main queue may be empty while large objects fill the cache.
        if self.small.weight() >= self.small_capacity || self.main.oldest().is_none() {
            self.evict_from_small();
        } else {
            self.evict_from_main();
        }
    }

    fn evict_from_small(&mut self) {
        while let Some(oldest) = self.small.oldest() {
            self.small.unlink(&mut self.arena, oldest);
            if self.arena.entry(oldest).state.uses < self.promote_at_hits {
                self.remember(oldest);
                return;
            }
            self.arena.entry(oldest).state.uses = 0;
            self.main.push(&mut self.arena, oldest);
            while self.main.weight() > self.main_capacity {
                self.evict_from_main();
            }
        }
    }

    fn evict_from_main(&mut self) {
        while let Some(oldest) = self.main.oldest() {
            self.main.unlink(&mut self.arena, oldest);
            let state = &mut self.arena.entry(oldest).state;
            if state.uses == 0 {
                self.arena.drop_entry(oldest);
                return;
            }
            state.uses -= 1;
            self.main.push(&mut self.arena, oldest);
        }
    }

    fn remember(&mut self, place: Place) {
        self.arena.entry(place).state.ghost = true;
        self.ghost.push(&mut self.arena, place);
        while self.ghost.weight() > self.main_capacity {
            let Some(oldest) = self.ghost.oldest() else {
                break;
            };
            self.ghost.unlink(&mut self.arena, oldest);
            self.arena.drop_entry(oldest);
        }
    }
}

impl Policy for S3Fifo {
    fn access(&mut self, access: Access) -> bool {
        if let Some(place) = self.arena.find(access.key) {
            let state = &mut self.arena.entry(place).state;
            if !state.ghost {
                state.uses = MAX_USES.min(state.uses + 1);
                return true;
            }
        }
        let weight = self.capacity.weight_of(access);
        let Some(room) = self.capacity.total().checked_sub(weight) else {
            return false;
        };
        while self.small.weight() + self.main.weight() > room {
            self.evict();
        }
        // Looked up again: making room may have pushed the key out of the ghosts.
        let ghost = self.arena.find(access.key);
        if let Some(ghost) = ghost {
            self.ghost.unlink(&mut self.arena, ghost);
            self.arena.drop_entry(ghost);
        }
        let state = State {
            uses: 0,
            ghost: false,
        };
        let place = self.arena.add(access.key, weight, state);
        let queue = match ghost {
            Some(_) => &mut self.main,
            None => &mut self.small,
        };
        queue.push(&mut self.arena, place);
        false
    }
}
