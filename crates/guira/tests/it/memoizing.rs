//! Memoized functions and closures, without the macro.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use guira::{Error, Failure, FailureKind, FlightOptions, Guira, Lifetime, Memoized};
use guira_segment::{Clock, Segment};

use crate::children::await_that;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn private() -> Guira {
    Guira::builder().size(8 << 20).private().expect("a segment")
}

/// A cache whose clock the test moves.
fn timed() -> (Guira, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(315_360_000_003));
    let segment = Segment::builder()
        .size(8 << 20)
        .clock(Clock::manual(Arc::clone(&time)))
        .private()
        .expect("a segment");
    (Guira::of_segment(segment), time)
}

fn pass(time: &AtomicU64, passed: Duration) {
    let ms = u64::try_from(passed.as_millis()).expect("not long");
    time.fetch_add(ms, Ordering::Relaxed);
}

#[derive(Debug, PartialEq)]
pub(crate) enum Refused {
    Own(u64),
    Elsewhere(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused: {self:?}")
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Elsewhere(failure.text().to_owned())
    }
}

/// Numbers each call of the function; the value is the number.
fn counted(guira: &Guira) -> (Memoized<u64, u64>, Arc<AtomicU64>) {
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    let counted = guira
        .memoize("counted")
        .ttl(2 * MINUTE)
        .refresh_after(MINUTE)
        .function(move |_: u64| counter.fetch_add(1, Ordering::Relaxed) + 1);
    (counted, calls)
}

#[test]
fn a_function_is_called_once_for_each_key() {
    let (counted, calls) = counted(&private());
    assert_eq!((counted.get(7), counted.get(7), counted.get(8)), (1, 1, 2));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    let stats = counted.stats();
    assert_eq!((stats.hits, stats.misses, stats.flights.computations), (1, 2, 2));
    assert_eq!(stats.hit_ratio(), Some(1.0 / 3.0));
}

#[test]
fn companions_see_and_change_what_is_kept() {
    let (counted, calls) = counted(&private());
    assert_eq!(counted.peek(&7).expect("a key"), None);
    assert!(!counted.contains(&7).expect("a key"));
    assert_eq!(counted.get(7), 1);
    assert_eq!(counted.peek(&7).expect("a key"), Some(1));
    let (value, ttl) = counted.get_ttl(&7).expect("a key").expect("it is kept");
    assert!(
        value == 1 && ttl.seconds() <= 60.0 && ttl.seconds() > 50.0,
        "{ttl:?}"
    );
    assert_eq!(counted.refresh(7), Ok(2));
    assert_eq!(counted.get(7), 2);
    assert_eq!(counted.uncached(7), Ok(3));
    assert_eq!(counted.get(7), 2);
    counted.put(&7, 100).expect("room");
    assert_eq!(counted.get(7), 100);
    assert_eq!(counted.replace(&7, 101).expect("room"), guira::Replace::Stored);
    assert_eq!(counted.replace(&9, 1).expect("room"), guira::Replace::NotFound);
    assert_eq!(counted.get(7), 101);
    assert!(counted.invalidate(&7).expect("a key"));
    assert_eq!(counted.get(7), 4);
    assert!(counted.expire(&7).expect("a key"));
    assert!(counted.get_ttl(&7).expect("a key").expect("kept").1.is_stale());
    counted.clear().expect("a row");
    assert_eq!(counted.peek(&7).expect("a key"), None);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    // What the arguments are, in whatever type.
    assert_eq!(
        &*counted.key(&7_u8).expect("a key"),
        &*counted.key(&7_u64).expect("a key")
    );
}

#[test]
fn a_stale_value_is_given_at_once_and_refreshed_in_the_background_once() {
    let (guira, time) = timed();
    let (begun, beginning) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let released = Mutex::new(released);
    let counted = guira
        .memoize("counted")
        .ttl(2 * MINUTE)
        .refresh_after(MINUTE)
        .function(move |_: u64| {
            begun.send(()).expect("the test listens");
            released
                .lock()
                .expect("not poisoned")
                .recv()
                .expect("the test tells")
        });
    release.send(1_u64).expect("it listens");
    assert_eq!(counted.get(7), 1);
    beginning.recv_timeout(MINUTE).expect("it began");
    pass(&time, MINUTE);
    for _ in 0..10 {
        assert_eq!(counted.get(7), 1);
    }
    beginning.recv_timeout(MINUTE).expect("a refresh began");
    assert_eq!(counted.get(7), 1);
    release.send(2).expect("it listens");
    await_that("the refresh", || counted.peek(&7).expect("a key") == Some(2));
    assert!(beginning.try_recv().is_err(), "a second refresh");
    let stats = counted.stats();
    assert_eq!((stats.stale_hits, stats.flights.computations), (11, 2));
}

