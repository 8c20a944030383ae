//! Running a model: executions, threads, and threads that are killed or stopped.

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

/// What an exploration came to, if no execution failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Explored {
    /// Executions looked at.
    pub executions: usize,
    /// Every execution within the bound of preemptions was looked at.
    pub is_complete: bool,
}

thread_local! {
    static STOCK: Cell<usize> = const { Cell::new(STOCK_WORDS) };
    /// Changes that the doomed thread still makes, if one is doomed.
    static DOOM: Cell<Option<(loom::thread::ThreadId, usize)>> = const { Cell::new(None) };
}

/// What a thread of a model does.
pub type Body<T> = Box<dyn FnOnce() -> T + Send>;

/// Looks at the executions of `model` until one panics, all were seen, or a bound is reached. The
/// model sets up its world, calls [`explore`], and judges.
pub fn check(bounds: &Bounds, model: impl Fn() + Send + Sync + 'static) -> Explored {
    let model = Arc::new(model);
    STOCK.set(STOCK_WORDS);
    loop {
        match check_once(bounds, Arc::clone(&model)) {
            Ok(explored) => return explored,
            Err(cause) if cause.is::<table::OutOfStock>() => STOCK.set(STOCK.get() * 2),
            Err(cause) => resume_unwind(cause),
        }
    }
}

fn check_once(
    bounds: &Bounds,
    model: Arc<impl Fn() + Send + Sync + 'static>,
) -> std::thread::Result<Explored> {
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
            model();
            local::drop_all();
        });
    }));
    table::forget();
    local::forget();
    let executions = executions.load(Ordering::Relaxed);
    result.map(|()| Explored {
        executions,
        is_complete: executions < bounds.executions && begin.elapsed() < bounds.time,
    })
}

/// Runs `threads` side by side, in every order and with every value that the checker allows; what
/// each returns, `None` for one that was killed. Afterwards the memory is what the last of them left.
pub fn explore<T: Send + 'static>(threads: Vec<Body<T>>) -> Vec<Option<T>> {
    table::begin(STOCK.get());
    let handles: Vec<_> = threads.into_iter().map(spawn).collect();
    loom::explore();
    let results = handles
        .into_iter()
        .map(|handle| handle.join().expect("a thread of a model ends or is killed"))
        .collect();
    loom::stop_exploring();
    table::end();
    results
}

fn spawn<T: Send + 'static>(body: Body<T>) -> loom::thread::JoinHandle<Option<T>> {
    loom::thread::Builder::new()
        .stack_size(STACK_BYTES / size_of::<usize>())
        .spawn(move || match catch_unwind(AssertUnwindSafe(body)) {
            Ok(value) => {
                local::drop_own();
                Some(value)
            }
            Err(cause) if cause.is::<Killed>() => None,
            Err(cause) => resume_unwind(cause),
        })
        .expect("the checker has room for another thread")
}

/// What a thread unwinds with that was killed: it changes nothing any more.
struct Killed;

/// The calling thread is killed before its next change but `changes`. Of one exploration, one thread.
pub fn die_after(changes: usize) {
    DOOM.set(Some((loom::thread::current().id(), changes)));
}

/// Whether the thread that was to die did not live to see its end.
pub fn has_died() -> bool {
    matches!(DOOM.take(), Some((_, usize::MAX)))
}

pub(super) fn before_change() {
    let Some((thread, left)) = DOOM.take() else { return };
    if left == usize::MAX || loom::thread::current().id() != thread {
        DOOM.set(Some((thread, left)));
    } else if left == 0 {
        DOOM.set(Some((thread, usize::MAX)));
        resume_unwind(Box::new(Killed));
    } else {
        DOOM.set(Some((thread, left - 1)));
    }
}
