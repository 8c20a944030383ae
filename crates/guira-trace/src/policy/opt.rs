//! OPT (Belady): the object whose next use is furthest away leaves first.

use std::collections::BinaryHeap;

use super::{Capacity, HitCount};
use crate::Access;
use crate::renumber::renumber;

/// Marks an object that is not used again.
const NEVER: usize = usize::MAX;

/// The optimum over a known trace, with bypass: an object need not be kept.
///
/// With [`Capacity::Entries`] no policy can hit more. With [`Capacity::Bytes`]
/// the furthest next use is a strong rule but not the optimum, which is not
/// computable in reasonable time: a policy may in rare cases do better.
///
/// Looks ahead once, in [`Opt::new`]; simulates any number of capacities then.
#[derive(Debug)]
pub struct Opt<'a> {
    accesses: &'a [Access],
    /// The key of each access, renumbered to index [`Residents::weights`].
    keys: Vec<usize>,
    distinct_keys: usize,
    /// Position of the next access to the same key, or [`NEVER`].
    next_uses: Vec<usize>,
}

impl<'a> Opt<'a> {
    /// Looks ahead over the accesses.
    #[must_use]
    pub fn new(accesses: &'a [Access]) -> Self {
        let (keys, distinct_keys) = renumber(accesses);
        let mut next_uses = vec![NEVER; accesses.len()];
        let mut upcoming = vec![NEVER; distinct_keys];
        for (position, &key) in keys.iter().enumerate().rev() {
            next_uses[position] = upcoming[key];
            upcoming[key] = position;
        }
        Self {
            accesses,
            keys,
            distinct_keys,
            next_uses,
        }
    }

    /// Plays all accesses on an empty cache of the given capacity.
    #[must_use]
    pub fn simulate(&self, capacity: Capacity) -> HitCount {
        let mut residents = Residents {
            keys: &self.keys,
            weights: vec![0; self.distinct_keys],
            room: capacity.total(),
            count: 0,
            by_next_use: BinaryHeap::new(),
        };
        let mut count = HitCount::default();
        for (position, access) in self.accesses.iter().enumerate() {
            let key = self.keys[position];
            let next_use = self.next_uses[position];
            // What is due now stands below all live heap items, so it is never a victim.
            let resident_weight = residents.remove(key);
            count.record(resident_weight.is_some());
            if next_use != NEVER {
                let weight = resident_weight.unwrap_or_else(|| capacity.weight_of(*access));
                residents.offer(key, weight, next_use);
            }
            residents.forget_past(position);
        }
        count
    }
}

/// The resident objects; only such as are used again.
struct Residents<'a> {
    keys: &'a [usize],
    /// By key; 0 is absent.
    weights: Vec<u64>,
    room: u64,
    count: usize,
    /// Next uses, furthest on top. A position names its key, and is in the past
    /// once that use has come.
    by_next_use: BinaryHeap<usize>,
}

impl Residents<'_> {
    fn remove(&mut self, key: usize) -> Option<u64> {
        let weight = std::mem::take(&mut self.weights[key]);
        self.room += weight;
        self.count -= usize::from(weight != 0);
        (weight != 0).then_some(weight)
    }

    /// Keeps the object if only objects used later must leave for it.
    fn offer(&mut self, key: usize, weight: u64, next_use: usize) {
        let mut freed = 0;
        let mut victims = Vec::new();
        while self.room + freed < weight {
            match self.by_next_use.peek() {
                Some(&furthest) if furthest > next_use => {
                    self.by_next_use.pop();
                    freed += self.weights[self.keys[furthest]];
                    victims.push(furthest);
                }
                _ => {
                    self.by_next_use.extend(victims);
                    return;
                }
            }
        }
        for victim in victims {
            self.remove(self.keys[victim]);
        }
        self.weights[key] = weight;
        self.room -= weight;
        self.count += 1;
        self.by_next_use.push(next_use);
    }

    /// Keeps the heap in proportion to the residents.
    fn forget_past(&mut self, position: usize) {
        if self.by_next_use.len() > 2 * self.count + 64 {
            self.by_next_use.retain(|&next_use| next_use > position);
        }
    }
}