#[test]
fn a_refresh_that_fails_is_tried_again_while_the_value_is_stale() {
    let (guira, time) = timed();
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    let flaky = guira
        .memoize("flaky")
        .ttl(10 * MINUTE)
        .refresh_after(MINUTE)
        .flights(FlightOptions::default().back_off(Duration::from_secs(5)))
        .fallible(move |_: u64| match counter.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(1_u64),
            1 | 2 => Err(Refused::Own(9)),
            _ => Ok(2),
        });
    assert_eq!(flaky.call(7), Ok(1));
    pass(&time, MINUTE);
    for failures in 1..=2 {
        assert_eq!(flaky.call(7), Ok(1));
        await_that("the failure", || flaky.stats().flights.failures == failures);
        // In the back-off nobody tries.
        assert_eq!(flaky.call(7), Ok(1));
        pass(&time, Duration::from_secs(5));
    }
    assert_eq!(flaky.call(7), Ok(1));
    await_that("the refresh", || flaky.peek(&7).expect("a key") == Some(2));
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

#[test]
fn errors_are_not_kept_and_a_waiter_gets_the_cause() {
    let (begun, beginning) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let failing = private().memoize("failing").fallible(move |n: u64| {
        begun.send(()).expect("the test listens");
        released
            .lock()
            .expect("not poisoned")
            .recv()
            .expect("the test tells");
        Err::<u64, _>(Refused::Own(n))
    });
    let first = failing.future(7);
    beginning.recv_timeout(MINUTE).expect("it began");
    let waiting = failing.clone();
    let waiter = std::thread::spawn(move || waiting.call(7));
    await_that("the waiter", || failing.stats().flights.waits == 1);
    release.send(()).expect("it listens");
    assert_eq!(first.wait(), Err(Refused::Own(7)));
    assert_eq!(
        waiter.join().expect("no panic"),
        Err(Refused::Elsewhere("refused: Own(7)".to_owned()))
    );
    assert_eq!(failing.peek(&7).expect("a key"), None);
}

#[test]
fn a_function_that_cannot_fail_is_called_by_who_waited_for_one_that_panicked() {
    let (begun, beginning) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let is_first = AtomicU64::new(0);
    let shaky = private().memoize("shaky").function(move |n: u64| {
        if is_first.fetch_add(1, Ordering::Relaxed) > 0 {
            return n * n;
        }
        begun.send(()).expect("the test listens");
        released
            .lock()
            .expect("not poisoned")
            .recv()
            .expect("the test tells");
        panic!("out of plums")
    });
    let panicking = shaky.future(7);
    beginning.recv_timeout(MINUTE).expect("it began");
    let waiting = shaky.clone();
    let waiter = std::thread::spawn(move || waiting.get(7));
    await_that("the waiter", || shaky.stats().flights.waits == 1);
    release.send(()).expect("it listens");
    assert_eq!(waiter.join().expect("no panic"), 49);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| panicking.wait()));
    assert!(panic.is_err());
}

#[test]
fn lazy_begins_what_is_missing_and_peek_does_not() {
    let (counted, calls) = counted(&private());
    assert_eq!(counted.peek(&7).expect("a key"), None);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!(counted.lazy(7), None);
    await_that("the computation", || counted.peek(&7).expect("a key").is_some());
    assert_eq!(counted.lazy(7), Some(1));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn eight_background_calls_of_a_cold_key_compute_once() {
    let (counted, calls) = counted(&private());
    let futures: Vec<_> = (0..8).map(|_| counted.future(7)).collect();
    for future in futures {
        assert_eq!(future.wait(), Ok(1));
    }
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| counted.bg(8))).collect();
        for caller in callers {
            assert_eq!(caller.join().expect("no panic"), Ok(2));
        }
    });
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn background_computations_may_need_each_other_however_few_threads_there_are() {
    let guira = private();
    let inner = guira.memoize("inner").function(|n: u64| n + 1);
    let outer = guira
        .memoize("outer")
        .function(move |n: u64| inner.bg(n).map_or(0, |inner| inner * 10));
    let futures: Vec<_> = (0..64).map(|n| outer.future(n)).collect();
    for (n, future) in (0..64).zip(futures) {
        assert_eq!(future.wait(), Ok((n + 1) * 10));
    }
}

