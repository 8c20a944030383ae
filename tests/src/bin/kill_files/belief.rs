//! What each key may hold, as far as those outside can know.

use std::collections::{BTreeMap, BTreeSet};

use crate::subject::Subject;
use crate::world::{Key, Version};

/// Of each key that was ever written, the versions that a read may give; `None` is a miss.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Beliefs {
    may_be: BTreeMap<Key, BTreeSet<Option<Version>>>,
}

impl Beliefs {
    /// The key holds this now.
    pub(crate) fn set(&mut self, key: Key, version: Version) {
        self.may_be.insert(key, BTreeSet::from([Some(version)]));
    }

    /// The key has no value now.
    pub(crate) fn lose(&mut self, key: Key) {
        self.may_be.insert(key, BTreeSet::from([None]));
    }

    /// The key may hold this, too.
    pub(crate) fn admit(&mut self, key: Key, version: Option<Version>) {
        self.may_be
            .entry(key)
            .or_insert_with(|| BTreeSet::from([None]))
            .insert(version);
    }

    /// Any of the keys may be gone.
    pub(crate) fn admit_misses(&mut self) {
        for may_be in self.may_be.values_mut() {
            may_be.insert(None);
        }
    }

    /// Every key has no value now.
    pub(crate) fn lose_all(&mut self) {
        for may_be in self.may_be.values_mut() {
            *may_be = BTreeSet::from([None]);
        }
    }

    pub(crate) fn of(&self, key: Key) -> BTreeSet<Option<Version>> {
        self.may_be
            .get(&key)
            .cloned()
            .unwrap_or_else(|| BTreeSet::from([None]))
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.may_be.keys().copied().collect()
    }

    /// An operation that turned these into `after` may have happened or not.
    pub(crate) fn or(&mut self, after: &Self) {
        for key in after.keys() {
            for version in after.of(key) {
                self.admit(key, version);
            }
        }
    }

    /// The keys whose belief differs.
    pub(crate) fn difference(&self, other: &Self) -> Vec<Key> {
        let keys: BTreeSet<Key> = self.keys().into_iter().chain(other.keys()).collect();
        keys.into_iter()
            .filter(|key| self.of(*key) != other.of(*key))
            .collect()
    }

    /// Reads every key, in a way that `turn` chooses, and says what is not as it may be. `settles`: nobody is in the
    /// middle of anything, so what was seen stays.
    pub(crate) fn compare<S: Subject>(&mut self, subject: &S, turn: usize, settles: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        for (key, may_be) in &mut self.may_be {
            let seen = match subject.read(*key, turn) {
                Ok(seen) => seen,
                Err(problem) => {
                    wrong.push(problem);
                    continue;
                }
            };
            if !may_be.contains(&seen) {
                wrong.push(format!("key {key} is {seen:?} and may be one of {may_be:?}"));
            } else if settles {
                match seen {
                    // A miss may still follow where one was allowed: it may be evicted.
                    Some(seen) => may_be.retain(|later| later.is_none_or(|later| S::may_follow(seen, later))),
                    None => *may_be = BTreeSet::from([None]),
                }
            }
        }
        wrong
    }
}
