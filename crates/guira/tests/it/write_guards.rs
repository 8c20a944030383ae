//! Changing a source: no value of before stays, whoever is killed on the way.

use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use guira::{Cache, Error, Guira, Lifetime};
use guira_segment::{Clock, Expiry, Segment};
use nix::sys::signal::Signal;

use crate::children::{Host, SEGMENT, Worker, await_that};
use crate::kinds::{SECOND, guira_with_clock};
use crate::worker::say;

fn values(guira: &Guira) -> Cache<u64, u64> {
    guira.cache("values")
}

#[test]
fn while_a_guard_lives_values_are_computed_and_not_kept() {
    let (guira, _clock) = guira_with_clock();
    let values = values(&guira);
    assert_eq!(values.get_or_compute(&7, || 1).expect("no error"), 1);
    let guard = values.write_guard(&7, SECOND).expect("room");
    assert_eq!(values.get(&7).expect("no error"), None);
    assert_eq!(values.get_or_compute(&7, || 1).expect("no error"), 1);
    assert_eq!(values.get(&7).expect("no error"), None);
    // Another key is none of its business.
    assert_eq!(values.get_or_compute(&8, || 8).expect("no error"), 8);
    assert_eq!(values.get(&8).expect("no error"), Some(8));
    guard.finish();
    assert_eq!(values.get_or_compute(&7, || 2).expect("no error"), 2);
    assert_eq!(values.get(&7).expect("no error"), Some(2));
}

#[test]
fn a_computation_that_began_before_is_not_kept_whenever_it_ends() {
    let (guira, _clock) = guira_with_clock();
    let values = values(&guira);
    // It reads the source, then all of a change happens, then it has its value.
    let old = values.get_or_compute(&7, || {
        values.change(&7, SECOND, || ()).expect("room");
        1
    });
    assert_eq!(old.expect("no error"), 1);
    assert_eq!(values.get(&7).expect("no error"), None);
    // It begins during the change, and ends after it.
    let mut guard = Some(values.write_guard(&7, SECOND).expect("room"));
    let old = values.get_or_compute(&7, || {
        guard.take();
        1
    });
    assert_eq!(old.expect("no error"), 1);
    assert_eq!(values.get(&7).expect("no error"), None);
}

#[test]
fn memoized_functions_keep_nothing_while_their_call_is_guarded() {
    let (guira, _clock) = guira_with_clock();
    let doubled = guira.memoize("doubled").function(|n: u64| 2 * n);
    let is_kept = || {
        assert_eq!(doubled.call(7), Ok(14));
        doubled.contains(&7).expect("no error")
    };
    assert!(is_kept());
    let by_name = guira.cache::<u64, u64>("doubled");
    let was_kept = by_name.change(&7, SECOND, is_kept).expect("room");
    assert!(!was_kept);
    assert!(is_kept());
}

#[test]
fn the_end_of_one_guard_does_not_end_another() {
    let (guira, clock_ms) = guira_with_clock();
    let values = values(&guira);
    let is_kept = || {
        values.get_or_compute(&7, || 1).expect("no error");
        values.get(&7).expect("no error").is_some()
    };
    let first = values.write_guard(&7, 10 * SECOND).expect("room");
    let second = values.write_guard(&7, 2 * SECOND).expect("room");
    let third = values.write_guard(&7, 10 * SECOND).expect("room");
    drop(third);
    assert!(!is_kept());
    drop(first);
    assert!(!is_kept());
    drop(second);
    assert!(is_kept());
    // A long one is not shortened by a short one beside it, nor by its end.
    let long = values.write_guard(&7, 10 * SECOND).expect("room");
    let short = values.write_guard(&7, SECOND).expect("room");
    clock_ms.fetch_add(5_000, Ordering::Relaxed);
    assert!(!is_kept());
    drop(short);
    assert!(!is_kept());
    drop(long);
    assert!(is_kept());
}

