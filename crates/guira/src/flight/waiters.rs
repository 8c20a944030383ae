//! Waiting for flights, and for other hosts' computations, without blocking a task: a few threads of the process wait
//! for all tasks, and for crowds of threads ([`super::crowd`]).
//!
//! A task leaves what it waits for as a *watch*; tasks that wait for the same flight share one. A thread takes
//! a watch, waits on the flight's futex for a slice, and puts it back if the flight is still under way. While
//! there are no more watches than threads, each is waited for all the time and its tasks are woken at once;
//! beyond that the threads go round with short slices, and a landing is noticed some milliseconds later.
//! (One thread on the futexes of all flights would need `futex_waitv`, Linux 5.16, and the engine's words; and
//! a leader's life has to be probed for each flight anyway.)
//!
//! The threads hold no flight: if the engine hands a dead leader's flight to one, it ends the flight, and the
//! woken tasks look again. Threads start when they are needed and end after ten seconds without work. In a
//! forked child there are none; its first wait begins anew.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use guira_segment::{FillToken, Flight, FlightEnd, LeaseStep, Segment};

use super::records::KeyId;
use crate::per_process::PerProcess;

const MAX_THREADS: usize = 8;
const IDLE_LIFE: Duration = Duration::from_secs(10);
/// The slice of a wait while every watch has a thread.
const CALM_SLICE: Duration = Duration::from_millis(50);
/// The slice while watches take turns.
const BUSY_SLICE: Duration = Duration::from_millis(1);

/// What is waited for.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) segment: Segment,
    pub(crate) id: KeyId,
    pub(crate) what: What,
}

/// Of the key.
#[derive(Debug)]
pub(crate) enum What {
    /// A computation on this host.
    Flight {
        key: Box<[u8]>,
        token: FillToken,
        patience: Duration,
        number: u128,
    },
    /// What the cluster says of one: the number of the lease that was asked for.
    Lease(u64),
}

impl What {
    const fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Flight { number, .. }, Self::Flight { number: other, .. }) => *number == *other,
            (Self::Lease(number), Self::Lease(other)) => *number == *other,
            _ => false,
        }
    }
}

/// Completes when what is waited for has come or `until` has passed.
#[derive(Debug)]
pub(crate) struct Landed {
    watch: Arc<Watch>,
    ticket: u64,
    until: Option<Instant>,
}

/// What became of a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Watched {
    /// It landed, or somebody is to look.
    Landed,
    /// The time has passed.
    Enough,
    /// The system gives no thread to watch it.
    Nobody,
}

#[derive(Debug)]
struct Watch {
    target: Target,
    /// Set before the tasks are woken: all of a crowd look at once, and none waits for the lock.
    has_landed: AtomicBool,
    /// The system gave no thread for it.
    is_unwatched: AtomicBool,
    /// Threads that sleep on the flight's futex, and are woken by it.
    sleepers: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_ticket: u64,
    tasks: Vec<Task>,
}

