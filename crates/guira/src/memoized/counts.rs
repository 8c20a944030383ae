//! Hits and misses of one memoized function, counted by all threads without one waiting for another's cache line.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 16;

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard {
    pub(super) hits: AtomicU64,
    pub(super) stale_hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) unmemoized: AtomicU64,
    pub(super) key_failures: AtomicU64,
    pub(super) refreshes_left_out: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    shards: [Shard; SHARDS],
}

impl Counts {
    /// This thread's.
    #[inline]
    pub(super) fn mine(&self) -> &Shard {
        let mut shard = SHARD.get();
        if shard == usize::MAX {
            shard = NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS;
            SHARD.set(shard);
        }
        let [first, ..] = &self.shards;
        self.shards.get(shard).unwrap_or(first)
    }

    pub(super) fn sum(&self, of: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards
            .iter()
            .map(|shard| of(shard).load(Ordering::Relaxed))
            .sum()
    }
}

#[inline]
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
