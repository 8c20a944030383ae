//! Threads that begin and end.

use std::cell::RefCell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use guira::{Cache, Guira, Lifetime};

use crate::awaiting::block_on;
use crate::children::WATCHDOG;

/// Reads and writes when its thread ends.
struct Farewell {
    cache: Cache<u64, u64>,
    told: mpsc::Sender<bool>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let seen = self.cache.get(&1).expect("a key");
            self.cache.put(&2, &2, Lifetime::never()).expect("room");
            seen
        }));
        let _ = self.told.send(outcome.is_ok_and(|seen| seen == Some(1)));
    }
}

thread_local! {
    static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
}

#[test]
fn what_a_thread_leaves_may_read_and_write_when_the_thread_ends() {
    let guira = Guira::builder().size(8 << 20).private().expect("a segment");
    let cache = guira.cache::<u64, u64>("x");
    let (told, outcome) = mpsc::channel();
    let farewell = Farewell {
        cache: cache.clone(),
        told,
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Before the cache's own, which end the sooner for it.
            FAREWELL.set(Some(farewell));
            cache.put(&1, &1, Lifetime::never()).expect("room");
            assert_eq!(cache.get(&1).expect("a key"), Some(1));
        });
    });
    assert!(outcome.recv().expect("it was dropped"), "it panicked");
    assert_eq!(cache.get(&2).expect("a key"), Some(2));
}

const NO_THREADS: &str = "GUIRA_TEST_NO_THREADS";

/// Runs again, as a process that the system gives no thread.
#[test]
fn a_process_that_gets_no_thread_computes_itself_and_waits_for_nobody() {
    if std::env::var_os(NO_THREADS).is_some() {
        return compute_without_threads();
    }
    let mut process = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "--test-threads=1"])
        .arg("threads::a_process_that_gets_no_thread_computes_itself_and_waits_for_nobody")
        .env(NO_THREADS, "1")
        // A stack that is larger than all addresses.
        .env("RUST_MIN_STACK", (1_u64 << 47).to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let end = Instant::now() + WATCHDOG;
    let status = loop {
        if let Some(status) = process.try_wait().expect("it is ours") {
            break status;
        }
        if Instant::now() > end {
            process.kill().expect("it is ours");
        }
        std::thread::park_timeout(Duration::from_millis(5));
    };
    assert!(status.success(), "{status}");
}

fn compute_without_threads() {
    assert!(
        std::thread::Builder::new().spawn(|| ()).is_err(),
        "it got a thread"
    );
    let guira = Guira::builder().size(8 << 20).private().expect("a segment");
    let squares = guira.memoize("squares").function(|n: u64| n * n);
    assert_eq!(squares.future(7).wait(), Ok(49));
    assert_eq!(squares.lazy(8), None);
    assert_eq!(squares.peek(&8).expect("a key"), Some(64));

    // Both are on this thread: who waited by blocking would wait for ever.
    let cache = guira.cache::<u64, u64>("x");
    let mut leader = pin!(cache.get_or_compute_async(&1, pending::<u64>));
    let mut context = Context::from_waker(Waker::noop());
    assert!(leader.as_mut().poll(&mut context).is_pending());
    let other = cache.get_or_compute_async(&1, async || 5);
    assert_eq!(block_on(other).expect("no failure"), 5);
}
