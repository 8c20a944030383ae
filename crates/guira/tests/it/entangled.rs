//! Computations that need their own key, or each other's, compute inline instead of waiting for ever.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use guira::{Cache, FlightOptions, Guira};

/// Far above what these tests take, far below for ever.
const PATIENCE: Duration = Duration::from_secs(50);

fn sums() -> Cache<u64, u64> {
    Guira::builder()
        .size(8 << 20)
        .private()
        .expect("a segment")
        .cache_builder("sums")
        .flights(FlightOptions::default().patience(PATIENCE))
        .open()
}

#[test]
fn a_computation_may_ask_for_smaller_ones() {
    fn sum(cache: &Cache<u64, u64>, n: u64) -> u64 {
        let value = cache.get_or_compute(&n, || if n == 0 { 0 } else { n + sum(cache, n - 1) });
        value.expect("no failure")
    }
    let cache = sums();
    assert_eq!(sum(&cache, 100), 5_050);
    assert_eq!(cache.flight_stats().computations, 101);
    assert_eq!(cache.flight_stats().entangled, 0);
}

#[test]
fn a_computation_that_asks_for_its_own_key_computes_it_inline() {
    let cache = sums();
    let value = cache.get_or_compute(&1, || {
        let inner = cache.get_or_compute(&1, || 20).expect("no failure");
        inner + 1
    });
    // The inner value was stored first; what the outer one computed is not stored over it.
    assert_eq!(value.expect("no failure"), 21);
    assert_eq!(cache.get(&1).expect("a key"), Some(20));
    assert_eq!(cache.flight_stats().entangled, 1);
}

#[test]
fn threads_whose_computations_need_each_other_in_a_circle_all_end() {
    const THREADS: u64 = 4;
    let cache = sums();
    let barrier = Barrier::new(THREADS as usize);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for n in 0..THREADS {
            let (cache, barrier) = (&cache, &barrier);
            scope.spawn(move || {
                let value = cache.get_or_compute(&n, || {
                    barrier.wait();
                    let next = (n + 1) % THREADS;
                    10 + cache.get_or_compute(&next, || 1).expect("no failure")
                });
                assert!(value.expect("no failure") > 10);
            });
        }
    });
    assert!(began.elapsed() < PATIENCE / 2);
    assert!(cache.flight_stats().entangled >= 1);
}
