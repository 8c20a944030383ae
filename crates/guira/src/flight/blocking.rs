//! A call that blocks its thread while somebody else computes.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use guira_segment::FlightEnd;

use super::asking::{Asking, Place, Turn, Waited, Waiting};
use super::below::Below;
use super::cluster::Asked;
use super::computation::{Basis, Computation};
use super::crowd;
use super::manner::{Manner, Values};
use super::records::KeyId;
use super::tally::count;
use super::waiters::sleeper;
use crate::dependency::{Collecting, Declared};
use crate::failure::Failure;

/// The longest wait that is asked of the engine at once.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Slices of a wait from within a computation, between which is looked whether it has become endless.
const FIRST_SLICE: Duration = Duration::from_millis(5);
const LAST_SLICE: Duration = Duration::from_secs(1);
/// Between two looks of a thread of a crowd whether somebody still watches.
const SLEEP: Duration = Duration::from_secs(1);

/// The answer to `asking`, computed by `compute` if this caller has to.
///
/// # Errors
/// What `compute` returns, and what `manner` makes of the failure of somebody else's computation.
pub(crate) fn answer_blocking<V, E>(
    mut asking: Asking<'_, V>,
    values: &impl Values<V>,
    manner: Manner<E>,
    compute: impl FnOnce() -> Result<V, E>,
) -> Result<V, E> {
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
                turn = asking.after(waiting.block_counted(), values);
            }
        }
    };
    compute_blocking(asking, computation, values, manner, compute)
}

/// Computes, stores and tells.
///
/// # Errors
/// What `compute` returns.
pub(crate) fn compute_blocking<V, E>(
    mut asking: Asking<'_, V>,
    computation: Computation<'_>,
    values: &impl Values<V>,
    manner: Manner<E>,
    compute: impl FnOnce() -> Result<V, E>,
) -> Result<V, E> {
    let computation = match computation.ask_below(values) {
        Below::Found(value) => return Ok(value),
        Below::Compute(computation) => computation,
    };
    let (computation, lease) = match computation.ask_cluster(values) {
        Asked::Found(value) => return Ok(value),
        Asked::Compute(computation, lease) => (computation, lease),
    };
    let entered = computation.enter();
    let collecting = Collecting::begin(Declared::default());
    let outcome = catch_unwind(AssertUnwindSafe(compute));
    let declared = collecting.end();
    drop(entered);
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

/// The value of another host, without computing it.
pub(crate) fn fetch_blocking<V>(place: Place<'_>, wait: Duration, values: &impl Values<V>) -> Option<V> {
    let basis = Basis::now(place.segment, place.key);
    let id = KeyId::of(place.segment, place.key);
    Computation::new(place, id, basis, None, false).fetch(wait, values)
}

impl<'c> Waiting<'c> {
    /// As `block`, and counts it.
    pub(super) fn block_counted(self) -> Waited<'c> {
        let flights = self.place.flights;
        let began = Instant::now();
        count(&flights.tally.waits);
        let waited = self.block();
        flights.tally.waiting.add(began.elapsed());
        waited
    }

    /// Blocks until the flight landed, or the caller leads, or has waited enough.
    fn block(self) -> Waited<'c> {
        let number = self.flight.number();
        let member = crowd::join(self.id, number);
        if !member.is_in_front
            && self.edge.is_none()
            && let Some(waited) = self.sleep_in_crowd(number)
        {
            return waited;
        }
        let mut slice = if self.edge.is_some() { FIRST_SLICE } else { LONGEST };
        loop {
            let now = Instant::now();
            let left = self
                .until
                .map_or(LONGEST, |until| until.saturating_duration_since(now));
            if left.is_zero() {
                return Waited::Enough;
            }
            match self.flight.wait(left.min(slice)) {
                FlightEnd::Landed => return Waited::Landed(number),
                FlightEnd::TakenOver(lead) => return Waited::TakenOver(lead),
                FlightEnd::TimedOut => {}
            }
            if let Some(edge) = &self.edge {
                if edge.look().is_err() {
                    return Waited::Endless;
                }
                slice = (slice * 4).min(LAST_SLICE);
            }
        }
    }

    /// Sleeps, while another thread looks at the leader's life. None if there is no such thread.
    fn sleep_in_crowd(&self, number: u128) -> Option<Waited<'c>> {
        let sleeper = sleeper(self.target())?;
        while !sleeper.has_landed() {
            let left = self
                .until
                .map_or(LONGEST, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Some(Waited::Enough);
            }
            if self.flight.sleep(left.min(SLEEP)) {
                return Some(Waited::Landed(number));
            }
        }
        None
    }
}