#[derive(Debug)]
struct Task {
    ticket: u64,
    until: Option<Instant>,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct Desk {
    board: Mutex<Board>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct Board {
    /// Watched by somebody or in the queue.
    watches: Vec<Arc<Watch>>,
    queue: VecDeque<Arc<Watch>>,
    threads: usize,
    idle: usize,
}

static DESK: PerProcess<Desk> = PerProcess::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No user code runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A flight is watched for a thread that sleeps on its futex, while this lives.
#[derive(Debug)]
pub(crate) struct Sleeper(Arc<Watch>);

/// A future of the landing of a flight.
pub(crate) fn landed(target: Target, until: Option<Instant>) -> Landed {
    let (watch, ticket) = watched(target, |watch| watch.enlist(until));
    Landed { watch, ticket, until }
}

/// Has the flight watched for a sleeping thread, so that somebody sees to its leader's death. None if there is nobody
/// to do it.
pub(crate) fn sleeper(target: Target) -> Option<Sleeper> {
    let (watch, ()) = watched(target, |watch| {
        watch.sleepers.fetch_add(1, Ordering::Relaxed);
    });
    let sleeper = Sleeper(watch);
    let is_watched = !sleeper.has_landed() && !sleeper.0.is_unwatched.load(Ordering::Relaxed);
    is_watched.then_some(sleeper)
}

/// The watch of a flight; `join` makes sure that it is wanted.
fn watched<J>(target: Target, join: impl FnOnce(&Watch) -> J) -> (Arc<Watch>, J) {
    let desk = DESK.get();
    let mut board = lock(&desk.board);
    let known = board
        .watches
        .iter()
        .find(|watch| watch.target.id == target.id && watch.target.what.is_same_as(&target.what));
    let watch = match known {
        Some(watch) => Arc::clone(watch),
        None => {
            let watch = Arc::new(Watch {
                target,
                has_landed: AtomicBool::new(false),
                is_unwatched: AtomicBool::new(false),
                sleepers: AtomicUsize::new(0),
                state: Mutex::default(),
            });
            board.watches.push(Arc::clone(&watch));
            board.queue.push_back(Arc::clone(&watch));
            watch
        }
    };
    let joined = join(&watch);
    if board.idle < board.queue.len() && board.threads < MAX_THREADS {
        let desk = Arc::clone(&desk);
        let thread = std::thread::Builder::new().name("guira-waiter".to_owned());
        match thread.spawn(move || run(&desk)) {
            Ok(_) => board.threads += 1,
            // The watch stays in the queue for the threads there are; without any nobody would wake the tasks.
            Err(error) if board.threads == 0 => {
                tracing::error!(%error, "no thread to wait for computations");
                board.queue.clear();
                board.watches.clear();
                // No task has left a waker yet: it was new, and the desk is locked.
                watch.is_unwatched.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
    }
    desk.work.notify_one();
    (watch, joined)
}

/// Takes watches and waits for them, until there was none for a while.
fn run(desk: &Desk) {
    let mut board = lock(&desk.board);
    loop {
        if let Some(watch) = board.queue.pop_front() {
            let slice = if board.queue.is_empty() {
                CALM_SLICE
            } else {
                BUSY_SLICE
            };
            drop(board);
            let is_under_way = watch.wait(slice);
            board = lock(&desk.board);
            if is_under_way && watch.is_wanted() {
                board.queue.push_back(watch);
            } else {
                board.watches.retain(|other| !Arc::ptr_eq(other, &watch));
                // Under the desk's lock: nobody can join the watch any more.
                let wakers = watch.land();
                drop(board);
                // Not under it: a waker does what its runtime likes, and may come here again.
                wakers.into_iter().for_each(Waker::wake);
                board = lock(&desk.board);
            }
            continue;
        }
        board.idle += 1;
        let (woken, timeout) = desk
            .work
            .wait_timeout(board, IDLE_LIFE)
            .unwrap_or_else(PoisonError::into_inner);
        board = woken;
        board.idle -= 1;
        if timeout.timed_out() && board.queue.is_empty() {
            board.threads -= 1;
            return;
        }
    }
}

impl Watch {
    fn enlist(&self, until: Option<Instant>) -> u64 {
        let mut state = lock(&self.state);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.tasks.push(Task {
            ticket,
            until,
            waker: None,
        });
        ticket
    }

    fn has_landed(&self) -> bool {
        // Acquire: pairs with the Release in `land`.
        self.has_landed.load(Ordering::Acquire)
    }

    fn is_wanted(&self) -> bool {
        self.sleepers.load(Ordering::Relaxed) != 0 || !lock(&self.state).tasks.is_empty()
    }

    /// Waits for at most `slice`; whether the flight is still under way.
    fn wait(&self, slice: Duration) -> bool {
        let target = &self.target;
        let now = Instant::now();
        let slice = self
            .wake_overdue(now)
            .map_or(slice, |next| slice.min(next.saturating_duration_since(now)));
        match &target.what {
            What::Flight {
                key,
                token,
                patience,
                number,
            } => match target.segment.flight(key, token, *patience) {
                Flight::Wait(flight) if flight.number() == *number => {
                    matches!(flight.wait(slice), FlightEnd::TimedOut)
                }
                // A flight that this thread was given ends here.
                Flight::Wait(_) | Flight::Lead(_) | Flight::Alone => false,
            },
            What::Lease(number) => {
                let step = target.segment.wait_for_lease(*number, slice);
                matches!(step, LeaseStep::Wanted | LeaseStep::Busy)
            }
        }
    }

    /// Wakes the tasks that have waited enough; when the next one will have.
    fn wake_overdue(&self, now: Instant) -> Option<Instant> {
        let mut wakers = Vec::new();
        let mut next = None;
        for task in &mut lock(&self.state).tasks {
            match task.until {
                Some(until) if until <= now => wakers.extend(task.waker.take()),
                Some(until) => next = Some(next.map_or(until, |next: Instant| next.min(until))),
                None => {}
            }
        }
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    /// Whom to wake.
    fn land(&self) -> Vec<Waker> {
        let mut state = lock(&self.state);
        // Release: pairs with the Acquire of a task that looks; what landed is before it. Under the lock, so that no
        // task leaves a waker after they were taken.
        self.has_landed.store(true, Ordering::Release);
        state
            .tasks
            .iter_mut()
            .filter_map(|task| task.waker.take())
            .collect()
    }
}

impl Future for Landed {
    type Output = Watched;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Watched> {
        if self.watch.has_landed() {
            return Poll::Ready(Watched::Landed);
        }
        let mut state = lock(&self.watch.state);
        if self.watch.has_landed() {
            return Poll::Ready(Watched::Landed);
        }
        if self.until.is_some_and(|until| until <= Instant::now()) {
            return Poll::Ready(Watched::Enough);
        }
        if self.watch.is_unwatched.load(Ordering::Relaxed) {
            return Poll::Ready(Watched::Nobody);
        }
        if let Some(task) = state.tasks.iter_mut().find(|task| task.ticket == self.ticket) {
            match &mut task.waker {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
        }
        Poll::Pending
    }
}

impl Sleeper {
    /// Whether nobody watches any more.
    pub(crate) fn has_landed(&self) -> bool {
        self.0.has_landed()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.sleepers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Landed {
    fn drop(&mut self) {
        if self.watch.has_landed() {
            return;
        }
        lock(&self.watch.state)
            .tasks
            .retain(|task| task.ticket != self.ticket);
    }
}
