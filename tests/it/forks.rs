//! Children that are forked while other threads of their parent are in the middle of whatever typed caches do.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use guira::{Cache, Guira, background, cached, memoized};
use guira_shm::fork::fork_child;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

const FORKS: u64 = 60;
/// Longer than anything takes on a busy machine; shorter than patience.
const WATCHDOG: Duration = Duration::from_secs(20);

#[cached]
fn square(n: u64) -> u64 {
    n * n
}

fn never_computed_before() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) | u64::from(std::process::id()) << 40
}

/// All that takes a lock of the process.
fn use_all(guira: &Guira, cache: &Cache<u64, u64>) {
    let n = never_computed_before();
    cache.put(&n, &n, Duration::from_secs(60)).expect("room");
    assert_eq!(cache.get(&n).expect("a key"), Some(n));
    assert_eq!(square(n & 0xffff), (n & 0xffff).pow(2));
    let nested = cache.get_or_compute(&(n ^ (1 << 63)), || {
        cache.get_or_compute(&(n ^ (1 << 62)), || 1).expect("it computes") + 1
    });
    assert_eq!(nested.expect("it computes"), 2);
    let doubles = guira.memoize("doubles").function(|n: u64| n.wrapping_mul(2));
    assert_eq!(doubles.future(n).wait(), Ok(n.wrapping_mul(2)));
    doubles.lazy(n ^ (1 << 61));
    let awaited = guira.memoize("awaited").async_function(async |n: u64| n);
    assert_eq!(awaited.future(n).wait(), Ok(n));
}

/// Threads ask for one key at once: those who do not compute wait.
fn wait_for_each_other(cache: &Cache<u64, u64>, key: u64) {
    std::thread::scope(|scope| {
        for _ in 0..7 {
            scope.spawn(|| {
                let value = cache.get_or_compute(&key, || {
                    std::thread::park_timeout(Duration::from_millis(1));
                    key
                });
                assert_eq!(value.expect("it computes"), key);
            });
        }
    });
}

fn run_elsewhere(future: background::BoxFuture) {
    std::thread::spawn(|| {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        while future.as_mut().poll(&mut context) == Poll::Pending {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    });
}

fn exit_code_of(child: u32) -> i32 {
    let child = Pid::from_raw(child.cast_signed());
    let end = Instant::now() + WATCHDOG;
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)).expect("it is ours") {
            WaitStatus::Exited(_, code) => return code,
            WaitStatus::StillAlive if Instant::now() < end => {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            status => {
                let _ = kill(child, Signal::SIGKILL);
                panic!("a forked child does not end: {status:?}");
            }
        }
    }
}

#[test]
fn a_child_forked_at_any_moment_computes_and_waits_like_its_parent() {
    let directory = tempfile::tempdir_in("/dev/shm").expect("shared memory");
    let path = directory.path().join("app.guira");
    let guira = Guira::builder().size(32 << 20).open(&path).expect("a segment");
    let cache = guira.cache::<u64, u64>("numbers");
    guira.set_default();
    // What is made once is made before.
    use_all(&guira, &cache);
    wait_for_each_other(&cache, never_computed_before());

    let is_over = AtomicBool::new(false);
    let while_forking = |work: &dyn Fn()| {
        while !is_over.load(Ordering::Relaxed) {
            work();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| while_forking(&|| use_all(&guira, &cache)));
        }
        scope.spawn(|| while_forking(&|| wait_for_each_other(&cache, never_computed_before())));
        scope.spawn(|| {
            while_forking(&|| {
                guira.set_default();
                background::set_spawner(run_elsewhere);
                assert!(Guira::process_default().is_some());
                assert!(!memoized::names().is_empty());
            });
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..FORKS {
                let child = fork_child(|| {
                    use_all(&guira, &cache);
                    wait_for_each_other(&cache, never_computed_before());
                    guira.set_default();
                    background::set_spawner(run_elsewhere);
                    i32::from(Guira::process_default().is_none() || memoized::names().is_empty())
                });
                assert_eq!(exit_code_of(child.expect("a process")), 0);
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}
