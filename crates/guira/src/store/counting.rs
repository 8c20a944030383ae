//! Counting what is asked of a store.

use std::sync::atomic::{AtomicU64, Ordering};

use super::layer::{Around, Operation, Outcome};
use crate::error::Error;

/// A layer that counts. Clones of a store in an [`Arc`](std::sync::Arc) count together.
#[derive(Debug, Default)]
pub struct Counting {
    hits: AtomicU64,
    misses: AtomicU64,
    looks: AtomicU64,
    writes: AtomicU64,
    removes: AtomicU64,
    errors: AtomicU64,
}

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Reads that found a value.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Questions whether there is a value, and for how long, which are no reads.
    pub looks: u64,
    /// Puts, adds, replaces, touches and the like, whatever became of them.
    pub writes: u64,
    /// Removes, invalidations, clears and purges.
    pub removes: u64,
    /// Of all of these, those that failed. A read that failed is no miss.
    pub errors: u64,
}

impl Counts {
    /// Hits among the reads that did not fail, 0 to 1.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        let reads = self.hits + self.misses;
        if reads == 0 {
            0.0
        } else {
            self.hits as f64 / reads as f64
        }
    }
}

impl Counting {
    /// What was counted until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts_by(|counter| counter.load(Ordering::Relaxed))
    }

    /// What was counted until now, and begins anew. Nothing is lost between the two.
    pub fn reset(&self) -> Counts {
        self.counts_by(|counter| counter.swap(0, Ordering::Relaxed))
    }

    fn counts_by(&self, read: impl Fn(&AtomicU64) -> u64) -> Counts {
        Counts {
            hits: read(&self.hits),
            misses: read(&self.misses),
            looks: read(&self.looks),
            writes: read(&self.writes),
            removes: read(&self.removes),
            errors: read(&self.errors),
        }
    }
}

impl Around for Counting {
    fn around<T: Outcome>(
        &self,
        operation: Operation,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let result = call();
        let counter = match (&result, operation) {
            (_, Operation::Ttl) => &self.looks,
            (Ok(outcome), Operation::Get | Operation::GetTtl | Operation::GetMany) => {
                if outcome.is_hit() == Some(true) {
                    &self.hits
                } else {
                    &self.misses
                }
            }
            (Err(_), Operation::Get | Operation::GetTtl | Operation::GetMany) => &self.errors,
            (
                _,
                Operation::Remove
                | Operation::RemoveMany
                | Operation::Invalidate
                | Operation::Clear
                | Operation::Purge,
            ) => &self.removes,
            _ => &self.writes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if result.is_err() && !std::ptr::eq(counter, &self.errors) {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}