#[test]
fn a_guard_that_is_never_ended_ends_with_its_bound_and_a_renewed_one_later() {
    let (guira, clock_ms) = guira_with_clock();
    let values = values(&guira);
    let is_kept = || {
        values.get_or_compute(&7, || 1).expect("no error");
        values.get(&7).expect("no error").is_some()
    };
    let mut guard = values.write_guard(&7, 10 * SECOND).expect("room");
    clock_ms.fetch_add(9_000, Ordering::Relaxed);
    guard.renew().expect("room");
    clock_ms.fetch_add(9_000, Ordering::Relaxed);
    assert!(!is_kept());
    clock_ms.fetch_add(1_000, Ordering::Relaxed);
    assert!(is_kept());
    // What was stored past the bound goes when it is renewed.
    guard.renew().expect("room");
    assert!(!is_kept());
    std::mem::forget(guard);
    clock_ms.fetch_add(10_000, Ordering::Relaxed);
    assert!(is_kept());
}

#[test]
fn a_guard_whose_bound_was_over_invalidates_at_its_end_all_the_same() {
    let (guira, clock_ms) = guira_with_clock();
    let values = values(&guira);
    let guard = values.write_guard(&7, SECOND).expect("room");
    clock_ms.fetch_add(1_000, Ordering::Relaxed);
    // Its writer was stopped; now it changes the source.
    assert_eq!(values.get_or_compute(&7, || 1).expect("no error"), 1);
    assert_eq!(values.get(&7).expect("no error"), Some(1));
    guard.finish();
    assert_eq!(values.get(&7).expect("no error"), None);
}

#[test]
fn a_change_that_panics_ends_its_guard() {
    let (guira, _clock) = guira_with_clock();
    let values = values(&guira);
    let changing = AssertUnwindSafe(|| values.change(&7, SECOND, || panic!("in the change")));
    let panicked: Result<Result<(), Error>, _> = catch_unwind(changing);
    assert!(panicked.is_err());
    values.get_or_compute(&7, || 1).expect("no error");
    assert_eq!(values.get(&7).expect("no error"), Some(1));
}

#[test]
fn a_bound_of_no_time_is_refused_and_leaves_the_value() {
    let (guira, _clock) = guira_with_clock();
    let values = values(&guira);
    values.put(&7, &1, Lifetime::never()).expect("room");
    assert!(values.write_guard(&7, Duration::ZERO).is_err());
    assert_eq!(values.get(&7).expect("no error"), Some(1));
}

// ---- several processes, whose clocks stand still until the test moves its own: no pause of a process ends a bound

const BOUND: Duration = Duration::from_secs(30);

fn guira_at(path: &Path, clock_ms: &Arc<AtomicU64>) -> Guira {
    let clock = Clock::manual(Arc::clone(clock_ms));
    let segment = Segment::builder().clock(clock).open(path);
    Guira::of_segment(segment.expect("the test made it"))
}

/// The host's segment, and the time that the test sees it at.
fn host_with_clock() -> (Host, Guira, Arc<AtomicU64>) {
    let host = Host::new();
    let clock_ms = Arc::new(AtomicU64::new(1_000_000_000));
    let guira = guira_at(&host.path, &clock_ms);
    (host, guira, clock_ms)
}

/// The source of the value of `key`: a number that is not cached.
fn source_of(guira: &Guira, key: u64) -> impl Fn() -> u64 {
    let source = guira.segment().namespace("source").expect("a row");
    move || {
        source.get(&key.to_le_bytes()).map_or(0, |number| {
            str::from_utf8(&number).expect("digits").parse().expect("digits")
        })
    }
}

fn start_writer(host: &Host, command: &str, key: u64, clock_ms: &AtomicU64) -> Worker {
    let mut writer = Worker::start_as("write_guards::child", &host.path);
    writer.tell(&format!("{command} {key} {}", clock_ms.load(Ordering::Relaxed)));
    writer
}

#[test]
fn child() {
    let Ok(path) = std::env::var(SEGMENT) else {
        return;
    };
    say("open");
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .expect("the test tells");
    let [command, key, clock_ms] = line.trim().split(' ').collect::<Vec<_>>()[..] else {
        panic!("no command: {line}");
    };
    let key: u64 = key.parse().expect("a number");
    let clock_ms = Arc::new(AtomicU64::new(clock_ms.parse().expect("a number")));
    let guira = guira_at(Path::new(&path), &clock_ms);
    let values = values(&guira);
    let source = guira.segment().namespace("source").expect("a row");
    let change = || {
        source
            .increment(&key.to_le_bytes(), 1, Some(1), Expiry::never())
            .expect("room");
        say("changed");
    };
    match command {
        "guarded" => {
            let _guard = values.write_guard(&key, BOUND).expect("room");
            say("guarded");
            std::io::stdin()
                .lock()
                .read_line(&mut line)
                .expect("the test tells");
            change();
            await_the_kill();
        }
        "unguarded" => {
            change();
            await_the_kill();
        }
        // Nearly all of the time is spent between the steps: that is where it is killed.
        "change-on" => loop {
            let steps = || {
                say("guarded");
                spin();
                change();
                spin();
            };
            values.change(&key, BOUND, steps).expect("room");
        },
        _ => panic!("no command: {command}"),
    }
}

