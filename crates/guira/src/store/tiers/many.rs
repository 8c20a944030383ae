//! Many keys at once: each tier is asked for what those above it lack, by one call.

use guira_segment::Put;

use super::Tiers;
use super::as_store::put_of;
use super::tier::OnFailure;
use super::walk::Walk;
use super::write::Condition;
use crate::error::Error;
use crate::options::PutOptions;

/// A key that is missing in the tiers so far.
struct Asking<'m, K: ?Sized, V> {
    key: &'m K,
    place: usize,
    walk: Walk<'m, K, V>,
    failure: Option<Error>,
}

impl<K: ?Sized, V> Asking<'_, K, V> {
    fn goes_on(&self) -> bool {
        self.failure.is_none() && !self.walk.has_enough()
    }
}

impl<K: ?Sized, V> Tiers<K, V> {
    pub(super) fn get_many_from_all(&self, keys: &[&K]) -> Vec<Result<Option<V>, Error>> {
        let mut results: Vec<Result<Option<V>, Error>> = Vec::with_capacity(keys.len());
        for key in keys {
            let first = if self.ttl_skip.is_zero() {
                self.get_from_first(key)
            } else {
                None
            };
            results.push(Ok(first));
        }
        let is_missing = |(_, result): &(usize, &Result<Option<V>, Error>)| matches!(result, Ok(None));
        let missing = results.iter().enumerate().filter(is_missing);
        let mut asking: Vec<Asking<'_, K, V>> = missing
            .filter_map(|(place, _)| {
                Some(Asking {
                    key: keys.get(place).copied()?,
                    place,
                    walk: Walk::new(self, self.ttl_skip),
                    failure: None,
                })
            })
            .collect();
        let mut done = Vec::with_capacity(asking.len());
        for (number, tier) in self.tiers.iter().enumerate() {
            done.extend(asking.extract_if(.., |one| !one.goes_on()));
            let asked: Vec<&K> = asking.iter().map(|one| one.key).collect();
            if asked.is_empty() {
                break;
            }
            for (one, looked) in asking.iter_mut().zip(tier.store.look_many(&asked)) {
                one.failure = one.walk.meet(one.key, number, tier, looked).err();
            }
        }
        for one in done.into_iter().chain(asking) {
            if let Some(result) = results.get_mut(one.place) {
                *result = self.conclude(one);
            }
        }
        results
    }

    /// What the walk for one key came to.
    fn conclude(&self, asking: Asking<'_, K, V>) -> Result<Option<V>, Error> {
        if let Some(failure) = asking.failure {
            return Err(failure);
        }
        let (best, standings) = asking.walk.end();
        Ok(best.map(|best| {
            self.promote_best(asking.key, &best, &standings);
            best.held.value
        }))
    }

    pub(super) fn put_many_to_all(
        &self,
        items: &[(&K, &V)],
        options: &PutOptions<'_>,
    ) -> Vec<Result<Put, Error>> {
        // Each has a token of its own, without which the tiers might not agree.
        let put = |(key, value): &(&K, &V)| self.write(key, value, options, Condition::Always).map(put_of);
        items.iter().map(put).collect()
    }

    pub(super) fn remove_many_from_all(&self, keys: &[&K]) -> Vec<Result<bool, Error>> {
        let mut results: Vec<Result<bool, Error>> = keys.iter().map(|_| Ok(false)).collect();
        // Those below that carry no births twice, the second time behind the arbiter: see `for_all`.
        let below = self.arbiter.map_or(self.tiers.len(), |arbiter| arbiter + 1);
        let again = self.tiers.iter().skip(below).rev().filter(|tier| !tier.is_dated);
        for tier in self.tiers.iter().rev().chain(again) {
            let removed = tier.store.remove_many(keys);
            for ((result, removed), key) in results.iter_mut().zip(removed).zip(keys) {
                match (removed, &mut *result) {
                    (Ok(was_there), Ok(found)) => *found |= was_there,
                    (Ok(_), Err(_)) => {}
                    (Err(error), _) => {
                        tier.failed(&error);
                        let is_void = tier.is_dated
                            && tier.on_failure == OnFailure::Resilient
                            && !error.is_of_the_caller()
                            && self.make_void(key);
                        if !is_void {
                            *result = Err(error);
                        }
                    }
                }
            }
        }
        results
    }
}
