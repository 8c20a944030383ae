//! What is counted, up to which limit, and what follows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::error::KeyError;
use crate::key::KeyBytes;

type KeyOf<S> = Box<dyn Fn(&S) -> Result<KeyBytes, KeyError> + Send + Sync>;

/// So many events of a key within a window lock that key. A subject may have several keys: the user who logs in,
/// the address it is done from.
pub struct Rule<S: ?Sized> {
    pub(super) name: Arc<str>,
    pub(super) key_of: KeyOf<S>,
    pub(super) limit: u32,
    pub(super) window: Duration,
    pub(super) lock: Option<Duration>,
    pub(super) is_kept_on_success: bool,
}

impl<S: ?Sized> Rule<S> {
    /// Locks the key that `key_of` gives of a subject once `limit` of its events were counted within `window`,
    /// which begins with the first of them, for the rest of that window. `name` tells it from the other rules, in
    /// all processes.
    #[must_use]
    pub fn new(
        name: &str,
        limit: u32,
        window: Duration,
        key_of: impl Fn(&S) -> Result<KeyBytes, KeyError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            key_of: Box::new(key_of),
            limit,
            window,
            lock: None,
            is_kept_on_success: false,
        }
    }

    /// As [`Rule::new`], where the subject itself is the key.
    #[must_use]
    pub fn of_subject(name: &str, limit: u32, window: Duration) -> Self
    where
        S: Serialize,
    {
        Self::new(name, limit, window, |subject| KeyBytes::of(subject))
    }

    /// How long a lock holds, from the event that reaches the limit.
    #[must_use]
    pub fn lock_for(self, lock: Duration) -> Self {
        Self {
            lock: Some(lock),
            ..self
        }
    }

    /// Keeps its counts and locks over a success and [`Lockout::reset`](super::Lockout::reset); only
    /// [`Lockout::force_reset`](super::Lockout::force_reset) clears them.
    #[must_use]
    pub fn kept_on_success(self) -> Self {
        Self {
            is_kept_on_success: true,
            ..self
        }
    }

    /// What is wrong with it, if anything.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if self.name.is_empty() || self.name.len() > super::ledger::MAX_NAME_BYTES {
            Some("a rule's name has 1 to 200 bytes")
        } else if self.limit == 0 {
            Some("a rule's limit is zero; 1 locks at the first event")
        } else if self.window.is_zero() || self.lock.is_some_and(|lock| lock.is_zero()) {
            Some("a rule's window or lock lasts no time; give it some")
        } else {
            None
        }
    }
}

impl<S: ?Sized> fmt::Debug for Rule<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .field("window", &self.window)
            .field("lock", &self.lock)
            .field("is_kept_on_success", &self.is_kept_on_success)
            .finish_non_exhaustive()
    }
}
