//! A computation that somebody else makes: awaited, or waited for.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

/// A computation under way elsewhere: a future of its outcome, which can be waited for without a runtime too. It
/// goes on if this is dropped.
///
/// ```
/// let guira = guira::Guira::builder().size(8 << 20).private()?;
/// let squares = guira.memoize("squares").function(|n: u64| n * n);
/// let computing = squares.future(7);
/// let Ok(square) = computing.wait(); // or: computing.await
/// assert_eq!(square, 49);
/// # Ok::<(), guira::Error>(())
/// ```
///
/// # Panics
/// A panic of the computation goes on in whoever waits.
#[derive(Debug)]
#[must_use = "it computes all the same, but nobody gets the outcome"]
pub struct Computing<T> {
    slot: Arc<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    state: Mutex<State<T>>,
    done: Condvar,
}

#[derive(Debug)]
struct State<T> {
    outcome: Option<thread::Result<T>>,
    waker: Option<Waker>,
}

/// The sender's side; dropped without an outcome, it says that the computation was given up.
#[derive(Debug)]
pub(crate) struct Handover<T> {
    slot: Arc<Slot<T>>,
}

/// Both sides of an outcome.
pub(crate) fn hand_over<T>() -> (Handover<T>, Computing<T>) {
    let slot = Arc::new(Slot {
        state: Mutex::new(State {
            outcome: None,
            waker: None,
        }),
        done: Condvar::new(),
    });
    let computing = Computing {
        slot: Arc::clone(&slot),
    };
    (Handover { slot }, computing)
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No user code runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, outcome: thread::Result<T>) {
        let mut state = self.lock();
        state.outcome.get_or_insert(outcome);
        let waker = state.waker.take();
        drop(state);
        self.done.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Handover<T> {
    /// Gives the outcome of `work`.
    pub(crate) fn give(self, work: impl FnOnce() -> T) {
        self.slot.set(catch_unwind(AssertUnwindSafe(work)));
    }

    /// Gives the outcome of `future`.
    pub(crate) async fn give_awaited(self, future: impl Future<Output = T>) {
        let mut future = pin!(future);
        let outcome = poll_fn(|context| {
            let future = future.as_mut();
            match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        })
        .await;
        self.slot.set(outcome);
    }
}

impl<T> Drop for Handover<T> {
    fn drop(&mut self) {
        let is_open = self.slot.lock().outcome.is_none();
        // After `give` there is an outcome, or it was taken already and this one is not looked at.
        if is_open {
            self.slot
                .set(Err(Box::new("the computation was given up by its runtime")));
        }
    }
}

impl<T> Computing<T> {
    /// Blocks until there is an outcome.
    pub fn wait(self) -> T {
        let mut state = self.slot.lock();
        loop {
            match state.outcome.take() {
                Some(Ok(value)) => return value,
                Some(Err(panic)) => {
                    drop(state);
                    resume_unwind(panic)
                }
                None => {
                    state = self.slot.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl<T> Future for Computing<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.slot.lock();
        match state.outcome.take() {
            Some(Ok(value)) => Poll::Ready(value),
            Some(Err(panic)) => {
                drop(state);
                resume_unwind(panic)
            }
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
