//! Counting.

use guira::{Lifetime, Ttl};
use std::sync::atomic::Ordering;

use crate::kinds::{SECOND, guira_with_clock};

#[test]
fn counters_count_with_and_without_an_initial_value() {
    let (guira, _clock) = guira_with_clock();
    let counters = guira.counters::<str>("c");
    let count = |delta, initial| counters.increment("a", delta, initial, Lifetime::never());
    assert_eq!(count(1, None).expect("no error"), None);
    assert_eq!(count(1, Some(10)).expect("room"), Some(10));
    assert_eq!(count(5, Some(10)).expect("room"), Some(15));
    assert_eq!(count(-20, None).expect("room"), Some(-5));
    assert_eq!(
        counters.decrement("a", 5, None, Lifetime::never()).expect("room"),
        Some(-10)
    );
    assert_eq!(counters.get("a").expect("no error"), Some(-10));
    counters.put("a", &i64::MAX, Lifetime::never()).expect("room");
    assert!(count(1, None).is_err());
    assert_eq!(counters.get("a").expect("no error"), Some(i64::MAX));
}

#[test]
fn counting_does_not_change_how_long_a_counter_lives() {
    let (guira, clock_ms) = guira_with_clock();
    let counters = guira.counters::<str>("c");
    for _ in 0..9 {
        counters.increment("a", 1, Some(1), 10 * SECOND).expect("room");
        clock_ms.fetch_add(1_000, Ordering::Relaxed);
    }
    assert_eq!(counters.ttl("a").expect("no error"), Some(Ttl::Fresh(SECOND)));
    assert_eq!(counters.get("a").expect("no error"), Some(9));
    clock_ms.fetch_add(1_000, Ordering::Relaxed);
    assert_eq!(counters.get("a").expect("no error"), None);
    let begun = counters.increment("a", 1, Some(1), 10 * SECOND).expect("room");
    assert_eq!(begun, Some(1));
}

#[test]
fn threads_lose_no_count() {
    let (guira, _clock) = guira_with_clock();
    let counters = guira.counters::<str>("c");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    counters
                        .increment("a", 1, Some(1), Lifetime::never())
                        .expect("room");
                }
            });
        }
    });
    assert_eq!(counters.get("a").expect("no error"), Some(8_000));
}
