//! Stacks of tiers: what each tier has after which call, who is asked, and that nothing old comes up.

mod failures;
mod files;
mod flights;
mod freshness;
mod interleavings;
mod reads;
mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira::store::Tiers;
use guira::{Cache, Guira, Lifetime, Store, Ttl};

use crate::kinds::{guira_of_clock, guira_with_clock, options};

pub(super) type Words = Cache<String, String>;

pub(super) fn key(text: &str) -> String {
    text.to_owned()
}

/// Two caches on two segments, and the stack of them.
pub(super) struct Two {
    pub(super) guira: Guira,
    pub(super) near: Words,
    pub(super) far: Words,
    clock_ms: Arc<AtomicU64>,
}

impl Two {
    pub(super) fn new() -> Self {
        let (guira, clock_ms) = guira_with_clock();
        let below = guira_of_clock(&clock_ms);
        Self {
            near: guira.cache("words"),
            far: below.cache("words"),
            guira,
            clock_ms,
        }
    }

    pub(super) fn stack(&self) -> Tiers<String, String> {
        Tiers::new().then(self.near.clone()).then(self.far.clone())
    }

    pub(super) fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).expect("short");
        self.clock_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// As if the near segment needed the room.
    pub(super) fn evict(&self, text: &str) {
        self.near.remove(text).expect("no error");
    }

    pub(super) fn near(&self, text: &str) -> Option<(String, Ttl)> {
        self.near.get_ttl(text).expect("no error")
    }

    pub(super) fn far(&self, text: &str) -> Option<(String, Ttl)> {
        self.far.get_ttl(text).expect("no error")
    }
}

pub(super) fn put(
    store: &impl Store<String, String>,
    text: &str,
    value: &str,
    lifetime: impl Into<Lifetime>,
) {
    store
        .put(&key(text), &key(value), &options(lifetime))
        .expect("room");
}

pub(super) fn get(store: &impl Store<String, String>, text: &str) -> Option<String> {
    store.get(&key(text)).expect("no error")
}
