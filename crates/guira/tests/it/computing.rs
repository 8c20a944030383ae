//! Computing in threads of one process: what callers get, and what is stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use guira::{Cache, Error, FailureKind, FlightOptions, Guira, Lifetime, PutOptions, Ttl};
use guira_segment::{Clock, Segment};

use crate::children::await_that;
use crate::kinds::guira_with_clock;

type AnyError = Box<dyn std::error::Error + Send + Sync>;
type Outcome = Result<u64, String>;

const MINUTE: Duration = Duration::from_secs(60);

fn private() -> Guira {
    Guira::builder().size(8 << 20).private().expect("a segment")
}

/// A cache of squares whose clock the test moves.
fn timed(flights: FlightOptions) -> (Cache<u64, u64>, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(315_360_000_003));
    let segment = Segment::builder()
        .size(8 << 20)
        .clock(Clock::manual(Arc::clone(&time)))
        .private()
        .expect("a segment");
    let cache = Guira::of_segment(segment)
        .cache_builder("squares")
        .lifetime(Lifetime::after(2 * MINUTE).stale_after(MINUTE))
        .flights(flights)
        .open();
    (cache, time)
}

fn pass(time: &AtomicU64, passed: Duration) {
    let ms = u64::try_from(passed.as_millis()).expect("not long");
    time.fetch_add(ms, Ordering::Relaxed);
}

/// Leads the computation of `key` on a thread, until told what it comes to; returns when it computes.
fn lead(
    cache: &Cache<u64, u64>,
    key: u64,
) -> (
    mpsc::Sender<Outcome>,
    std::thread::JoinHandle<Result<u64, AnyError>>,
) {
    let (outcome, outcomes) = mpsc::channel::<Outcome>();
    let (begun, beginning) = mpsc::channel();
    let cache = cache.clone();
    let leader = std::thread::spawn(move || {
        cache.try_get_or_compute(&key, || {
            begun.send(()).expect("the test listens");
            outcomes.recv().expect("the test tells").map_err(AnyError::from)
        })
    });
    beginning.recv_timeout(MINUTE).expect("it leads");
    (outcome, leader)
}

#[test]
fn an_error_is_not_stored_and_the_next_caller_computes() {
    let cache = private().cache::<u64, u64>("squares");
    let failed: Result<u64, AnyError> = cache.try_get_or_compute(&7, || Err("no".into()));
    assert_eq!(failed.expect_err("it failed").to_string(), "no");
    assert_eq!(cache.get(&7).expect("a key"), None);
    assert_eq!(cache.get_or_compute(&7, || 49).expect("a key"), 49);
    let stats = cache.flight_stats();
    assert_eq!((stats.computations, stats.failures), (1, 1));
    assert_eq!(stats.computing.count, 2);
}

#[test]
fn a_stored_none_is_a_value() {
    let cache = private().cache::<u64, Option<u64>>("roots");
    assert_eq!(cache.get_or_compute(&2, || None).expect("a key"), None);
    assert_eq!(
        cache
            .get_or_compute(&2, || unreachable!("it is there"))
            .expect("a key"),
        None
    );
}

#[test]
fn a_panic_releases_the_flight_and_reaches_the_caller() {
    let cache = private().cache::<u64, u64>("squares");
    let panicking = cache.clone();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        panicking.get_or_compute(&7, || panic!("no plums"))
    }));
    assert!(panic.is_err());
    assert_eq!(cache.get_or_compute(&7, || 49).expect("a key"), 49);
    assert_eq!(cache.guira().stats().flights, 0);
}

#[test]
fn a_waiter_is_told_the_leaders_error() {
    let cache = private().cache::<u64, u64>("squares");
    let (outcome, leader) = lead(&cache, 7);
    let waiting = cache.clone();
    let waiter = std::thread::spawn(move || waiting.get_or_compute(&7, || 49));
    await_that("the waiter", || cache.guira().stats().flights_waited > 0);
    outcome.send(Err("no plums".to_owned())).expect("it listens");
    assert!(leader.join().expect("no panic").is_err());
    let Err(Error::Failure(failure)) = waiter.join().expect("no panic") else {
        panic!("a value from nowhere")
    };
    assert_eq!((failure.kind(), failure.text()), (FailureKind::Error, "no plums"));
    assert_eq!(cache.flight_stats().told_failures, 1);
    assert_eq!(cache.get_or_compute(&7, || 49).expect("a key"), 49);
}

#[test]
fn who_has_waited_for_the_load_timeout_is_told_so_and_the_computation_goes_on() {
    let flights = FlightOptions::default().load_timeout(Duration::from_millis(20));
    let cache = private()
        .cache_builder::<u64, u64>("squares")
        .flights(flights)
        .open();
    let (outcome, leader) = lead(&cache, 7);
    let Err(Error::Failure(failure)) = cache.get_or_compute(&7, || 1) else {
        panic!("it computed although another does")
    };
    assert_eq!(failure.kind(), FailureKind::TimedOut);
    outcome.send(Ok(49)).expect("it listens");
    assert_eq!(leader.join().expect("no panic").expect("no error"), 49);
    assert_eq!(cache.get(&7).expect("a key"), Some(49));
}

