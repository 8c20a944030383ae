//! Changing a source: no value of before stays, whoever is killed on the way.

use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use guira::{Cache, Error, Guira, Lifetime};
use guira_segment::{Expiry, Segment};
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

// ---- several processes

/// The source: a number that is not cached.
fn source_of(segment: &Segment) -> impl Fn() -> u64 {
    let source = segment.namespace("source").expect("a row");
    move || {
        source.get(b"7").map_or(0, |number| {
            str::from_utf8(&number).expect("digits").parse().expect("digits")
        })
    }
}

#[test]
fn child() {
    let Ok(path) = std::env::var(SEGMENT) else {
        return;
    };
    let guira = Guira::builder().open_existing(path).expect("the test made it");
    let values = values(&guira);
    let source = guira.segment().namespace("source").expect("a row");
    let change = || {
        source
            .increment(b"7", 1, Some(1), Expiry::never())
            .expect("room")
            .expect("a number")
    };
    say("open");
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .expect("the test tells");
    let words: Vec<&str> = line.trim().split(' ').collect();
    let bound = |ms: &str| Duration::from_millis(ms.parse().expect("a number"));
    match words[..] {
        ["guarded", ms] => {
            let _guard = values.write_guard(&7, bound(ms)).expect("room");
            say("guarded");
            change();
            say("changed");
            await_the_kill();
        }
        ["unguarded"] => {
            change();
            say("changed");
            await_the_kill();
        }
        ["change-on", ms] => loop {
            let number = values.change(&7, bound(ms), change).expect("room");
            say(&format!("changed to {number}"));
        },
        _ => panic!("no command: {line}"),
    }
}

fn await_the_kill() -> ! {
    loop {
        std::thread::park();
    }
}

#[test]
fn without_a_guard_a_killed_writer_leaves_the_old_value() {
    let host = Host::new();
    let values = values(&Guira::of_segment(host.segment.clone()));
    let source = source_of(&host.segment);
    let read = || values.get_or_compute(&7, &source).expect("no error");
    assert_eq!(read(), 0);
    let mut writer = Worker::start_as("write_guards::child", &host.path);
    writer.tell("unguarded");
    assert_eq!(writer.answer(), "changed");
    drop(writer);
    assert_eq!((read(), source()), (0, 1));
}

#[test]
fn a_writer_that_is_killed_before_it_invalidates_leaves_no_old_value() {
    let host = Host::new();
    let values = values(&Guira::of_segment(host.segment.clone()));
    let source = source_of(&host.segment);
    let read = || values.get_or_compute(&7, &source).expect("no error");
    assert_eq!(read(), 0);
    let mut writer = Worker::start_as("write_guards::child", &host.path);
    // A computation reads the old source, and has its value when the writer is dead.
    values.remove(&7).expect("no error");
    let late = values.get_or_compute(&7, || {
        let old = source();
        writer.tell("guarded 2000");
        assert_eq!(writer.answer(), "guarded");
        assert_eq!(writer.answer(), "changed");
        writer.signal(Signal::SIGKILL);
        assert_eq!(writer.last_answer(), None);
        old
    });
    assert_eq!(late.expect("no error"), 0);
    // From here on nobody reads what was before, and once the bound is over, values are kept again.
    await_that("the end of the bound", || {
        assert_eq!(read(), 1);
        values.contains(&7).expect("no error")
    });
    assert_eq!(values.get(&7).expect("no error"), Some(1));
}

#[test]
fn writers_that_are_killed_anywhere_leave_no_old_value() {
    const ROUNDS: usize = 12;
    let host = Host::new();
    let guira = Guira::of_segment(host.segment.clone());
    let values = values(&guira);
    let source = source_of(&host.segment);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Fills, all the time.
        for _ in 0..2 {
            scope.spawn(|| {
                let source = source_of(&host.segment);
                while !is_over.load(Ordering::Relaxed) {
                    values.get_or_compute(&7, &source).expect("no error");
                }
            });
        }
        for round in 0..ROUNDS {
            let mut writer = Worker::start_as("write_guards::child", &host.path);
            writer.tell("change-on 30");
            for _ in 0..20 + 7 * round {
                writer.answer();
            }
            writer.signal(Signal::SIGKILL);
            while writer.last_answer().is_some() {}
            drop(writer); // reaped: its last change is done or never will be
            let now = source();
            await_that("the end of the bound", || {
                assert_eq!(values.get_or_compute(&7, &source).expect("no error"), now);
                values.contains(&7).expect("no error")
            });
            assert_eq!(values.get(&7).expect("no error"), Some(now));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