#[test]
fn switched_off_the_function_is_a_plain_one() {
    let (counted, calls) = counted(&private());
    assert_eq!((counted.get(7), counted.get(7)), (1, 1));
    counted.set_enabled(false);
    assert_eq!((counted.get(7), counted.get(7)), (2, 3));
    assert_eq!(counted.refresh(7), Ok(4));
    assert_eq!(counted.bg(7), Ok(5));
    assert_eq!(counted.lazy(7), None);
    counted.set_enabled(true);
    assert_eq!(counted.get(7), 1);
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    // Two calls; `bg` and `lazy` looked too. `refresh` does not.
    assert_eq!(counted.stats().unmemoized, 4);
}

#[test]
fn arguments_without_a_key_are_counted_and_the_function_is_called() {
    let calls = AtomicU64::new(0);
    let halves = private().memoize("halves").function(move |x: f64| {
        calls.fetch_add(1, Ordering::Relaxed);
        if x.is_nan() { 0.0 } else { x / 2.0 }
    });
    assert_eq!((halves.get(f64::NAN), halves.get(f64::NAN)), (0.0, 0.0));
    assert_eq!(halves.get(3.0), 1.5);
    assert!(matches!(halves.peek(&f64::NAN), Err(Error::Key(_))));
    let stats = halves.stats();
    assert_eq!((stats.key_failures, stats.flights.computations), (2, 1));
}

#[test]
fn a_none_may_live_shorter_or_not_be_kept() {
    let (guira, time) = timed();
    let find = |n: u64| (n > 5).then_some(n);
    let found = guira
        .memoize("found")
        .ttl(10 * MINUTE)
        .ttl_of(|found: &Option<u64>| match found {
            Some(_) => Lifetime::default(),
            None => Lifetime::after(MINUTE),
        })
        .function(find);
    assert_eq!((found.get(3), found.get(7)), (None, Some(7)));
    assert_eq!(found.peek(&3).expect("a key"), Some(None));
    pass(&time, 2 * MINUTE);
    assert_eq!(found.peek(&3).expect("a key"), None);
    assert_eq!(found.peek(&7).expect("a key"), Some(Some(7)));

    let some = guira.memoize("some").keep_if(Option::is_some).function(find);
    assert_eq!((some.get(3), some.get(7)), (None, Some(7)));
    assert_eq!(some.peek(&3).expect("a key"), None);
    assert_eq!(some.peek(&7).expect("a key"), Some(Some(7)));
}

#[test]
fn a_placeholder_is_given_while_somebody_else_computes_and_is_never_kept() {
    let (begun, beginning) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let slow = private()
        .memoize("slow")
        .placeholder(|| 0)
        .function(move |n: u64| {
            begun.send(()).expect("the test listens");
            released
                .lock()
                .expect("not poisoned")
                .recv()
                .expect("the test tells");
            n * n
        });
    let computing = slow.future(7);
    beginning.recv_timeout(MINUTE).expect("it began");
    assert_eq!(slow.get(7), 0);
    assert_eq!(slow.peek(&7).expect("a key"), None);
    release.send(()).expect("it listens");
    assert_eq!(computing.wait(), Ok(49));
    assert_eq!(slow.get(7), 49);
}

#[test]
fn observers_see_each_computed_value_once_and_may_panic() {
    let (counted, _) = counted(&private());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observed = Arc::clone(&seen);
    counted.on_value(|_| panic!("a broken observer"));
    counted.on_value(move |value| observed.lock().expect("not poisoned").push(*value));
    assert_eq!((counted.get(7), counted.get(7)), (1, 1));
    counted.put(&8, 50).expect("room");
    assert_eq!(counted.get(8), 50);
    assert_eq!(counted.refresh(7), Ok(2));
    assert_eq!(*seen.lock().expect("not poisoned"), [1, 2]);
}