fn spin() {
    let end = Instant::now() + Duration::from_micros(300);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn await_the_kill() -> ! {
    loop {
        std::thread::park();
    }
}

#[test]
fn without_a_guard_a_killed_writer_leaves_the_old_value() {
    let (host, guira, clock_ms) = host_with_clock();
    let values = values(&guira);
    let source = source_of(&guira, 7);
    let read = || values.get_or_compute(&7, &source).expect("no error");
    assert_eq!(read(), 0);
    let mut writer = start_writer(&host, "unguarded", 7, &clock_ms);
    assert_eq!(writer.answer(), "changed");
    drop(writer);
    assert_eq!((read(), source()), (0, 1));
}

/// A writer is killed between its change and its invalidation; computations read the source before the guard, under
/// it, and after the death.
#[test]
fn a_writer_that_is_killed_before_it_invalidates_leaves_no_old_value() {
    let (host, guira, clock_ms) = host_with_clock();
    let values = values(&guira);
    let source = source_of(&guira, 7);
    let read = || values.get_or_compute(&7, &source).expect("no error");
    let mut others = [u64::MAX; 2];
    let late = values.get_or_compute(&7, || {
        let old = source();
        let mut writer = start_writer(&host, "guarded", 7, &clock_ms);
        assert_eq!(writer.answer(), "guarded");
        // It is in a computation of the key, so it waits for none.
        others[0] = read();
        writer.tell("change");
        assert_eq!(writer.answer(), "changed");
        writer.signal(Signal::SIGKILL);
        assert_eq!(writer.last_answer(), None);
        others[1] = read();
        old
    });
    assert_eq!((late.expect("no error"), others), (0, [0, 1]));
    // From here on nobody reads what was before; once the bound is over, values are kept again.
    let is_kept = || values.contains(&7).expect("no error");
    assert_eq!((read(), is_kept()), (1, false));
    pass_the_bound(&clock_ms);
    assert_eq!((read(), is_kept()), (1, true));
}

fn pass_the_bound(clock_ms: &AtomicU64) {
    let bound_ms = u64::try_from(BOUND.as_millis()).expect("short");
    clock_ms.fetch_add(bound_ms, Ordering::Relaxed);
}

/// Set when it is dropped, so that a failing test ends its threads.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn writers_that_are_killed_anywhere_leave_no_old_value() {
    const ROUNDS: u64 = 20;
    let (host, guira, clock_ms) = host_with_clock();
    let values = values(&guira);
    for key in 0..ROUNDS {
        let source = source_of(&guira, key);
        let read = || values.get_or_compute(&key, &source).expect("no error");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _over = Over(&is_over);
            // Fills, all the time.
            for _ in 0..2 {
                scope.spawn(|| {
                    let source = source_of(&guira, key);
                    while !is_over.load(Ordering::Relaxed) {
                        values.get_or_compute(&key, &source).expect("no error");
                    }
                });
            }
            let mut writer = start_writer(&host, "change-on", key, &clock_ms);
            // Killed before a change and after one in turn.
            for _ in 0..20 + key {
                writer.answer();
            }
            writer.signal(Signal::SIGKILL);
            while writer.last_answer().is_some() {}
            drop(writer); // reaped: its last change is done or never will be
            let now = source();
            // One that read the source before the change may lead still, and give its value to who waits for it: no
            // end of a guard has told this reader that the change is over.
            read();
            for _ in 0..100 {
                assert_eq!(read(), now);
            }
            pass_the_bound(&clock_ms);
            assert_eq!(read(), now);
            await_that("a value that is kept", || {
                values.contains(&key).expect("no error")
            });
            assert_eq!(values.get(&key).expect("no error"), Some(now));
        });
    }
}