#[test]
fn while_one_refreshes_a_stale_value_the_others_have_it() {
    let (cache, time) = timed(FlightOptions::default());
    assert_eq!(cache.get_or_compute(&7, || 49).expect("a key"), 49);
    pass(&time, MINUTE);
    let (outcome, leader) = lead(&cache, 7);
    assert_eq!(cache.get_or_compute(&7, || 1).expect("a key"), 49);
    outcome.send(Ok(50)).expect("it listens");
    assert_eq!(leader.join().expect("no panic").expect("no error"), 50);
    assert_eq!(cache.get_or_compute(&7, || 1).expect("a key"), 50);
}

#[test]
fn a_soft_wait_gives_the_fresh_value_if_it_comes_in_time() {
    let (cache, time) = timed(FlightOptions::default().soft_wait(MINUTE));
    assert_eq!(cache.get_or_compute(&7, || 49).expect("a key"), 49);
    pass(&time, MINUTE);
    let (outcome, leader) = lead(&cache, 7);
    let waiting = cache.clone();
    let waiter = std::thread::spawn(move || waiting.get_or_compute(&7, || 1));
    await_that("the waiter", || cache.guira().stats().flights_waited > 0);
    outcome.send(Ok(50)).expect("it listens");
    assert_eq!(leader.join().expect("no panic").expect("no error"), 50);
    assert_eq!(waiter.join().expect("no panic").expect("a key"), 50);
}

#[test]
fn a_stale_value_hides_failures_until_its_end_and_refreshes_back_off() {
    let (cache, time) = timed(FlightOptions::default().back_off(Duration::from_secs(10)));
    let calls = AtomicU64::new(0);
    let fail = || -> Result<u64, AnyError> {
        calls.fetch_add(1, Ordering::Relaxed);
        Err("the backend is down".into())
    };
    assert_eq!(cache.get_or_compute(&7, || 49).expect("a key"), 49);
    pass(&time, MINUTE);
    for _ in 0..5 {
        assert_eq!(cache.try_get_or_compute(&7, fail).expect("the stale value"), 49);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    pass(&time, Duration::from_secs(10));
    assert_eq!(cache.try_get_or_compute(&7, fail).expect("the stale value"), 49);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(cache.flight_stats().stale_on_error, 2);
    pass(&time, MINUTE);
    assert!(cache.try_get_or_compute(&7, fail).is_err());
}

#[test]
fn a_value_that_was_invalidated_while_it_was_computed_is_returned_and_not_stored() {
    let cache = private().cache::<u64, u64>("squares");
    let value = cache.get_or_compute(&7, || {
        cache.segment().expect("a row").clear();
        49
    });
    assert_eq!(value.expect("a key"), 49);
    assert_eq!(cache.get(&7).expect("a key"), None);
    assert_eq!(cache.flight_stats().superseded, 1);
}

#[test]
fn a_value_of_another_schema_is_computed_anew_and_replaced() {
    let guira = private();
    let old = guira.cache_builder::<u64, u64>("squares").schema(1).open();
    old.put(&7, &1, MINUTE).expect("room");
    let new = guira.cache_builder::<u64, u64>("squares").schema(2).open();
    assert_eq!(new.get_or_compute(&7, || 49).expect("a key"), 49);
    assert_eq!(new.get(&7).expect("a key"), Some(49));
    assert_eq!(old.get(&7).expect("a key"), None);
}

#[test]
fn a_computed_value_has_the_lifetime_and_the_tags_it_is_given() {
    let cache = private().cache::<u64, u64>("squares");
    let options = PutOptions::default().lifetime(MINUTE).tags(&[b"seven"]);
    let value = cache.get_or_compute_with(&7, options, || 49);
    assert_eq!(value.expect("a key"), 49);
    let segment = cache.segment().expect("a row");
    let key = cache.key_bytes(&7).expect("a key");
    assert!(segment.ttl(&key).flatten().is_some_and(|ttl| ttl <= MINUTE));
    segment.invalidate_tag(b"seven");
    assert_eq!(cache.get(&7).expect("a key"), None);
}

#[test]
fn in_the_time_of_grace_a_value_is_given_only_if_no_new_one_is_to_be_had() {
    let (cache, time) = timed(
        FlightOptions::default()
            .grace(10 * MINUTE)
            .back_off(Duration::ZERO),
    );
    let fail = || -> Result<u64, AnyError> { Err("the backend is down".into()) };
    assert_eq!(cache.get_or_compute(&7, || 49).expect("a key"), 49);
    pass(&time, 3 * MINUTE);
    assert_eq!(cache.try_get_or_compute(&7, fail).expect("the old value"), 49);
    // Others wait for the one who computes, for what there is is past its life.
    let (outcome, leader) = lead(&cache, 7);
    let waiting = cache.clone();
    let waiter = std::thread::spawn(move || waiting.get_or_compute(&7, || 1));
    await_that("the waiter", || cache.guira().stats().flights_waited > 0);
    outcome.send(Ok(50)).expect("it listens");
    assert_eq!(leader.join().expect("no panic").expect("no error"), 50);
    assert_eq!(waiter.join().expect("no panic").expect("a key"), 50);
    pass(&time, 12 * MINUTE);
    assert!(cache.try_get_or_compute(&7, fail).is_err());
}

#[test]
fn what_was_put_has_its_time_of_grace_after_its_life_and_not_within() {
    let (cache, time) = timed(FlightOptions::default().grace(10 * MINUTE));
    let life = Lifetime::after(5 * MINUTE).stale_after(MINUTE);
    cache.put(&7, &49, life).expect("room");
    pass(&time, 2 * MINUTE);
    // Stale, but alive: given at once while somebody computes.
    let (outcome, leader) = lead(&cache, 7);
    assert_eq!(cache.get_or_compute(&7, || 1).expect("a key"), 49);
    outcome.send(Ok(50)).expect("it listens");
    assert_eq!(leader.join().expect("no panic").expect("no error"), 50);

    cache.put(&8, &64, life).expect("room");
    pass(&time, 6 * MINUTE);
    let fail = || -> Result<u64, AnyError> { Err("the backend is down".into()) };
    assert_eq!(cache.try_get_or_compute(&8, fail).expect("the old value"), 64);
    pass(&time, 10 * MINUTE);
    assert!(cache.try_get_or_compute(&8, fail).is_err());
}

#[test]
fn who_waits_for_what_nobody_can_be_told_computes_at_once_and_not_in_a_row() {
    const WAITERS: u64 = 4;
    let cache = private().cache::<u64, Vec<u8>>("large");
    let too_large = cache.segment().expect("a row").max_value_bytes() + 1;
    let calls = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..=WAITERS {
            scope.spawn(|| {
                let value = cache.get_or_compute(&1, || {
                    if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                        await_that("the waiters", || cache.flight_stats().waits == WAITERS);
                    } else {
                        let are_all_here = || calls.load(Ordering::SeqCst) == 1 + WAITERS;
                        await_that("the others' computations", are_all_here);
                    }
                    vec![0; too_large]
                });
                assert_eq!(value.expect("no failure").len(), too_large);
            });
        }
    });
}

