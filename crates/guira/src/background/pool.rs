//! The threads.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Refreshes of one process that may wait or be under way.
pub const MAX_REFRESHES: usize = 1_024;
const IDLE_LIFE: Duration = Duration::from_secs(10);

/// What a thread does.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Pool {
    /// The process that the threads run in; a forked child has none.
    process: u32,
    queue: VecDeque<Work>,
    /// Waiting or under way.
    refreshing: HashSet<u128>,
    threads: usize,
    idle: usize,
}

static POOL: Mutex<Option<Pool>> = Mutex::new(None);
static WORK: Condvar = Condvar::new();
/// Zero: as many as there are processors.
static MAX_THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IN_POOL: Cell<bool> = const { Cell::new(false) };
}

/// Sets how many threads of this process compute in the background; 0, the default, is as many as there are
/// processors. Threads start when they are needed and end after ten seconds without work.
pub fn set_threads(threads: usize) {
    MAX_THREADS.store(threads, Ordering::Relaxed);
}

/// The right to refresh something, which one at a time has in this process; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    id: u128,
}

/// Why there is no claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unclaimed {
    /// Its refresh waits or is under way already.
    Known,
    /// Too many are.
    TooMany,
}

/// Whether this is a thread of the pool.
pub(crate) fn in_pool() -> bool {
    IN_POOL.get()
}

/// Claims the refresh of what `id` names.
pub(crate) fn claim(id: u128) -> Result<Claim, Unclaimed> {
    let mut guard = lock();
    let pool = of_this_process(&mut guard);
    if pool.refreshing.len() >= MAX_REFRESHES {
        return Err(Unclaimed::TooMany);
    }
    if pool.refreshing.insert(id) {
        Ok(Claim { id })
    } else {
        Err(Unclaimed::Known)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(pool) = lock().as_mut() {
            pool.refreshing.remove(&self.id);
        }
    }
}

/// Does `work` on a thread of the pool; on this one if the system gives none.
pub(crate) fn run_soon(work: Work) {
    let mut guard = lock();
    let pool = of_this_process(&mut guard);
    pool.queue.push_back(work);
    if start(pool) {
        return;
    }
    let left = std::mem::take(&mut pool.queue);
    drop(guard);
    left.into_iter().for_each(run_one);
}

fn lock() -> MutexGuard<'static, Option<Pool>> {
    // No user code runs under the lock.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of_this_process<'g>(guard: &'g mut MutexGuard<'static, Option<Pool>>) -> &'g mut Pool {
    let process = std::process::id();
    let is_ours = guard.as_ref().is_some_and(|pool| pool.process == process);
    if !is_ours {
        **guard = None;
    }
    guard.get_or_insert_with(|| Pool {
        process,
        ..Pool::default()
    })
}

/// Wakes a thread for what was queued, or starts one; false if there is none.
fn start(pool: &mut Pool) -> bool {
    let max = match MAX_THREADS.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        threads => threads,
    };
    if pool.idle < pool.queue.len() && pool.threads < max {
        let thread = std::thread::Builder::new().name("guira-compute".to_owned());
        match thread.spawn(run) {
            Ok(_) => pool.threads += 1,
            Err(error) => {
                let threads = pool.threads;
                tracing::error!(%error, threads, "no thread to compute in the background");
            }
        }
    }
    WORK.notify_one();
    pool.threads > 0
}

/// Whoever waits for it is told of a panic by what it left; here it ends nothing but the job.
fn run_one(work: Work) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::error!("a computation in the background panicked");
    }
}

fn run() {
    IN_POOL.set(true);
    let mut guard = lock();
    loop {
        let Some(pool) = guard.as_mut() else { return };
        if let Some(work) = pool.queue.pop_front() {
            drop(guard);
            run_one(work);
            guard = lock();
            continue;
        }
        pool.idle += 1;
        let (woken, timeout) = WORK
            .wait_timeout(guard, IDLE_LIFE)
            .unwrap_or_else(PoisonError::into_inner);
        guard = woken;
        let Some(pool) = guard.as_mut() else { return };
        pool.idle -= 1;
        if timeout.timed_out() && pool.queue.is_empty() {
            pool.threads -= 1;
            return;
        }
    }
}
