//! One computation of a key for the whole stack: the arbiter's flight, in which the tiers below are asked first.

use std::fmt::Display;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use guira_segment::FillToken;

use super::Tiers;
use super::arbiter::{Computed, Decide};
use super::promote::{Promotion, is_born, is_untouched, token_of};
use super::seam::{Keeping, Seat};
use super::tier::{Tier, count};
use super::walk::{Standing, Walk};
use crate::dependency::Declared;
use crate::envelope::Birth;
use crate::error::Error;
use crate::flight::{
    Asking, FlightStats, FromBelow, Manner, Purpose, Values, answer_awaiting, answer_blocking,
};
use crate::lifetime::Ttl;
use crate::options::PutOptions;
use crate::store::Store;

/// The values of a stack, for a computation of one key.
struct TiersValues<'t, K: ?Sized, V> {
    tiers: &'t Tiers<K, V>,
    decider: &'t dyn Decide<K, V>,
    arbiter: usize,
    key: &'t K,
    options: PutOptions<'t>,
    below: Mutex<Found<V>>,
}

/// What the tiers below had before anything was computed.
struct Found<V> {
    standings: Vec<Standing>,
    /// For the case that the computation fails.
    stale: Option<V>,
}

impl<K: ?Sized, V> Tiers<K, V> {
    /// The value of `key`; if no tier has one, `compute`'s, which is stored in all of them.
    ///
    /// Of all threads and processes that ask for one key at once, one computes, as at
    /// [`Cache::get_or_compute`](crate::Cache::get_or_compute), and one asks the tiers below the arbiter. Of
    /// a stack without an arbiter each caller computes for itself.
    ///
    /// # Errors
    /// As [`Cache::get_or_compute`](crate::Cache::get_or_compute), and those of [strict](super::OnFailure::Strict) tiers
    /// above the arbiter. Failures of those below are counted; a tier that did not take the value is asked again the
    /// next time.
    pub fn get_or_compute(&self, key: &K, compute: impl FnOnce() -> V) -> Result<V, Error> {
        self.get_or_compute_with(key, PutOptions::default(), compute)
    }

