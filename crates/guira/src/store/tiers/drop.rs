//! What is done to a key, or to all, in each tier alike: lowest first, so that nothing comes up behind it.

use std::ops::Range;
use std::time::Duration;

use guira_segment::Replace;

use super::Tiers;
use super::arbiter::Arbiter;
use super::tier::{OnFailure, Tier};
use crate::cache::Renew;
use crate::error::Error;
use crate::lifetime::Lifetime;

impl<K: ?Sized, V> Tiers<K, V> {
    /// Invalidates what carries `tag`, in each tier whose values are in a segment and in whichever cache of that segment.
    ///
    /// # Errors
    /// A segment that cannot be used; the others were told.
    pub fn invalidate_tag(&self, tag: &[u8]) -> Result<(), Error> {
        let invalidate = |tier: &Tier<K, V>| match tier.store.arbiter() {
            Some(Arbiter(decider)) => decider.invalidate_tag(tag),
            None => Ok(()),
        };
        self.for_all(|| true, invalidate).map(drop)
    }

    /// Removes `key` from tiers whose word is not asked: a failure is counted.
    pub(super) fn forget(&self, key: &K, range: Range<usize>) {
        for tier in self.tiers.get(range).unwrap_or(&[]).iter().rev() {
            if let Err(error) = tier.store.remove(key) {
                tier.failed(&error);
            }
        }
    }

    /// Invalidates `key` in the tiers above the arbiter, after a write: what they have is as old.
    pub(super) fn drop_above(&self, key: &K, arbiter: usize) -> Result<(), Error> {
        let mut failure = Ok(());
        for tier in self.tiers.get(..arbiter).unwrap_or(&[]).iter().rev() {
            if let Err(error) = tier.store.invalidate(key) {
                tier.failed(&error);
                failure = Err(error);
            }
        }
        failure
    }

    /// Does `change` to each tier, lowest first, all of them whatever fails, and gives the outcomes. A failure of a tier
    /// is an error, but where it is resilient and `makes_void` says that the arbiter refuses what it has from now on.
    fn for_all<T>(
        &self,
        makes_void: impl Fn() -> bool,
        change: impl Fn(&Tier<K, V>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut outcomes = Vec::with_capacity(self.tiers.len());
        let mut failures = Vec::new();
        for (number, tier) in self.tiers.iter().enumerate().rev() {
            match change(tier) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => {
                    tier.failed(&error);
                    let is_below = self.arbiter.is_some_and(|arbiter| number > arbiter);
                    let may_be_void = is_below
                        && tier.is_dated
                        && tier.on_failure == OnFailure::Resilient
                        && !error.is_of_the_caller();
                    failures.push((error, may_be_void));
                }
            }
        }
        // What was computed before may have been kept, between its removal here and the arbiter's word, where nothing
        // refuses it. After that word whoever keeps it takes it away again.
        let below = self.arbiter.map_or(self.tiers.len(), |arbiter| arbiter + 1);
        for tier in self.tiers.iter().skip(below).rev().filter(|tier| !tier.is_dated) {
            if let Err(error) = change(tier) {
                tier.failed(&error);
                failures.push((error, false));
            }
        }
        if failures.is_empty() {
            return Ok(outcomes);
        }
        let is_void = makes_void();
        match failures
            .into_iter()
            .find(|(_, may_be_void)| !(*may_be_void && is_void))
        {
            Some((error, _)) => Err(error),
            None => Ok(outcomes),
        }
    }

    /// The arbiter refuses from now on what any tier has of `key`.
    pub(super) fn make_void(&self, key: &K) -> bool {
        self.decider().is_some_and(|(_, decider)| {
            let bytes = decider.bytes_of(key);
            bytes.is_ok_and(|key| {
                decider
                    .place_of(&key)
                    .map(|place| place.segment.invalidate(&key))
                    .is_ok()
            })
        })
    }

    pub(super) fn remove_from_all(&self, key: &K) -> Result<bool, Error> {
        let removed = self.for_all(|| self.make_void(key), |tier| tier.store.remove(key))?;
        Ok(removed.contains(&true))
    }

    pub(super) fn invalidate_in_all(&self, key: &K) -> Result<bool, Error> {
        let invalidated = self.for_all(|| self.make_void(key), |tier| tier.store.invalidate(key))?;
        Ok(invalidated.contains(&true))
    }

    pub(super) fn expire_in_all(&self, key: &K) -> Result<bool, Error> {
        // One that could not be made stale would come up fresh.
        let expired = self.for_all(|| self.make_void(key), |tier| tier.store.expire(key))?;
        Ok(expired.contains(&true))
    }

    pub(super) fn clear_all_tiers(&self) -> Result<(), Error> {
        // The arbiter's own clear has done it, if it was done.
        self.for_all(|| true, |tier| tier.store.clear()).map(drop)
    }

    pub(super) fn purge_all_tiers(&self, time: Duration) -> Result<u64, Error> {
        let purged = self.for_all(|| true, |tier| tier.store.purge_stale_for(time))?;
        // The same values in each tier, and what only one of them has.
        Ok(purged.into_iter().max().unwrap_or(0))
    }

    pub(super) fn touch_in_all(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error> {
        let touch = |tier: &Tier<K, V>| tier.store.touch(key, tier.lifetime(lifetime));
        // One that failed may keep it for longer than was asked for.
        let touched = self.for_all(|| false, touch)?;
        let is_any = |outcome| touched.contains(&outcome);
        Ok(if is_any(Replace::Stored) {
            Replace::Stored
        } else if is_any(Replace::Superseded) {
            Replace::Superseded
        } else {
            Replace::NotFound
        })
    }

    pub(super) fn renew_in_all(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error> {
        let renew = |tier: &Tier<K, V>| tier.store.renew(key, tier.lifetime(lifetime));
        let renewed = self.for_all(|| true, renew)?;
        let is_any = |outcome| renewed.contains(&outcome);
        Ok(if is_any(Renew::Renewed) {
            Renew::Renewed
        } else if is_any(Renew::LongerAlready) {
            Renew::LongerAlready
        } else if is_any(Renew::Superseded) {
            Renew::Superseded
        } else {
            Renew::NotFound
        })
    }
}
