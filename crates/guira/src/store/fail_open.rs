//! Going on without a store that fails.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::layer::{Around, Operation, Outcome};
use crate::error::Error;

/// A layer that turns errors into what a cache would say that holds nothing, so that a program goes on, slower,
/// when its cache is away. Errors of the caller (a key or a value without an encoding, a wrong lifetime) stay
/// errors.
///
/// So do errors of removals ([`Operation::is_removal`]), which are always asked for: a value that was to be
/// invalidated, and was not, would be read when the store is back. A put that could not be made leaves the old value.
///
/// After so many errors in a row the circuit is open: the store is not asked for a while, and then by one call
/// at a time, until one succeeds.
#[derive(Debug)]
pub struct FailOpen {
    errors_to_open: u32,
    pause: Duration,
    began: Instant,
    errors_in_a_row: AtomicU32,
    /// When the store is asked again, in nanoseconds since `began`; 0 while the circuit is closed.
    closed_again_ns: AtomicU64,
    errors: AtomicU64,
    not_asked: AtomicU64,
}

impl Default for FailOpen {
    /// Open after 5 errors, for a second.
    fn default() -> Self {
        Self::new(5, Duration::from_secs(1))
    }
}

impl FailOpen {
    /// Open after `errors_to_open` errors in a row (0 is as 1), for `pause`.
    #[must_use]
    pub fn new(errors_to_open: u32, pause: Duration) -> Self {
        Self {
            errors_to_open: errors_to_open.max(1),
            pause,
            began: Instant::now(),
            errors_in_a_row: AtomicU32::new(0),
            closed_again_ns: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            not_asked: AtomicU64::new(0),
        }
    }

    /// Errors that were turned into misses and the like.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Calls that were answered without asking the store.
    #[must_use]
    pub fn not_asked(&self) -> u64 {
        self.not_asked.load(Ordering::Relaxed)
    }

    /// Whether the store is not asked at present.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed_again_ns.load(Ordering::Relaxed) > self.now_ns()
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// When the circuit closes if it is opened now; not 0.
    fn pause_ends_ns(&self) -> u64 {
        let pause_ns = u64::try_from(self.pause.as_nanos()).unwrap_or(u64::MAX);
        self.now_ns().saturating_add(pause_ns).max(1)
    }

    /// Whether this call may ask the store.
    fn may_ask(&self) -> bool {
        let closed_again_ns = self.closed_again_ns.load(Ordering::Relaxed);
        if closed_again_ns == 0 {
            return true;
        }
        // One call tries; it keeps the others off for another pause.
        closed_again_ns <= self.now_ns()
            && self
                .closed_again_ns
                .compare_exchange(
                    closed_again_ns,
                    self.pause_ends_ns(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    fn succeeded(&self) {
        if self.errors_in_a_row.load(Ordering::Relaxed) != 0 {
            self.errors_in_a_row.store(0, Ordering::Relaxed);
            self.closed_again_ns.store(0, Ordering::Relaxed);
        }
    }

    fn failed(&self, operation: Operation, error: &Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let in_a_row = self
            .errors_in_a_row
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if in_a_row >= self.errors_to_open {
            if in_a_row == self.errors_to_open {
                tracing::warn!(operation = operation.name(), %error, "a cache fails and is not asked for a while");
            }
            self.closed_again_ns
                .store(self.pause_ends_ns(), Ordering::Relaxed);
        }
    }
}

impl Around for FailOpen {
    fn around<T: Outcome>(
        &self,
        operation: Operation,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        if !operation.is_removal() && !self.may_ask() {
            self.not_asked.fetch_add(1, Ordering::Relaxed);
            return Ok(T::of_nothing());
        }
        match call() {
            Ok(outcome) => {
                self.succeeded();
                Ok(outcome)
            }
            // It says nothing of the store.
            Err(error) if error.is_of_the_caller() => Err(error),
            Err(error) => {
                self.failed(operation, &error);
                if operation.is_removal() {
                    Err(error)
                } else {
                    Ok(T::of_nothing())
                }
            }
        }
    }
}
