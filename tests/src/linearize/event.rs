//! What a history is made of: an operation on a key, when it began and ended, and what it answered.

use serde::{Deserialize, Serialize};

/// The lifetime that an operation gives, ms; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// To the hard deadline.
    pub hard_ms: u32,
    /// To the soft deadline.
    pub soft_ms: u32,
}

/// A value that is written, and what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct New {
    /// The number that the value's bytes stand for, see `value`.
    pub value: u64,
    /// Its tag, 0 for none.
    pub tag: u8,
    /// Its lifetime.
    pub life: Life,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// `get`, `get_into`, one key of `get_many`, `metadata`, the look of a `lookup`.
    Read,
    /// `fill_token`, or the token of a `lookup`.
    Token,
    /// `put`.
    Put(New),
    /// `add`.
    Add(New),
    /// `replace`.
    Replace(New),
    /// `compare_and_swap`: with the value and the version that were read before.
    Swap {
        /// The value that had the version.
        expected: u64,
        /// The version.
        version: u64,
        /// What is to take its place.
        new: New,
    },
    /// `fill`.
    Fill {
        /// When the operation began that gave the token.
        token_began_ns: u64,
        /// The stale value that came with the token.
        refreshes: Option<u64>,
        /// What was computed.
        new: New,
    },
    /// `increment`.
    Increment {
        /// What is added.
        delta: i64,
        /// What is stored if there is nothing.
        initial: Option<i64>,
        /// The lifetime in that case.
        life: Life,
    },
    /// `append`.
    Append {
        /// The number of the suffix.
        suffix: u64,
    },
    /// `touch`.
    Touch(Life),
    /// `expire`.
    Expire,
    /// `remove`.
    Remove,
    /// `invalidate`.
    Invalidate,
    /// `invalidate_tag`.
    InvalidateTag(u8),
    /// `clear` of the key's namespace, or `clear_all`.
    Clear,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// A value; what of it was seen.
    Hit {
        /// Its number.
        value: Option<u64>,
        /// Its version.
        version: Option<u64>,
        /// Whether it was marked stale.
        stale: Option<bool>,
    },
    /// No value.
    Miss,
    /// Stored.
    Stored,
    /// There is a value: nothing stored.
    Exists,
    /// There is none: nothing stored.
    NotFound,
    /// Another version is there: nothing stored.
    Conflict(u64),
    /// Superseded.
    Superseded,
    /// An error.
    Failed,
    /// What an increment came to.
    Sum(i64),
    /// Whether there was a value.
    Was(bool),
    /// It has no answer.
    Done,
}

/// An operation on one key, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The row of the tape: a thread of an incarnation of a worker.
    pub client: u32,
    /// The thread's place; a thread that takes over after a death has the same.
    pub seat: u8,
    /// The key.
    pub key: u8,
    /// Read from the boot-time clock before the call.
    pub began_ns: u64,
    /// Read after it; `None` if the process was killed first.
    pub ended_ns: Option<u64>,
    /// When the process was seen dead; only without an end.
    pub gone_ns: Option<u64>,
    /// What was asked.
    pub action: Action,
    /// What was answered; only with an end.
    pub outcome: Option<Outcome>,
}

impl Event {
    /// Whether it took away what was there.
    #[must_use]
    pub const fn is_removal(&self) -> bool {
        match self.action {
            Action::Remove | Action::Invalidate => true,
            Action::Put(_) | Action::Replace(_) => {
                matches!(self.outcome, None | Some(Outcome::Superseded | Outcome::Failed))
            }
            _ => false,
        }
    }

    /// Whether it may have written a value.
    #[must_use]
    pub const fn may_write(&self) -> bool {
        let writes = !matches!(
            self.action,
            Action::Read
                | Action::Token
                | Action::Expire
                | Action::Remove
                | Action::Invalidate
                | Action::InvalidateTag(_)
                | Action::Clear
        );
        writes && matches!(self.outcome, None | Some(Outcome::Stored | Outcome::Sum(_)))
    }

    /// Whether it may have written over a value.
    #[must_use]
    pub const fn overwrites(&self) -> bool {
        let inserts = matches!(self.action, Action::Add(_) | Action::Fill { refreshes: None, .. });
        self.may_write() && !inserts
    }

    /// Whether it may have written something while `other`, which is not itself, ran.
    #[must_use]
    pub fn may_write_during(&self, other: &Self) -> bool {
        (self.may_write() || self.superseded_value().is_some()) && self.overlaps(other)
    }

    /// Whether both, which are not the same, were under way at one moment.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        (self.client, self.began_ns) != (other.client, other.began_ns)
            && other.ended_ns.is_none_or(|ended_ns| self.began_ns <= ended_ns)
            && self.ended_ns.is_none_or(|ended_ns| ended_ns >= other.began_ns)
    }

    /// What it was to write, if it answered that it did not.
    #[must_use]
    pub const fn superseded_value(&self) -> Option<u64> {
        match (self.new_value(), self.outcome) {
            (Some(new), Some(Outcome::Superseded | Outcome::Failed)) => Some(new.value),
            _ => None,
        }
    }

    /// What it was to write, if that was given.
    #[must_use]
    pub const fn new_value(&self) -> Option<New> {
        match self.action {
            Action::Put(new)
            | Action::Add(new)
            | Action::Replace(new)
            | Action::Swap { new, .. }
            | Action::Fill { new, .. } => Some(new),
            _ => None,
        }
    }

    /// The tag of what it was to write; 0 if it has none.
    #[must_use]
    pub const fn tag(&self) -> u8 {
        match self.new_value() {
            Some(new) => new.tag,
            None => 0,
        }
    }

    /// Whether the outcome tells something but the operation changes nothing.
    #[must_use]
    pub const fn is_look(&self) -> bool {
        matches!(self.action, Action::Read)
            || matches!(
                self.outcome,
                Some(Outcome::Exists | Outcome::NotFound | Outcome::Conflict(_))
            )
    }
}