    /// As [`Tiers::get_or_compute`]; the computed value is stored with `options`.
    ///
    /// # Errors
    /// As [`Tiers::get_or_compute`].
    pub fn get_or_compute_with<'t>(
        &self,
        key: &K,
        options: impl Into<PutOptions<'t>>,
        compute: impl FnOnce() -> V,
    ) -> Result<V, Error> {
        self.try_get_or_compute_with(key, options, || Ok(compute()))
    }

    /// As [`Tiers::get_or_compute`] for a computation that may fail. An error is not stored; a stale value, of whichever
    /// tier, is given instead of it.
    ///
    /// # Errors
    /// What `compute` returns, and what `E` makes of an [`Error`].
    pub fn try_get_or_compute<E>(&self, key: &K, compute: impl FnOnce() -> Result<V, E>) -> Result<V, E>
    where
        E: From<Error> + Display,
    {
        self.try_get_or_compute_with(key, PutOptions::default(), compute)
    }

    /// As [`Tiers::try_get_or_compute`]; the computed value is stored with `options`.
    ///
    /// # Errors
    /// As [`Tiers::try_get_or_compute`].
    pub fn try_get_or_compute_with<'t, E>(
        &self,
        key: &K,
        options: impl Into<PutOptions<'t>>,
        compute: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E>
    where
        E: From<Error> + Display,
    {
        let options = options.into();
        if let Some(value) = self.before_flight(key)? {
            return Ok(value);
        }
        let Some((arbiter, decider)) = self.decider() else {
            return self.compute_undated(key, &options, compute);
        };
        let values = self.values(key, options, arbiter, decider);
        let bytes = decider.bytes_of(key)?;
        let place = decider.place_of(&bytes)?;
        let asking = Asking::new(place, Purpose::Value, None);
        match answer_blocking(asking, &values, Manner::of_errors(), compute) {
            Ok(value) => Ok(value),
            Err(error) => values
                .stale_on_error(place.flights.options.stale_on_error)
                .ok_or(error),
        }
    }

    /// As [`Tiers::get_or_compute`], awaiting. The tiers below the arbiter are read in the poll: that is short where
    /// they are on this machine.
    ///
    /// # Errors
    /// As [`Tiers::get_or_compute`].
    pub async fn get_or_compute_async<F>(&self, key: &K, compute: impl FnOnce() -> F) -> Result<V, Error>
    where
        F: Future<Output = V>,
    {
        self.try_get_or_compute_async(key, || async { Ok(compute().await) })
            .await
    }

    /// As [`Tiers::try_get_or_compute`], awaiting.
    ///
    /// # Errors
    /// As [`Tiers::try_get_or_compute`].
    pub async fn try_get_or_compute_async<F, E>(&self, key: &K, compute: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
        E: From<Error> + Display,
    {
        let options = PutOptions::default();
        if let Some(value) = self.before_flight(key)? {
            return Ok(value);
        }
        let Some((arbiter, decider)) = self.decider() else {
            let value = compute().await;
            return self.compute_undated(key, &options, || value);
        };
        let values = self.values(key, options, arbiter, decider);
        let bytes = decider.bytes_of(key)?;
        let place = decider.place_of(&bytes)?;
        let asking = Asking::new(place, Purpose::Value, None);
        match answer_awaiting(asking, &values, Manner::of_errors(), compute).await {
            Ok(value) => Ok(value),
            Err(error) => values
                .stale_on_error(place.flights.options.stale_on_error)
                .ok_or(error),
        }
    }

    /// What the computations of this stack came to, in this process.
    ///
    /// # Errors
    /// As [`Cache::stats`](crate::Cache::stats), of the arbiter.
    pub fn flight_stats(&self, key: &K) -> Result<Option<FlightStats>, Error> {
        let Some((_, decider)) = self.decider() else {
            return Ok(None);
        };
        let bytes = decider.bytes_of(key)?;
        Ok(Some(decider.place_of(&bytes)?.flights.tally.stats()))
    }

    /// A fresh value of the first tier, or of those above the arbiter and the arbiter itself.
    fn before_flight(&self, key: &K) -> Result<Option<V>, Error> {
        if self.ttl_skip.is_zero()
            && let Some(value) = self.get_from_first(key)
        {
            return Ok(Some(value));
        }
        match self.arbiter {
            // Its flight looks for itself.
            Some(0) => Ok(None),
            Some(arbiter) => {
                let best = self.reading().depth(arbiter + 1).find(key)?;
                Ok(best.filter(|best| best.is_enough).map(|best| best.held.value))
            }
            None => {
                let best = self.reading().find(key)?;
                Ok(best.filter(|best| best.is_enough).map(|best| best.held.value))
            }
        }
    }

    fn values<'t>(
        &'t self,
        key: &'t K,
        options: PutOptions<'t>,
        arbiter: usize,
        decider: &'t dyn Decide<K, V>,
    ) -> TiersValues<'t, K, V> {
        TiersValues {
            tiers: self,
            decider,
            arbiter,
            key,
            options,
            below: Mutex::new(Found {
                standings: Vec::new(),
                stale: None,
            }),
        }
    }

    fn compute_undated<E>(
        &self,
        key: &K,
        options: &PutOptions<'_>,
        compute: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E>
    where
        E: From<Error>,
    {
        let value = match compute() {
            Ok(value) => value,
            Err(error) => return self.get(key).ok().flatten().ok_or(error),
        };
        if let Err(error) = self.put(key, &value, options) {
            tracing::warn!(%error, "a computed value was not stored");
        }
        Ok(value)
    }
}

