//! Values that live as long as they are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira::store::Decoded;
use guira::{Cache, Lifetime, Ttl};

use crate::kinds::guira_with_clock;

const MINUTE: Duration = Duration::from_secs(60);

/// Values that end four minutes after they were last read.
fn sliding() -> (Cache<u64, u64>, Arc<AtomicU64>) {
    let (guira, clock_ms) = guira_with_clock();
    let builder = guira.cache_builder::<u64, u64>("sliding");
    (builder.sliding(4 * MINUTE).open(), clock_ms)
}

fn pass_minute(clock_ms: &AtomicU64) {
    clock_ms.fetch_add(60_000, Ordering::Relaxed);
}

#[test]
fn a_read_does_not_make_fresh_what_was_expired() {
    let (cache, clock_ms) = sliding();
    cache.put(&1, &1, Lifetime::default()).expect("room");
    pass_minute(&clock_ms);
    pass_minute(&clock_ms);
    assert!(cache.expire(&1).expect("a key"));
    assert_eq!(cache.get(&1).expect("a key"), Some(1));
    assert!(cache.ttl(&1).expect("a key").is_some_and(Ttl::is_stale));
}

#[test]
fn a_read_leaves_a_soft_deadline_where_it_is() {
    let (cache, clock_ms) = sliding();
    let lifetime = Lifetime::default().stale_after(3 * MINUTE);
    cache.put(&1, &1, lifetime).expect("room");
    for _ in 0..3 {
        assert!(!cache.ttl(&1).expect("a key").is_some_and(Ttl::is_stale));
        pass_minute(&clock_ms);
        assert_eq!(cache.get(&1).expect("a key"), Some(1));
    }
    assert!(cache.ttl(&1).expect("a key").is_some_and(Ttl::is_stale));
    // And the hard one was moved: what is stale is gone four minutes after the last read that found it fresh.
    pass_minute(&clock_ms);
    pass_minute(&clock_ms);
    assert!(cache.contains(&1).expect("a key"));
    pass_minute(&clock_ms);
    assert!(!cache.contains(&1).expect("a key"));
}

#[test]
fn a_hit_of_a_decoded_value_is_a_read_too() {
    let (cache, clock_ms) = sliding();
    let decoded = Decoded::new(cache.clone(), 10);
    cache.put(&1, &1, Lifetime::default()).expect("room");
    for _ in 0..12 {
        pass_minute(&clock_ms);
        assert!(decoded.get_shared(&1).expect("a key").is_some());
    }
    for _ in 0..4 {
        pass_minute(&clock_ms);
    }
    assert!(decoded.get_shared(&1).expect("a key").is_none());
}
