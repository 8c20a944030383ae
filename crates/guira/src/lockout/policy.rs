//! A lockout: its rules over the segment's counters.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering}; // process-private

use super::builder::OnLock;
use super::guard::{Attempt, Guard};
use super::ledger::{Counted, Ledger, Standing, Terms, entry_key};
use super::outcome::{Lock, RuleState, Verdict, WhenUnavailable};
use super::rule::Rule;
use crate::error::Error;
use crate::handle::Guira;
use crate::key::KeyBytes;

/// Locks out who fails too often, or takes too much. See [the module](super). Cheap to clone; `Send` and `Sync`.
pub struct Lockout<S: ?Sized> {
    inner: Arc<Inner<S>>,
}

struct Inner<S: ?Sized> {
    name: Box<str>,
    /// None if it is disabled.
    guira: Option<Guira>,
    ledger: OnceLock<Ledger>,
    rules: Vec<Rule<S>>,
    on_lock: Option<OnLock<S>>,
    when_unavailable: WhenUnavailable,
    unavailable: AtomicU64, // process-private
}

impl<S: ?Sized> Lockout<S> {
    pub(super) fn new(
        name: Box<str>,
        guira: Option<Guira>,
        rules: Vec<Rule<S>>,
        on_lock: Option<OnLock<S>>,
        when_unavailable: WhenUnavailable,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                name,
                guira,
                ledger: OnceLock::new(),
                rules,
                on_lock,
                when_unavailable,
                unavailable: AtomicU64::new(0),
            }),
        }
    }

    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether `subject` may go on. Counts nothing.
    ///
    /// # Errors
    /// [`Error::Key`]; where [`WhenUnavailable::Fail`] was chosen, what is the matter with the segment.
    pub fn check(&self, subject: &S) -> Result<Verdict, Error> {
        self.answer(|| {
            self.each(subject, Verdict::Allowed, |ledger, rule, key, verdict| {
                Ok(match ledger.look(key, rule.terms())? {
                    Standing::Locked { time_left } => verdict.and(rule.locked(time_left)),
                    Standing::Clear | Standing::Counting { .. } => verdict,
                })
            })
        })
    }

    /// Checks, and if nothing forbids it, gives a guard around what `subject` is about to do: it counts a failure
    /// when it is dropped without [`Guard::success`].
    ///
    /// # Errors
    /// As [`Lockout::check`].
    pub fn attempt<'l>(&'l self, subject: &'l S) -> Result<Attempt<'l, S>, Error> {
        Ok(match self.check(subject)? {
            Verdict::Allowed => Attempt::Allowed(Guard::new(self, subject)),
            Verdict::Locked(lock) => Attempt::Locked(lock),
            Verdict::Unavailable => Attempt::Unavailable,
        })
    }

    /// Counts one event of `subject` under every rule that has not locked it. Says what holds afterwards.
    ///
    /// # Errors
    /// As [`Lockout::check`]; rules that were reached before the error have counted.
    pub fn count(&self, subject: &S) -> Result<Verdict, Error> {
        self.answer(|| {
            self.each(subject, Verdict::Allowed, |ledger, rule, key, verdict| {
                let counted = self.count_one(ledger, rule, key, subject)?;
                Ok(match counted.locked {
                    Some(time_left) => verdict.and(rule.locked(time_left)),
                    None => verdict,
                })
            })
        })
    }

    /// Takes one of what the rules allow: counts, and allows what is within every limit. Unlike with
    /// [`Lockout::attempt`], no more than the limit are allowed however many ask at the same time.
    ///
    /// What one rule refuses is not counted by any, unless it was refused to one of several that asked for the
    /// last at the same time.
    ///
    /// # Errors
    /// As [`Lockout::count`].
    pub fn take(&self, subject: &S) -> Result<Verdict, Error> {
        let verdict = self.check(subject)?;
        if !verdict.is_allowed() {
            return Ok(verdict);
        }
        self.answer(|| {
            self.each(subject, Verdict::Allowed, |ledger, rule, key, verdict| {
                let counted = self.count_one(ledger, rule, key, subject)?;
                let is_within = counted.number.is_some_and(|number| number <= rule.limit);
                Ok(if is_within {
                    verdict
                } else {
                    verdict.and(rule.locked(counted.locked.unwrap_or_default()))
                })
            })
        })
    }

    /// Forgets counts and locks of `subject`, as a success does: under all rules but those that are
    /// [kept](Rule::kept_on_success). Says whether there were any.
    ///
    /// # Errors
    /// As [`Lockout::check`].
    pub fn reset(&self, subject: &S) -> Result<bool, Error> {
        self.clear(subject, |rule| !rule.is_kept_on_success)
    }

    /// Forgets counts and locks of `subject` under all rules. Says whether there were any.
    ///
    /// # Errors
    /// As [`Lockout::check`].
    pub fn force_reset(&self, subject: &S) -> Result<bool, Error> {
        self.clear(subject, |_| true)
    }

    fn clear(&self, subject: &S, is_meant: impl Fn(&Rule<S>) -> bool) -> Result<bool, Error> {
        let cleared = self.each(subject, false, |ledger, rule, key, cleared| {
            Ok(if is_meant(rule) {
                ledger.clear(key)? | cleared
            } else {
                cleared
            })
        });
        match cleared {
            Err(error) => self.forgive(error).map(|_| false),
            cleared => cleared,
        }
    }

    /// What each rule knows of `subject`, in the rules' order; nothing if the lockout is disabled.
    ///
    /// # Errors
    /// [`Error::Key`], and what is the matter with the segment, whatever was chosen for that.
    pub fn states(&self, subject: &S) -> Result<Vec<RuleState>, Error> {
        self.each(subject, Vec::new(), |ledger, rule, key, mut states| {
            let (count, time_left) = match ledger.look(key, rule.terms())? {
                Standing::Clear => (0, None),
                Standing::Counting { count, time_left } => (count, Some(time_left)),
                Standing::Locked { time_left } => (rule.limit, Some(time_left)),
            };
            states.push(RuleState {
                rule: Arc::clone(&rule.name),
                count,
                limit: rule.limit,
                time_left,
            });
            Ok(states)
        })
    }

    /// Operations of this process that were answered without the segment, as [`WhenUnavailable`] said.
    #[must_use]
    pub fn unavailable(&self) -> u64 {
        self.inner.unavailable.load(Ordering::Relaxed)
    }

    /// What `step` makes of each rule and its key of `subject`; `nothing` if the lockout is disabled.
    fn each<R>(
        &self,
        subject: &S,
        nothing: R,
        mut step: impl FnMut(&Ledger, &Rule<S>, &[u8], R) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let Some(guira) = &self.inner.guira else {
            return Ok(nothing);
        };
        // All keys first: one that has no encoding is an error before anything is counted.
        let rules = &self.inner.rules;
        let keys = rules
            .iter()
            .map(|rule| entry_key(&self.inner.name, &rule.name, (rule.key_of)(subject)?));
        let keys = keys.collect::<Result<Vec<KeyBytes>, _>>()?;
        let ledger = match self.inner.ledger.get() {
            Some(ledger) => ledger,
            None => {
                let ledger = Ledger::of(guira)?;
                self.inner.ledger.get_or_init(|| ledger)
            }
        };
        rules
            .iter()
            .zip(keys)
            .try_fold(nothing, |so_far, (rule, key)| step(ledger, rule, &key, so_far))
    }

    fn count_one(&self, ledger: &Ledger, rule: &Rule<S>, key: &[u8], subject: &S) -> Result<Counted, Error> {
        let counted = ledger.count(key, rule.terms())?;
        if let (Some(alert), true, Some(time_left)) =
            (&self.inner.on_lock, counted.has_sealed, counted.locked)
        {
            alert(subject, &rule.lock(time_left));
        }
        Ok(counted)
    }

    fn answer(&self, verdict: impl FnOnce() -> Result<Verdict, Error>) -> Result<Verdict, Error> {
        verdict().or_else(|error| self.forgive(error))
    }

    /// What is answered instead of `error`, if anything.
    fn forgive(&self, error: Error) -> Result<Verdict, Error> {
        if error.is_of_the_caller() {
            return Err(error);
        }
        let verdict = match self.inner.when_unavailable {
            WhenUnavailable::Fail => return Err(error),
            WhenUnavailable::Allow => Verdict::Allowed,
            WhenUnavailable::Forbid => Verdict::Unavailable,
        };
        if self.inner.unavailable.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(lockout = self.name(), %error, ?verdict, "answered without the cache");
        }
        Ok(verdict)
    }
}

impl<S: ?Sized> Rule<S> {
    const fn terms(&self) -> Terms {
        Terms {
            limit: self.limit,
            window: self.window,
            lock: self.lock,
        }
    }

    fn lock(&self, time_left: std::time::Duration) -> Lock {
        Lock {
            rule: Arc::clone(&self.name),
            time_left,
        }
    }

    fn locked(&self, time_left: std::time::Duration) -> Verdict {
        Verdict::Locked(self.lock(time_left))
    }
}

impl<S: ?Sized> Clone for Lockout<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<S: ?Sized> fmt::Debug for Lockout<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lockout")
            .field("name", &self.inner.name)
            .field("rules", &self.inner.rules)
            .field("is_disabled", &self.inner.guira.is_none())
            .finish_non_exhaustive()
    }
}
