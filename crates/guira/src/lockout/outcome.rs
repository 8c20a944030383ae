//! What a lockout answers.

use std::sync::Arc;
use std::time::Duration;

/// Whether an action is allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "an action that is not allowed must not be done"]
pub enum Verdict {
    /// No rule forbids it.
    Allowed,
    /// A rule has locked it; of several, the one that does so for longest.
    Locked(Lock),
    /// The segment cannot say, and [`WhenUnavailable::Forbid`] was chosen.
    Unavailable,
}

impl Verdict {
    /// Whether it is allowed.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed)
    }

    /// The stricter of the two.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unavailable, _) | (_, Self::Unavailable) => Self::Unavailable,
            (Self::Locked(one), Self::Locked(other)) if other.time_left > one.time_left => {
                Self::Locked(other)
            }
            (Self::Locked(one), _) => Self::Locked(one),
            (Self::Allowed, other) => other,
        }
    }
}

/// A lock that a rule put on one of its keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lock {
    pub(super) rule: Arc<str>,
    pub(super) time_left: Duration,
}

impl Lock {
    /// The rule's name.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// How long it holds from now on.
    #[must_use]
    pub const fn time_left(&self) -> Duration {
        self.time_left
    }
}

/// What is answered when the segment fails: it was truncated, has no room, or no namespace left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhenUnavailable {
    /// The error, and the caller decides.
    #[default]
    Fail,
    /// Allow, and count nothing (fail open). It is said once in the log, and counted in
    /// [`Lockout::unavailable`](super::Lockout::unavailable).
    Allow,
    /// Forbid: [`Verdict::Unavailable`] (fail closed). Told in the same way.
    Forbid,
}

/// What a rule knows of one of its keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleState {
    pub(super) rule: Arc<str>,
    pub(super) count: u32,
    pub(super) limit: u32,
    pub(super) time_left: Option<Duration>,
}

impl RuleState {
    /// The rule's name.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Events counted in this window; as many as the limit where it is locked.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many events lock it.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Whether it is locked.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.count >= self.limit
    }

    /// To the end of the lock, or of the window that is counted in; `None` where nothing was counted.
    #[must_use]
    pub const fn time_left(&self) -> Option<Duration> {
        self.time_left
    }
}
