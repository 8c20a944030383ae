//! Children that are forked while other threads of their parent are in the middle of whatever typed caches do.

use std::pin::pin;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use guira::{Cache, Guira, background, cached, memoized};
use guira_shm::fork::fork_child;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

const FORKS: u64 = 60;
/// Threads that ask for one key.
const CROWD: usize = 7;
const ALONE: &str = "GUIRA_TEST_FORKS_ALONE";
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
        for _ in 0..CROWD {
            scope.spawn(|| ask(cache, key));
        }
    });
}

fn ask(cache: &Cache<u64, u64>, key: u64) {
    let value = cache.get_or_compute(&key, || {
        std::thread::park_timeout(Duration::from_millis(1));
        key
    });
    assert_eq!(value.expect("it computes"), key);
}

/// Has futures run by one thread in the process that began it, by a thread each in its children.
fn spawner() -> impl Fn(background::BoxFuture) + Clone + Send + Sync + 'static {
    let (sender, receiver) = channel::<background::BoxFuture>();
    std::thread::spawn(|| receiver.into_iter().for_each(run));
    let process = std::process::id();
    move |future| {
        if std::process::id() == process {
            sender.send(future).expect("it runs");
        } else {
            std::thread::spawn(|| run(future));
        }
    }
}

fn run(future: background::BoxFuture) {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    while future.as_mut().poll(&mut context) == Poll::Pending {
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Starts all threads of the pool.
fn warm_up(guira: &Guira) {
    const THREADS: usize = 2;
    background::set_threads(THREADS);
    let together = Arc::new(Barrier::new(THREADS));
    let warm = guira.memoize("warm").function(move |n: u64| {
        together.wait();
        n
    });
    let [one, other] = [1, 2].map(|n| warm.future(n));
    assert_eq!([one.wait(), other.wait()], [Ok(1), Ok(2)]);
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

/// Runs again, as a process of its own: while a thread begins or ends it holds a lock of the standard library, which a
/// child that is forked at that moment finds held for ever when it begins a thread. So what forks here has all its
/// threads from the beginning to the end; those of other tests come and go.
#[test]
fn a_child_forked_at_any_moment_computes_and_waits_like_its_parent() {
    if std::env::var_os(ALONE).is_some() {
        return fork_at_any_moment();
    }
    let process = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "--test-threads=1", "--nocapture"])
        .arg("forks::a_child_forked_at_any_moment_computes_and_waits_like_its_parent")
        .env(ALONE, "1")
        .output()
        .expect("it starts");
    let said = [process.stdout, process.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(process.status.success(), "{}: {}", process.status, said.concat());
    assert!(said[0].contains("1 passed"), "{}", said[0]);
}

fn fork_at_any_moment() {
    let directory = tempfile::tempdir_in("/dev/shm").expect("shared memory");
    let path = directory.path().join("app.guira");
    let guira = Guira::builder().size(32 << 20).open(&path).expect("a segment");
    let cache = guira.cache::<u64, u64>("numbers");
    let spawner = spawner();
    guira.set_default();
    background::set_spawner(spawner.clone());
    // What is made once is made before.
    warm_up(&guira);
    use_all(&guira, &cache);
    wait_for_each_other(&cache, never_computed_before());

    let is_over = AtomicBool::new(false);
    let while_forking = |work: &dyn Fn()| {
        while !is_over.load(Ordering::Relaxed) {
            work();
        }
    };
    let (first, asked, at_work) = (
        never_computed_before(),
        AtomicU64::new(0),
        Barrier::new(CROWD + 4),
    );
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                at_work.wait();
                while_forking(&|| use_all(&guira, &cache));
            });
        }
        for _ in 0..CROWD {
            scope.spawn(|| {
                at_work.wait();
                while_forking(&|| {
                    let round = asked.fetch_add(1, Ordering::Relaxed) / CROWD as u64;
                    ask(&cache, first | (round + 1) << 20);
                });
            });
        }
        scope.spawn(|| {
            at_work.wait();
            while_forking(&|| {
                guira.set_default();
                background::set_spawner(spawner.clone());
                assert!(Guira::process_default().is_some());
                assert!(!memoized::names().is_empty());
            });
        });
        at_work.wait();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..FORKS {
                let child = fork_child(|| {
                    use_all(&guira, &cache);
                    wait_for_each_other(&cache, never_computed_before());
                    guira.set_default();
                    background::set_spawner(spawner.clone());
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
