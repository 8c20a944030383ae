//! One computation for the whole stack.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use guira::store::{Counting, Layered, Null, Tiers};
use guira::{FlightOptions, Guira, Lifetime, PutOptions, Store, Ttl};

use super::{Two, Words, get, key, put};
use crate::awaiting::block_on;
use crate::kinds::{SECOND, guira_with_clock};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[test]
fn what_is_below_is_not_computed_and_what_is_computed_is_in_all_tiers() {
    let two = Two::new();
    let stack = two.stack();
    let options = PutOptions::from(Duration::from_secs(10)).tags(&[b"tag"]);
    let compute = |value: &str| {
        let computed = stack.get_or_compute_with(&key("a"), options, || key(value));
        computed.expect("no error")
    };
    assert_eq!(compute("1"), "1");
    let ttl = Ttl::Fresh(10 * SECOND);
    assert_eq!(
        (two.near("a"), two.far("a")),
        (Some((key("1"), ttl)), Some((key("1"), ttl)))
    );
    two.pass(4 * SECOND);
    two.evict("a");
    assert_eq!(compute("2"), "1");
    assert_eq!(
        two.near("a"),
        Some((key("1"), Ttl::Fresh(6 * SECOND))),
        "for the rest of its life"
    );
    two.near.invalidate_tag(b"tag").expect("no error");
    assert_eq!(compute("3"), "3", "its tags came up too");
    two.near.invalidate("a").expect("no error");
    assert_eq!(compute("4"), "4", "what is void below is not asked for");
    assert_eq!(two.far("a"), Some((key("4"), ttl)));
    let stats = stack
        .flight_stats(&key("a"))
        .expect("no error")
        .expect("it has a segment");
    assert_eq!(stats.computations, 3);
}

#[test]
fn of_many_threads_one_asks_the_lower_tier_and_one_computes() {
    let two = Two::new();
    let far = Arc::new(Layered::new(two.far.clone(), Counting::default()));
    let stack = Tiers::new().then(two.near.clone()).then(Arc::clone(&far));
    let computed = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let value = stack.get_or_compute(&key("a"), || {
                    computed.fetch_add(1, Ordering::Relaxed);
                    key("1")
                });
                assert_eq!(value.expect("no error"), "1");
            });
        }
    });
    assert_eq!(computed.load(Ordering::Relaxed), 1);
    assert_eq!(far.layer().counts().misses, 1, "{:?}", far.layer().counts());
    two.evict("a");
    far.layer().reset();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let value = stack.get_or_compute(&key("a"), || unreachable!("it is below"));
                assert_eq!(value.expect("no error"), "1");
            });
        }
    });
    assert_eq!(far.layer().counts().hits, 1, "{:?}", far.layer().counts());
}

#[test]
fn a_stale_value_is_refreshed_from_below_or_computed_and_given_if_that_fails() {
    let two = Two::new();
    let stack = Tiers::new()
        .then(two.near.clone())
        .fraction(0.1)
        .then(two.far.clone());
    put(
        &stack,
        "a",
        "1",
        Lifetime::after(100 * SECOND).stale_after(50 * SECOND),
    );
    two.pass(6 * SECOND);
    assert!(two.near("a").is_some_and(|(_, ttl)| ttl.is_stale()));
    let value = stack.get_or_compute(&key("a"), || unreachable!("it is fresh below"));
    assert_eq!(value.expect("no error"), "1");
    assert!(two.near("a").is_some_and(|(_, ttl)| !ttl.is_stale()));
    two.pass(54 * SECOND);
    assert_eq!(two.near("a"), None, "only below, and stale");
    let failing = || -> Result<String, AnyError> { Err("the source is away".into()) };
    assert_eq!(
        stack
            .try_get_or_compute(&key("a"), failing)
            .expect("the stale one"),
        "1"
    );
    assert!(stack.try_get_or_compute(&key("b"), failing).is_err());
    let value = stack.try_get_or_compute(&key("a"), || Ok::<_, AnyError>(key("2")));
    assert_eq!(value.expect("no error"), "2");
    assert_eq!(two.far("a").map(|(value, _)| value), Some(key("2")));
}

#[test]
fn what_a_computation_declares_is_declared_in_all_tiers() {
    let two = Two::new();
    let stack = two.stack();
    let value = stack.get_or_compute(&key("a"), || {
        guira::depends_on("user:7");
        key("1")
    });
    assert_eq!(value.expect("no error"), "1");
    two.evict("a");
    two.guira.dependency("user:7").invalidate();
    assert_eq!(get(&stack, "a"), None);
}

