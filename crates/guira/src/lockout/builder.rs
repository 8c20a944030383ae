//! How a lockout is set up.

use std::collections::BTreeSet;
use std::fmt;

use super::outcome::{Lock, WhenUnavailable};
use super::policy::Lockout;
use super::rule::Rule;
use crate::error::Error;
use crate::handle::Guira;

pub(super) type OnLock<S> = Box<dyn Fn(&S, &Lock) + Send + Sync>;

/// What a [`Lockout`] is made of.
pub struct LockoutBuilder<S: ?Sized> {
    name: Box<str>,
    guira: Guira,
    rules: Vec<Rule<S>>,
    on_lock: Option<OnLock<S>>,
    when_unavailable: WhenUnavailable,
}

impl Guira {
    /// A lockout or quota called `name` for subjects of type `S`: all that are called so, in whatever process,
    /// share what they count. See [`lockout`](crate::lockout).
    #[must_use]
    pub fn lockout<S: ?Sized>(&self, name: &str) -> LockoutBuilder<S> {
        LockoutBuilder {
            name: name.into(),
            guira: self.clone(),
            rules: Vec::new(),
            on_lock: None,
            when_unavailable: WhenUnavailable::default(),
        }
    }
}

impl<S: ?Sized> LockoutBuilder<S> {
    /// Adds a rule. Each event advances all of them; a lock of any forbids.
    #[must_use]
    pub fn rule(mut self, rule: Rule<S>) -> Self {
        self.rules.push(rule);
        self
    }

    /// What is called, after the event that locks, with its subject and the lock: once for each lock on the
    /// host, by the process that locks.
    #[must_use]
    pub fn on_lock(self, alert: impl Fn(&S, &Lock) + Send + Sync + 'static) -> Self {
        Self {
            on_lock: Some(Box::new(alert)),
            ..self
        }
    }

    /// What is answered when the segment fails; by default the error.
    #[must_use]
    pub fn when_unavailable(self, answer: WhenUnavailable) -> Self {
        Self {
            when_unavailable: answer,
            ..self
        }
    }

    /// The lockout. That the segment has no namespace left for it is an error of its operations, which
    /// [`LockoutBuilder::when_unavailable`] decides on.
    ///
    /// # Errors
    /// [`Error::Setup`]: a bad name, no rule, two of one name, or one that could never lock.
    pub fn build(self) -> Result<Lockout<S>, Error> {
        let mut names = BTreeSet::new();
        let problem = if self.name.is_empty() || self.name.len() > super::ledger::MAX_NAME_BYTES {
            Some("a lockout's name has 1 to 200 bytes")
        } else if self.rules.is_empty() {
            Some("a lockout needs a rule")
        } else if !self.rules.iter().all(|rule| names.insert(&*rule.name)) {
            Some("two of its rules have one name")
        } else {
            self.rules.iter().find_map(Rule::problem)
        };
        drop(names);
        let name = self.name;
        if let Some(problem) = problem {
            return Err(Error::Setup { name, problem });
        }
        Ok(Lockout::new(
            name,
            Some(self.guira),
            self.rules,
            self.on_lock,
            self.when_unavailable,
        ))
    }

    /// One that allows everything and counts nothing: for tests, and where a setting switches it off.
    #[must_use]
    pub fn disabled(self) -> Lockout<S> {
        Lockout::new(self.name, None, self.rules, None, self.when_unavailable)
    }
}

impl<S: ?Sized> fmt::Debug for LockoutBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockoutBuilder")
            .field("name", &self.name)
            .field("rules", &self.rules)
            .field("when_unavailable", &self.when_unavailable)
            .finish_non_exhaustive()
    }
}