#[test]
fn tags_of_the_arguments_invalidate_what_was_computed_from_them() {
    let guira = private();
    let pages = guira
        .memoize("pages")
        .function(|(user, page): (u64, u64)| user * 100 + page)
        .tags_of(|(user, _)| vec![format!("user:{user}")]);
    assert_eq!((pages.get((1, 2)), pages.get((2, 2))), (102, 202));
    guira.segment().invalidate_tag(b"user:1");
    assert_eq!(pages.peek(&(1, 2)).expect("a key"), None);
    assert_eq!(pages.peek(&(2, 2)).expect("a key"), Some(202));
}

#[test]
fn a_forced_refresh_that_fails_keeps_what_is_there_and_one_that_is_invalidated_is_not_kept() {
    let guira = private();
    let outcome = Arc::new(AtomicU64::new(1));
    let told = Arc::clone(&outcome);
    let cache = guira.clone();
    let shaky = guira
        .memoize("shaky")
        .fallible(move |n: u64| match told.load(Ordering::Relaxed) {
            0 => Err(Refused::Own(n)),
            13 => {
                cache.cache::<u64, u64>("shaky").segment().expect("a row").clear();
                Ok(13)
            }
            value => Ok(value),
        });
    assert_eq!(shaky.call(7), Ok(1));
    outcome.store(0, Ordering::Relaxed);
    assert_eq!(shaky.refresh(7), Err(Refused::Own(7)));
    assert_eq!(shaky.call(7), Ok(1));
    outcome.store(13, Ordering::Relaxed);
    assert_eq!(shaky.refresh(7), Ok(13));
    assert_eq!(shaky.peek(&7).expect("a key"), None);
}

#[test]
fn another_type_of_value_under_the_same_name_is_missed() {
    let guira = private();
    let numbers = guira.memoize("shared").function(|n: u64| n);
    let texts = guira.memoize("shared").function(|n: u64| n.to_string());
    assert_eq!(numbers.get(7), 7);
    assert_eq!(texts.get(7), "7");
    assert_eq!(numbers.peek(&7).expect("a key"), None);
}

#[test]
fn a_load_timeout_is_told_apart_from_a_failure() {
    let (begun, beginning) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let slow = private()
        .memoize("slow")
        .flights(FlightOptions::default().load_timeout(Duration::from_millis(20)))
        .fallible(move |n: u64| -> Result<u64, Failure> {
            begun.send(()).expect("the test listens");
            released
                .lock()
                .expect("not poisoned")
                .recv()
                .expect("the test tells");
            Ok(n)
        });
    let computing = slow.future(7);
    beginning.recv_timeout(MINUTE).expect("it began");
    assert_eq!(
        slow.call(7).map_err(|failure| failure.kind()),
        Err(FailureKind::TimedOut)
    );
    release.send(()).expect("it listens");
    assert_eq!(computing.wait(), Ok(7));
}

#[test]
fn what_takes_long_to_compute_is_refreshed_before_its_end() {
    let (guira, time) = timed();
    let early = guira
        .memoize("early")
        .ttl(MINUTE)
        // However quick the function is.
        .flights(FlightOptions::default().refresh_early(1e12))
        .function(|n: u64| n);
    assert_eq!(early.get(7), 7);
    pass(&time, Duration::from_millis(1));
    let (_, ttl) = early.get_ttl(&7).expect("a key").expect("kept");
    assert!(ttl.is_stale(), "{ttl:?}");
    let late = guira
        .memoize("late")
        .ttl(MINUTE)
        .flights(FlightOptions::default().refresh_early(1e-12))
        .function(|n: u64| n);
    assert_eq!(late.get(7), 7);
    pass(&time, Duration::from_secs(59));
    let (_, ttl) = late.get_ttl(&7).expect("a key").expect("kept");
    assert!(!ttl.is_stale(), "{ttl:?}");
}

#[test]
fn an_async_function_is_memoized_like_a_blocking_one() {
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    let counted = private().memoize("counted").async_function(move |n: u64| {
        let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
        async move { n * 100 + number }
    });
    // On the pool, by a plain `block_on`; no runtime is here.
    assert_eq!(counted.future(7).wait(), Ok(701));
    assert_eq!(counted.future(7).wait(), Ok(701));
    let refreshing = counted.clone();
    assert_eq!(crate::awaiting::block_on(refreshing.refresh(7)), Ok(702));
    assert_eq!(crate::awaiting::block_on(counted.get(7)), 702);
    assert_eq!(counted.lazy(8), None);
    await_that("the computation", || counted.peek(&8).expect("a key").is_some());
    assert_eq!(crate::awaiting::block_on(counted.bg(8)), Ok(803));
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}