impl<K: ?Sized, V> TiersValues<'_, K, V> {
    /// The tiers below the arbiter with their numbers, the lowest first.
    fn lower(&self) -> impl Iterator<Item = (usize, &Tier<K, V>)> {
        let below = self.arbiter + 1;
        let tiers = self.tiers.tiers.iter().enumerate().skip(below);
        tiers.collect::<Vec<_>>().into_iter().rev()
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found<V>> {
        // What panicked was no change of it.
        self.below.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stale_on_error(&self, is_wanted: bool) -> Option<V> {
        self.found().stale.take().filter(|_| is_wanted)
    }

    /// Keeps a computed value in the lower tiers that carry births, or in the others.
    fn keep_below(&self, value: &V, declared: &Declared, token: &FillToken, is_dated: bool) {
        let standings = mem::take(&mut self.found().standings);
        let tags = declared.tags(self.options.tags);
        let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
        let birth = Birth::of(self.decider.life(), token);
        for (number, tier) in self.lower().filter(|(_, tier)| tier.is_dated == is_dated) {
            let seat: Option<Seat> = match standings.get(number - self.arbiter - 1) {
                Some(Standing::Taken(seat)) => Some(*seat),
                Some(Standing::Failed) => continue,
                Some(Standing::Plain) | None => None,
            };
            let keeping = Keeping {
                seat,
                lives: tier.asked(self.options.lifetime),
                at_most: tier.at_most,
                tags: &tags,
                birth: Some(birth),
                is_put: false,
            };
            if let Err(error) = tier.store.keep(self.key, value, &keeping) {
                tier.failed(&error);
                self.tiers.forget(self.key, number..number + 1);
            }
        }
        self.found().standings = standings;
    }
}

impl<K: ?Sized, V> Values<V> for TiersValues<'_, K, V> {
    fn decode(&self, key: &[u8], stored: &[u8]) -> Option<V> {
        self.decider.decode_stored(key, stored)
    }

    fn names(&self) -> &[impl AsRef<[u8]>] {
        self.options.tags
    }

    fn encode<R>(
        &self,
        key: &[u8],
        value: &V,
        cost: Duration,
        declared: &Declared,
        store: impl FnOnce(&[u8], Option<&guira_segment::PutOptions<'_>>) -> R,
    ) -> Option<R> {
        let tags = declared.tags(self.options.tags);
        let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
        let tier = self.tiers.tiers.get(self.arbiter)?;
        let computed = Computed {
            cost,
            tags: &tags,
            lifetime: self.options.lifetime.part(tier.fraction),
            at_most: tier.at_most,
        };
        let (mut store, mut stored) = (Some(store), None);
        self.decider
            .encode_computed(key, value, computed, &mut |encoded, options| {
                stored = store.take().map(|store| store(encoded, options));
            });
        stored
    }

    fn below(&self, token: &FillToken) -> Option<FromBelow<V>> {
        let arbiter = self.tiers.tiers.get(self.arbiter)?;
        let present = arbiter.store.ttl(self.key).ok().flatten();
        let is_expired = matches!(present, Some(Ttl::Stale { stale_for: None, .. }));
        let mut walk = Walk::below(self.tiers, self.key, *token, is_expired);
        let below = self.arbiter + 1..self.tiers.tiers.len();
        // A computation is the answer to whatever a strict tier has to say.
        let asked = walk.ask(self.key, below.clone());
        let (best, standings) = walk.end();
        let mut found = self.found();
        found.standings = standings;
        asked.ok()?;
        let best = best?;
        if !best.is_enough {
            found.stale = Some(best.held.value);
            return None;
        }
        self.tiers
            .promote(self.key, &best, below.start..best.from, &found.standings);
        let arbiter_life = best.held.life.part(arbiter.fraction);
        Some(FromBelow {
            token: best.born?,
            expiry: arbiter_life.after(Duration::ZERO)?.expiry(),
            tags: best.held.tags.clone(),
            from: best.from,
            ttl: best.held.ttl,
            value: best.held.value,
        })
    }

    fn leave_below(&self) {
        for standing in &mut self.found().standings {
            *standing = Standing::Failed;
        }
    }

    fn before_store(&self, value: &V, declared: &Declared, token: &FillToken) {
        self.keep_below(value, declared, token, true);
    }

    fn after_store(&self, value: &V, declared: &Declared, token: &FillToken, is_stored: bool) {
        if !is_stored || self.lower().all(|(_, tier)| tier.is_dated) {
            return;
        }
        // What these have nothing refuses later: only now that the arbiter has taken it, and away again if the key was
        // touched meanwhile.
        let tags = declared.tags(self.options.tags);
        let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
        let born = (token.clock(), token.invalidations());
        let before =
            token_of(self.decider, self.key).filter(|now| is_born(self.decider, self.key, now, born, &tags));
        if before.is_none() {
            return;
        }
        self.keep_below(value, declared, token, false);
        if !is_untouched(self.decider, self.key, before.as_ref(), &tags) {
            for (number, _) in self.lower().filter(|(_, tier)| !tier.is_dated) {
                self.tiers.forget(self.key, number..number + 1);
            }
        }
    }

    fn came_up(&self, found: &FromBelow<V>) {
        if let Some(tier) = self.tiers.tiers.get(self.arbiter) {
            count(&tier.tally.promotions);
        }
        self.tiers.tell(&Promotion {
            key: self.key,
            value: &found.value,
            ttl: found.ttl,
            from: found.from,
            to: self.arbiter,
        });
    }
}
