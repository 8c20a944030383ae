//! A call that awaits while somebody else computes, in a task of whatever runtime.
//!
//! Nothing blocks in a poll: the engine's steps are lock-free and bounded, and waits are left to the threads of
//! [`super::waiters`]. A future that is dropped gives up what it had: as a waiter it leaves, as the one that
//! computes it ends the flight, and one of the waiters computes.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use super::asking::{Asking, Turn, Waited, Waiting};
use super::below::Below;
use super::cluster::Asked;
use super::computation::Computation;
use super::entangled;
use super::manner::{Manner, Values};
use super::records::KeyId;
use super::tally::count;
use super::waiters::{Watched, landed};
use crate::dependency::{Collecting, Declared};
use crate::failure::Failure;

/// Slices of a wait from within a computation, between which is looked whether it has become endless.
const FIRST_SLICE: Duration = Duration::from_millis(5);
const LAST_SLICE: Duration = Duration::from_secs(1);

/// The answer to `asking`, computed by the future of `compute` if this caller has to.
///
/// # Errors
/// What the future returns, and what `manner` makes of the failure of somebody else's computation.
pub(crate) async fn answer_awaiting<V, E, F>(
    mut asking: Asking<'_, V>,
    values: &impl Values<V>,
    manner: Manner<E>,
    compute: impl FnOnce() -> F,
) -> Result<V, E>
where
    F: Future<Output = Result<V, E>>,
{
    let mut turn = asking.turn(values);
    let computation = loop {
        match turn {
            Turn::Have(value) => return Ok(value),
            Turn::Told(failure) => match (manner.adopt)(failure) {
                Some(error) => return Err(error),
                None => break asking.uncoordinated(),
            },
            Turn::Compute(computation) => break computation,
            Turn::Wait(waiting) => {
                let flights = waiting.place.flights;
                let began = Instant::now();
                count(&flights.tally.waits);
                let waited = waiting.awaited().await;
                flights.tally.waiting.add(began.elapsed());
                turn = asking.after(waited, values);
            }
        }
    };
    compute_awaiting(asking, computation, values, manner, compute).await
}

/// Computes, stores and tells.
///
/// # Errors
/// What the future of `compute` returns.
pub(crate) async fn compute_awaiting<V, E, F>(
    mut asking: Asking<'_, V>,
    computation: Computation<'_>,
    values: &impl Values<V>,
    manner: Manner<E>,
    compute: impl FnOnce() -> F,
) -> Result<V, E>
where
    F: Future<Output = Result<V, E>>,
{
    let computation = match computation.ask_below(values) {
        Below::Found(value) => return Ok(value),
        Below::Compute(computation) => computation,
    };
    let (computation, lease) = match computation.ask_cluster_awaiting(values).await {
        Asked::Found(value) => return Ok(value),
        Asked::Compute(computation, lease) => (computation, lease),
    };
    let (outcome, declared) = Inside {
        id: computation.id(),
        declared: Declared::default(),
        future: Box::pin(async { compute().await }),
    }
    .await;
    match outcome {
        Ok(Ok(value)) => {
            computation.land(&value, &declared, values);
            if let Some(lease) = lease {
                lease.done();
            }
            Ok(value)
        }
        Ok(Err(error)) => {
            computation.fail(&declared, || (manner.describe)(&error));
            asking.stale_on_error().ok_or(error)
        }
        Err(panic) => {
            computation.fail(&declared, || Failure::of_panic(&*panic));
            resume_unwind(panic)
        }
    }
}

impl<'c> Waiting<'c> {
    /// Until the flight landed or the caller has waited enough.
    async fn awaited(self) -> Waited<'c> {
        let number = self.flight.number();
        let mut slice = FIRST_SLICE;
        loop {
            let slice_end = self.edge.as_ref().and_then(|_| Instant::now().checked_add(slice));
            let wake_at = match (self.until, slice_end) {
                (Some(until), Some(end)) => Some(until.min(end)),
                (until, end) => until.or(end),
            };
            match landed(self.target(), wake_at).await {
                Watched::Landed => return Waited::Landed(number),
                Watched::Enough => {}
                // A task must not block instead.
                Watched::Nobody => return Waited::Endless,
            }
            if self.until.is_some_and(|until| until <= Instant::now()) {
                return Waited::Enough;
            }
            if self.edge.as_ref().is_some_and(|edge| edge.look().is_err()) {
                return Waited::Endless;
            }
            slice = (slice * 4).min(LAST_SLICE);
        }
    }
}

/// A future that is a computation wherever it is polled; a panic is its output, and what it declared.
struct Inside<F> {
    id: KeyId,
    declared: Declared,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Inside<F> {
    type Output = (thread::Result<F::Output>, Declared);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _entered = entangled::enter(self.id);
        let collecting = Collecting::begin(mem::take(&mut self.declared));
        let future = self.future.as_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(context)));
        let declared = collecting.end();
        match polled {
            Ok(Poll::Pending) => {
                self.declared = declared;
                Poll::Pending
            }
            Ok(Poll::Ready(output)) => Poll::Ready((Ok(output), declared)),
            Err(panic) => Poll::Ready((Err(panic), declared)),
        }
    }
}