#[test]
fn a_value_with_a_wrong_lifetime_is_told_to_those_who_wait() {
    let cache = private().cache::<u64, u64>("late");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let over = Lifetime::until(std::time::UNIX_EPOCH);
                let value = cache.get_or_compute_with(&1, over, || {
                    await_that("the waiters", || cache.flight_stats().waits == 3);
                    7
                });
                assert_eq!(value.expect("no failure"), 7);
            });
        }
    });
    let stats = cache.flight_stats();
    assert_eq!((stats.computations, stats.not_stored), (1, 1));
}

#[test]
fn a_value_may_be_due_for_a_refresh_from_the_beginning() {
    let (cache, time) = timed(FlightOptions::default().refresh_early(f64::INFINITY));
    assert_eq!(cache.get_or_compute(&1, || 1).expect("no failure"), 1);
    pass(&time, Duration::from_millis(1));
    assert!(cache.ttl(&1).expect("a key").is_some_and(Ttl::is_stale));
}

#[test]
fn what_took_long_is_due_long_before_its_end_and_its_cost_is_kept() {
    const COST: Duration = Duration::from_millis(20);
    let (guira, _clock) = guira_with_clock();
    let lifetime = Duration::from_secs(1_000);
    let compute = || {
        let end = Instant::now() + COST;
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        7
    };
    let early = guira
        .cache_builder::<u64, u64>("early")
        .lifetime(lifetime)
        .flights(FlightOptions::default().refresh_early(1_000.0))
        .build()
        .expect("name");
    let due_in = |key| {
        early
            .metadata(&key)
            .expect("a key")
            .expect("kept")
            .soft_ttl
            .expect("due")
    };
    for key in 0..8 {
        assert_eq!(early.get_or_compute(&key, compute).expect("a key"), 7);
        assert_eq!(early.get(&key).expect("a key"), Some(7));
        let cost = early.cost(&key).expect("a key").expect("stored");
        assert!(cost >= COST, "{cost:?}");
        let latest = lifetime - cost * 1_000 + Duration::from_millis(2);
        assert!(
            due_in(key) <= latest.max(Duration::from_millis(1)),
            "{:?}",
            due_in(key)
        );
    }
    assert!((1..8).any(|key| due_in(key) != due_in(0)), "all draws are alike");

    let plain = guira.cache::<u64, u64>("plain");
    plain.get_or_compute_with(&1, lifetime, compute).expect("a key");
    assert_eq!(plain.cost(&1).expect("a key"), None);
    assert_eq!(plain.metadata(&1).expect("a key").expect("kept").soft_ttl, None);
}
