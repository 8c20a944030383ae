//! Computations that need their own key, or each other's, compute inline instead of waiting for ever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::time::{Duration, Instant};

use guira::{AsyncMemoized, Cache, FlightOptions, Guira, Memoized};

use crate::awaiting::block_on;
use crate::children::await_that;

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

#[test]
fn a_computation_may_hand_its_own_key_to_the_background_and_wait_for_it() {
    static SUMS: OnceLock<Memoized<u64, u64>> = OnceLock::new();
    static ASYNC_SUMS: OnceLock<AsyncMemoized<u64, u64>> = OnceLock::new();
    let guira = Guira::builder().size(8 << 20).private().expect("a segment");
    let (began, calls) = (Instant::now(), AtomicU64::new(0));
    let flights = FlightOptions::default().patience(PATIENCE);
    let sums = guira.memoize("sums").flights(flights).function(move |n: u64| {
        let is_outer = calls.fetch_add(1, Ordering::Relaxed) == 0;
        SUMS.get()
            .filter(|_| is_outer)
            .map_or(1, |sums| sums.bg(n).unwrap_or_default() + 1)
    });
    assert_eq!(SUMS.get_or_init(|| sums).get(1), 2);

    let calls = Arc::new(AtomicU64::new(0));
    let sums = guira
        .memoize("async sums")
        .flights(flights)
        .async_function(move |n: u64| {
            let is_outer = calls.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                match ASYNC_SUMS.get().filter(|_| is_outer) {
                    Some(sums) => sums.bg(n).await.unwrap_or_default() + 1,
                    None => 1,
                }
            }
        });
    assert_eq!(block_on(ASYNC_SUMS.get_or_init(|| sums).get(1)), 2);
    assert!(began.elapsed() < PATIENCE / 2);
}

#[test]
fn the_same_key_of_a_cache_of_the_same_name_in_another_segment_is_another() {
    let (near, far) = (sums(), sums());
    let (begun, beginning) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| {
            let ended = ended;
            far.get_or_compute(&1, || {
                begun.send(()).expect("the test listens");
                ended.recv().expect("the test tells")
            })
        });
        beginning.recv_timeout(PATIENCE).expect("it leads");
        let follower = scope.spawn(|| {
            near.get_or_compute(&1, || {
                far.get_or_compute(&1, || unreachable!("somebody computes it"))
                    .expect("no failure")
            })
        });
        await_that("the wait", || far.flight_stats().waits == 1);
        end.send(5).expect("it listens");
        for thread in [leader, follower] {
            assert_eq!(thread.join().expect("no panic").expect("no failure"), 5);
        }
    });
    assert_eq!(near.flight_stats().entangled + far.flight_stats().entangled, 0);
}
