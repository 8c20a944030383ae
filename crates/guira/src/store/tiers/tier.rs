//! One tier of a stack: a store, how long it keeps what, what becomes of its failures, and what it came to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::seam::{Life, Lives};
use crate::error::Error;
use crate::lifetime::Lifetime;
use crate::store::Store;

/// What becomes of the failures of a tier. They are counted either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnFailure {
    /// The stack goes on without the tier. A write is an error only if no tier took it; a removal is one if the tier
    /// could give the removed value later.
    #[default]
    Resilient,
    /// It is the caller's error, once the other tiers are in order.
    Strict,
}

/// What a tier came to in this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TierCounts {
    /// Reads that it answered.
    pub hits: u64,
    /// Reads that it was asked for and did not answer.
    pub misses: u64,
    /// Values that came up to it from below.
    pub promotions: u64,
    /// Values of it that were not given, because they were invalidated, or nobody could tell.
    pub refused: u64,
    /// Calls that failed.
    pub failures: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) promotions: AtomicU64,
    pub(super) refused: AtomicU64,
    failures: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(super) struct Tier<K: ?Sized, V> {
    pub(super) store: Box<dyn Store<K, V>>,
    /// Whether its values carry births, and are stored by seats.
    pub(super) is_dated: bool,
    pub(super) fraction: f64,
    pub(super) at_most: Option<Duration>,
    pub(super) on_failure: OnFailure,
    pub(super) takes_undated: bool,
    pub(super) tally: Tally,
}

impl<K: ?Sized, V> Tier<K, V> {
    pub(super) fn of(store: impl Store<K, V> + 'static) -> Self {
        Self {
            is_dated: store.arbiter().is_some(),
            store: Box::new(store),
            fraction: 1.0,
            at_most: None,
            on_failure: OnFailure::default(),
            takes_undated: false,
            tally: Tally::default(),
        }
    }

    /// How long what is put lives here.
    pub(super) fn asked(&self, lifetime: Lifetime) -> Lives {
        Lives::Asked(lifetime.part(self.fraction))
    }

    /// The same for a store that is told nothing else.
    pub(super) fn lifetime(&self, lifetime: Lifetime) -> Lifetime {
        let part = lifetime.part(self.fraction);
        self.at_most.map_or(part, |most| part.at_most(most))
    }

    /// How long what came from below lives here.
    pub(super) fn rest(&self, life: Life) -> Lives {
        Lives::Rest(life.part(self.fraction))
    }

    pub(super) fn failed(&self, error: &Error) {
        count(&self.tally.failures);
        tracing::debug!(%error, "a tier failed");
    }

    /// `result`, if it is to be the caller's; `None` for an error that is not.
    pub(super) fn settle<T>(&self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) => {
                self.failed(&error);
                if self.on_failure == OnFailure::Strict || error.is_of_the_caller() {
                    Err(error)
                } else {
                    Ok(None)
                }
            }
        }
    }

    pub(super) fn counts(&self) -> TierCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TierCounts {
            hits: read(&self.tally.hits),
            misses: read(&self.tally.misses),
            promotions: read(&self.tally.promotions),
            refused: read(&self.tally.refused),
            failures: read(&self.tally.failures),
        }
    }
}
