//! Running a model: executions, threads, and threads that are killed.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub use super::local::LocalKey;
use super::{local, table};

/// Words that an execution may touch at first; doubled whenever one touches more.
const STOCK_WORDS: usize = 64;
/// Accesses of one execution.
const MAX_BRANCHES: usize = 20_000;
const STACK_BYTES: usize = 256 << 10;
/// Executions between two looks at the bounds.
const BOUNDS_INTERVAL: usize = 64;

/// What bounds the exploration of a model.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Switches away from a thread that could go on, in one execution.
    pub preemptions: usize,
    /// Executions at most.
    pub executions: usize,
    /// Time at most.
    pub time: Duration,
}

/// What an exploration came to.
#[derive(Debug)]
pub struct Explored {
    /// Executions looked at.
    pub executions: usize,
    /// Threads that ran side by side.
    pub threads: usize,
    /// No bound ended it but that of preemptions.
    pub is_complete: bool,
    /// In some execution a thread was killed.
    pub has_killed: bool,
    /// What the last execution panicked with, if it did.
    pub failure: Option<Box<dyn Any + Send>>,
}

/// What a thread of a model does.
pub type Body<T> = Box<dyn FnOnce() -> T + Send>;

thread_local! {
    static STOCK: Cell<usize> = const { Cell::new(STOCK_WORDS) };
    static THREADS: Cell<usize> = const { Cell::new(0) };
    /// Between a thread's kill and the end of its unwinding; no other runs meanwhile.
    static KILLED: Cell<bool> = const { Cell::new(false) };
    static HAS_KILLED: Cell<bool> = const { Cell::new(false) };
    /// Changes that the doomed thread still makes, if one is doomed.
    static DOOM: Cell<Option<(loom::thread::ThreadId, usize)>> = const { Cell::new(None) };
}

/// Looks at the executions of `model` until one panics, all were seen, or a bound is reached. The
/// model sets up its world, calls [`explore`], and judges.
pub fn check(bounds: &Bounds, model: impl Fn() + Send + Sync + 'static) -> Explored {
    let model = Arc::new(model);
    STOCK.set(STOCK_WORDS);
    HAS_KILLED.set(false);
    loop {
        let explored = check_once(bounds, Arc::clone(&model));
        match &explored.failure {
            Some(cause) if cause.is::<table::OutOfStock>() => STOCK.set(STOCK.get() * 2),
            _ => return explored,
        }
    }
}

fn check_once(bounds: &Bounds, model: Arc<impl Fn() + Send + Sync + 'static>) -> Explored {
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bounds.preemptions);
    builder.max_branches = MAX_BRANCHES;
    builder.max_permutations = Some(bounds.executions);
    builder.max_duration = Some(bounds.time);
    builder.checkpoint_interval = BOUNDS_INTERVAL;
    builder.expect_explicit_explore = true;
    let begin = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            DOOM.set(None);
            table::forget();
            let model = Arc::clone(&model);
            // The checker's first thread has a small stack.
            let whole = spawn(Box::new(move || {
                model();
                local::drop_all();
            }));
            whole.join().expect("a failure ends the whole execution");
        });
    }));
    table::forget();
    local::forget();
    let executions = executions.load(Ordering::Relaxed);
    Explored {
        executions,
        threads: THREADS.get(),
        is_complete: executions < bounds.executions && begin.elapsed() < bounds.time,
        has_killed: HAS_KILLED.get(),
        failure: result.err(),
    }
}

/// Runs `threads` side by side, in every order and with every value that the checker allows; what
/// each returns. Afterwards the memory is what the last of them left.
pub fn explore<T: Send + 'static, const N: usize>(threads: [Body<T>; N]) -> [T; N] {
    THREADS.set(N);
    table::begin(STOCK.get());
    let handles = threads.map(spawn);
    loom::explore();
    let results = handles.map(|handle| handle.join().expect("a failure ends the whole execution"));
    loom::stop_exploring();
    table::end();
    results
}

fn spawn<T: Send + 'static>(body: Body<T>) -> loom::thread::JoinHandle<T> {
    loom::thread::Builder::new()
        .stack_size(STACK_BYTES / size_of::<usize>())
        .spawn(move || {
            let value = body();
            local::drop_own();
            value
        })
        .expect("the checker has room for another thread")
}

/// Does `act` on the calling thread, which is killed before its next change but `changes`: then it
/// changes nothing any more, and `None` is returned. Of one exploration, one thread is mortal.
pub fn mortal<T>(changes: usize, act: impl FnOnce() -> T) -> Option<T> {
    DOOM.set(Some((loom::thread::current().id(), changes)));
    let result = catch_unwind(AssertUnwindSafe(act));
    DOOM.set(None);
    match result {
        Ok(value) => Some(value),
        Err(cause) if cause.is::<Killed>() => {
            KILLED.set(false);
            None
        }
        Err(cause) => resume_unwind(cause),
    }
}

/// Whether the calling thread is one that was killed, on its way out.
pub(super) fn is_killed() -> bool {
    KILLED.get()
}

/// What a thread unwinds with that was killed: it changes nothing any more.
struct Killed;

pub(super) fn before_change() {
    let Some((thread, left)) = DOOM.take() else { return };
    if loom::thread::current().id() != thread {
        DOOM.set(Some((thread, left)));
    } else if left == 0 {
        KILLED.set(true);
        HAS_KILLED.set(true);
        resume_unwind(Box::new(Killed));
    } else {
        DOOM.set(Some((thread, left - 1)));
    }
}
