//! A guard around an action: what was not said to be a success is counted as a failure.

use std::fmt;

use super::outcome::{Lock, Verdict};
use super::policy::Lockout;
use crate::error::Error;

/// Whether an action may be attempted.
#[must_use = "an action that is not allowed must not be done"]
pub enum Attempt<'l, S: ?Sized> {
    /// Nothing forbids it. What comes of it is told to the guard.
    Allowed(Guard<'l, S>),
    /// A rule has locked it.
    Locked(Lock),
    /// The segment cannot say, and [`WhenUnavailable::Forbid`](super::WhenUnavailable::Forbid) was chosen.
    Unavailable,
}

/// Counts a failure when it is dropped, by `?`, a panic or otherwise, before it was told what came of the action.
pub struct Guard<'l, S: ?Sized> {
    lockout: &'l Lockout<S>,
    subject: &'l S,
    is_settled: bool,
}

impl<'l, S: ?Sized> Guard<'l, S> {
    pub(super) const fn new(lockout: &'l Lockout<S>, subject: &'l S) -> Self {
        Self {
            lockout,
            subject,
            is_settled: false,
        }
    }

    /// It succeeded: forgets counts and locks of the subject, under rules that are not
    /// [kept](super::Rule::kept_on_success).
    ///
    /// # Errors
    /// As [`Lockout::reset`].
    pub fn success(mut self) -> Result<(), Error> {
        self.is_settled = true;
        self.lockout.reset(self.subject).map(drop)
    }

    /// It failed: counts that, and says whether the subject is locked now.
    ///
    /// # Errors
    /// As [`Lockout::count`].
    pub fn failure(mut self) -> Result<Verdict, Error> {
        self.is_settled = true;
        self.lockout.count(self.subject)
    }

    /// It came to nothing that the subject is to blame for: counts and forgets nothing.
    pub fn cancel(mut self) {
        self.is_settled = true;
    }
}

impl<S: ?Sized> Drop for Guard<'_, S> {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        if let Err(error) = self.lockout.count(self.subject) {
            tracing::error!(lockout = self.lockout.name(), %error, "a failure was not counted");
        }
    }
}

impl<S: ?Sized> fmt::Debug for Attempt<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(guard) => f.debug_tuple("Allowed").field(guard).finish(),
            Self::Locked(lock) => f.debug_tuple("Locked").field(lock).finish(),
            Self::Unavailable => f.write_str("Unavailable"),
        }
    }
}

impl<S: ?Sized> fmt::Debug for Guard<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("lockout", self.lockout)
            .finish_non_exhaustive()
    }
}
