//! The threads.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::per_process::PerProcess;

/// Refreshes of one process that may wait or be under way.
pub const MAX_REFRESHES: usize = 1_024;
const IDLE_LIFE: Duration = Duration::from_secs(10);

/// What a thread does.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Pool {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    /// Waiting or under way.
    refreshing: HashSet<u128>,
    threads: usize,
    idle: usize,
}

static POOL: PerProcess<Pool> = PerProcess::new();
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
    let pool = POOL.get();
    let mut pool = pool.lock();
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
        POOL.get().lock().refreshing.remove(&self.id);
    }
}

/// Does `work` on a thread of the pool; on this one if the system gives none.
pub(crate) fn run_soon(work: Work) {
    let pool = POOL.get();
    let mut state = pool.lock();
    state.queue.push_back(work);
    if start(&pool, &mut state) {
        return;
    }
    let left = std::mem::take(&mut state.queue);
    drop(state);
    left.into_iter().for_each(run_one);
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a thread for what was queued, or starts one; false if there is none.
fn start(pool: &Arc<Pool>, state: &mut State) -> bool {
    let max = match MAX_THREADS.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        threads => threads,
    };
    if state.idle < state.queue.len() && state.threads < max {
        let pool = Arc::clone(pool);
        let thread = std::thread::Builder::new().name("guira-compute".to_owned());
        match thread.spawn(move || run(&pool)) {
            Ok(_) => state.threads += 1,
            Err(error) => {
                let threads = state.threads;
                tracing::error!(%error, threads, "no thread to compute in the background");
            }
        }
    }
    pool.work.notify_one();
    state.threads > 0
}

/// Whoever waits for it is told of a panic by what it left; here it ends nothing but the job.
fn run_one(work: Work) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::error!("a computation in the background panicked");
    }
}

fn run(pool: &Pool) {
    IN_POOL.set(true);
    let mut state = pool.lock();
    loop {
        if let Some(work) = state.queue.pop_front() {
            drop(state);
            run_one(work);
            state = pool.lock();
            continue;
        }
        state.idle += 1;
        let (woken, timeout) = pool
            .work
            .wait_timeout(state, IDLE_LIFE)
            .unwrap_or_else(PoisonError::into_inner);
        state = woken;
        state.idle -= 1;
        if timeout.timed_out() && state.queue.is_empty() {
            state.threads -= 1;
            return;
        }
    }
}