#[test]
fn a_guarded_key_is_kept_in_no_tier() {
    let two = Two::new();
    let stack = two.stack();
    let guard = two.near.write_guard("a", Duration::from_secs(60)).expect("room");
    assert_eq!(
        stack.get_or_compute(&key("a"), || key("1")).expect("no error"),
        "1"
    );
    assert_eq!((two.near("a"), two.far("a")), (None, None));
    guard.finish();
    assert_eq!(
        stack.get_or_compute(&key("a"), || key("2")).expect("no error"),
        "2"
    );
    assert!(two.far("a").is_some());
}

#[test]
fn a_value_that_cannot_be_stored_above_goes_to_who_waits_all_the_same() {
    let (guira, _clock) = guira_with_clock();
    let disk = Guira::builder().size(64 << 20).private().expect("it is small");
    let stack = Tiers::new()
        .then(guira.cache::<String, String>("words"))
        .then(disk.cache::<String, String>("words"));
    let large = "x".repeat(guira.segment().max_value_bytes() + 1);
    let computed = AtomicU32::new(0);
    let compute = || {
        computed.fetch_add(1, Ordering::Relaxed);
        large.clone()
    };
    for _ in 0..3 {
        assert_eq!(
            stack.get_or_compute(&key("a"), compute).expect("no error").len(),
            large.len()
        );
    }
    assert_eq!(computed.load(Ordering::Relaxed), 1);
}

#[test]
fn tiers_over_the_arbiter_get_what_it_has() {
    let two = Two::new();
    let (above, _clock) = guira_with_clock();
    // One of which the stack knows nothing but that it is a store.
    let plain: Words = above.cache("words");
    let top = Tiers::new().then(plain.clone());
    let stack = Tiers::new()
        .then(top)
        .at_most(SECOND)
        .then(two.near.clone())
        .then(two.far.clone());
    assert_eq!(
        stack.get_or_compute(&key("a"), || key("1")).expect("no error"),
        "1"
    );
    assert_eq!(
        stack
            .get_or_compute(&key("a"), || unreachable!("it is there"))
            .expect("no error"),
        "1"
    );
    let ttl = plain.ttl("a").expect("no error");
    assert_eq!(ttl, Some(Ttl::Fresh(SECOND)), "for as long as it may be wrong");
    stack.invalidate(&key("a")).expect("no error");
    assert_eq!(plain.get("a").expect("no error"), None);
    put(&stack, "a", "2", Lifetime::never());
    assert_eq!(get(&stack, "a"), Some(key("2")));
    put(&stack, "a", "3", Lifetime::never());
    assert_eq!(get(&stack, "a"), Some(key("3")), "forgotten above");
}

#[test]
fn a_lower_tier_without_births_is_filled_and_told_of_invalidations() {
    let two = Two::new();
    let (below, _clock) = guira_with_clock();
    let plain: Words = below.cache("words");
    let stack = Tiers::new()
        .then(two.near.clone())
        .then(Null)
        .then(Tiers::new().then(plain.clone()));
    assert_eq!(
        stack.get_or_compute(&key("a"), || key("1")).expect("no error"),
        "1"
    );
    assert_eq!(plain.get("a").expect("no error"), Some(key("1")));
    two.evict("a");
    assert_eq!(get(&stack, "a"), Some(key("1")));
    let computed = stack.get_or_compute(&key("b"), || {
        stack.invalidate(&key("b")).expect("no error");
        key("old")
    });
    assert_eq!(computed.expect("no error"), "old");
    assert_eq!(plain.get("b").expect("no error"), None);
}

#[test]
fn a_task_computes_for_the_whole_stack() {
    let two = Two::new();
    let stack = two.stack();
    let value = block_on(stack.get_or_compute_async(&key("a"), || async { key("1") }));
    assert_eq!(value.expect("no error"), "1");
    assert_eq!(two.far("a").map(|(value, _)| value), Some(key("1")));
    two.evict("a");
    let value = block_on(stack.get_or_compute_async(&key("a"), || async { unreachable!("it is below") }));
    assert_eq!(value.expect("no error"), "1");
    let failing = || async { Err::<String, AnyError>("the source is away".into()) };
    assert!(block_on(stack.try_get_or_compute_async(&key("b"), failing)).is_err());
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    drop(is_send(
        stack.get_or_compute_async(&key("a"), || async { key("2") }),
    ));
}

#[test]
fn the_arbiters_settings_of_flights_are_the_stacks() {
    let two = Two::new();
    let near = two
        .guira
        .cache_builder::<String, String>("words")
        .flights(FlightOptions::default().stale_on_error(false))
        .build()
        .expect("the name is good");
    let stack = Tiers::new().then(near).then(two.far.clone());
    put(
        &stack,
        "a",
        "1",
        Lifetime::after(100 * SECOND).stale_after(SECOND),
    );
    two.pass(SECOND);
    let failing = || -> Result<String, AnyError> { Err("the source is away".into()) };
    assert!(stack.try_get_or_compute(&key("a"), failing).is_err());
}
