//! Looking up, and computing what is missing once for all who ask.

use std::borrow::Borrow;
use std::fmt::Display;
use std::time::Duration;

use guira_segment::Expiry;
use serde::Serialize;

use super::Cache;
use crate::codec::Codec;
use crate::dependency::Declared;
use crate::error::{CodecError, Error};
use crate::failure::Failure;
use crate::flight::{
    Asking, FlightOptions, FlightStats, Manner, Place, Purpose, Values, answer_awaiting, answer_blocking,
};
use crate::key::KeyBytes;
use crate::lifetime::random_fraction;
use crate::options::PutOptions;

/// The values of a cache, stored alike.
pub(crate) struct CacheValues<'c, K: ?Sized, V, C> {
    pub(crate) cache: &'c Cache<K, V, C>,
    pub(crate) options: PutOptions<'c>,
}

impl<K: ?Sized, V, C: Codec<V>> Values<V> for CacheValues<'_, K, V, C> {
    fn decode(&self, key: &[u8], stored: &[u8]) -> Option<V> {
        self.cache.decode_any(key, stored).ok().flatten()
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
        let cache = self.cache;
        let tags = declared.tags(self.options.tags);
        let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
        let options = cache.computed_options(value, cost, self.options.tags(&tags));
        let stored = cache.with_computed(key, value, cost, |bytes| {
            // With a lifetime that is wrong it is told all the same.
            let stored = store(bytes, options.as_ref().ok());
            options.map(|_| stored)
        });
        match stored {
            Ok(stored) => Some(stored),
            Err(error) => {
                tracing::warn!(cache = self.cache.name(), %error, "a computed value was not stored");
                None
            }
        }
    }
}

impl<K: ?Sized, V, C: Codec<V>> Cache<K, V, C> {
    /// The value of `key`; if there is none, `compute`'s, which is stored.
    ///
    /// Of all threads and processes that ask for one key at once, one computes, and the others wait for it. One
    /// that is killed or stopped is replaced. A value that is invalidated while it is computed is returned and
    /// not stored. A computation that needs its own key, or one that needs this one, computes inline. How long
    /// who waits is set by [`CacheBuilder::flights`](crate::CacheBuilder::flights).
    ///
    /// ```
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let squares = guira.cache::<u64, u64>("squares");
    /// assert_eq!(squares.get_or_compute(&7, || 7 * 7)?, 49);
    /// assert_eq!(squares.get_or_compute(&7, || unreachable!())?, 49);
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`]: nothing was computed. [`Error::Failure`]: the computation of
    /// somebody else, which this call waited for, panicked, or overran the load timeout. A value that cannot
    /// be encoded or stored is returned all the same, and logged.
    pub fn get_or_compute<Q>(&self, key: &Q, compute: impl FnOnce() -> V) -> Result<V, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.get_or_compute_with(key, PutOptions::default(), compute)
    }

    /// As [`Cache::get_or_compute`]; the computed value is stored with `options`: a
    /// [`Duration`], a [`Lifetime`](crate::Lifetime) or [`PutOptions`].
    ///
    /// # Errors
    /// As [`Cache::get_or_compute`].
    pub fn get_or_compute_with<'t, Q>(
        &self,
        key: &Q,
        options: impl Into<PutOptions<'t>>,
        compute: impl FnOnce() -> V,
    ) -> Result<V, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.key_bytes(key)?;
        let place = self.place(&key)?;
        let values = self.values(options.into());
        let asking = Asking::new(place, Purpose::Value, None);
        answer_blocking(asking, &values, Manner::of_errors(), || Ok(compute()))
    }

    /// As [`Cache::get_or_compute`] for a computation that may fail. An error is not stored. Those who waited
    /// get its cause as [`Error::Failure`], made into their error type; a stale value is given instead of
    /// the error, if there is one.
    ///
    /// ```
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// type AnyError = Box<dyn std::error::Error + Send + Sync>;
    /// let sizes = guira.cache::<str, u64>("sizes");
    /// let size = |path: &str| {
    ///     sizes.try_get_or_compute(path, || -> Result<u64, AnyError> { Ok(std::fs::metadata(path)?.len()) })
    /// };
    /// assert!(size("/no/such/file").is_err()); // and is asked again the next time
    /// assert!(size("/proc/self/exe")? > 0);
    /// # Ok::<(), AnyError>(())
    /// ```
    ///
    /// # Errors
    /// What `compute` returns, and what `E` makes of an [`Error`].
    pub fn try_get_or_compute<Q, E>(&self, key: &Q, compute: impl FnOnce() -> Result<V, E>) -> Result<V, E>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        E: From<Error> + Display,
    {
        self.try_get_or_compute_with(key, PutOptions::default(), compute)
    }

    /// As [`Cache::try_get_or_compute`]; the computed value is stored with `options`.
    ///
    /// # Errors
    /// As [`Cache::try_get_or_compute`].
    pub fn try_get_or_compute_with<'t, Q, E>(
        &self,
        key: &Q,
        options: impl Into<PutOptions<'t>>,
        compute: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        E: From<Error> + Display,
    {
        let key = self.key_bytes(key)?;
        let place = self.place(&key)?;
        let values = self.values(options.into());
        let asking = Asking::new(place, Purpose::Value, None);
        answer_blocking(asking, &values, Manner::of_errors(), compute)
    }

    /// As [`Cache::get_or_compute`], awaiting. Works under any runtime and blocks in no poll. Dropping the
    /// future while it computes lets one of those who wait compute.
    ///
    /// # Errors
    /// As [`Cache::get_or_compute`].
    pub async fn get_or_compute_async<Q, F>(&self, key: &Q, compute: impl FnOnce() -> F) -> Result<V, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        F: Future<Output = V>,
    {
        let key = self.key_bytes(key)?;
        let place = self.place(&key)?;
        let values = self.values(PutOptions::default());
        let asking = Asking::new(place, Purpose::Value, None);
        answer_awaiting(asking, &values, Manner::of_errors(), || async {
            Ok(compute().await)
        })
        .await
    }

    /// As [`Cache::try_get_or_compute`], awaiting.
    ///
    /// # Errors
    /// As [`Cache::try_get_or_compute`].
    pub async fn try_get_or_compute_async<Q, F, E>(
        &self,
        key: &Q,
        compute: impl FnOnce() -> F,
    ) -> Result<V, E>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        F: Future<Output = Result<V, E>>,
        E: From<Error> + Display,
    {
        let key = self.key_bytes(key)?;
        let place = self.place(&key)?;
        let values = self.values(PutOptions::default());
        let asking = Asking::new(place, Purpose::Value, None);
        answer_awaiting(asking, &values, Manner::of_errors(), compute).await
    }

    /// What the computations of this cache came to, in this process.
    #[must_use]
    pub fn flight_stats(&self) -> FlightStats {
        self.inner.flights.tally.stats()
    }

    pub(crate) fn place<'c>(&'c self, key: &'c KeyBytes) -> Result<Place<'c>, Error> {
        Ok(Place {
            segment: self.segment()?,
            key,
            flights: &self.inner.flights,
        })
    }

    /// As the engine takes them, for a value that took `cost` to compute: due for a refresh before its end, and
    /// kept for the time of grace after it.
    pub(crate) fn computed_options<'t>(
        &self,
        value: &V,
        cost: Duration,
        options: PutOptions<'t>,
    ) -> Result<guira_segment::PutOptions<'t>, Error> {
        let engine_options = self.engine_options(value, options)?;
        let FlightOptions {
            grace, refresh_early, ..
        } = self.inner.flights.options;
        if grace.is_zero() && refresh_early <= 0.0 {
            return Ok(engine_options);
        }
        let (hard, soft) = self.inner.lifetimes.deadlines(Some(value), options.lifetime)?;
        let Some(hard) = hard else {
            return Ok(engine_options);
        };
        let lead = cost.as_secs_f64() * refresh_early * (1.0 - random_fraction().max(f64::MIN_POSITIVE).ln());
        let lead = Duration::try_from_secs_f64(lead).unwrap_or(Duration::MAX);
        // A value that took longer than it lives is stale at once, and not sooner.
        let early = hard.saturating_sub(lead).max(Duration::from_millis(1));
        let soft = soft.unwrap_or(hard).min(early);
        Ok(engine_options.expiry(Expiry::after(hard.saturating_add(grace)).soft(soft)))
    }

    /// As [`Cache::with_encoded`], of a value that took `cost` to compute: that is stored with it where it counts.
    pub(crate) fn with_computed<R, E: From<CodecError>>(
        &self,
        key: &[u8],
        value: &V,
        cost: Duration,
        then: impl FnOnce(&[u8]) -> Result<R, E>,
    ) -> Result<R, E> {
        if self.inner.flights.options.refresh_early > 0.0 {
            self.with_encoded_cost(key, value, cost, then)
        } else {
            self.with_encoded(key, value, then)
        }
    }

    pub(crate) fn values<'c>(&'c self, options: PutOptions<'c>) -> CacheValues<'c, K, V, C> {
        CacheValues { cache: self, options }
    }
}

impl<E: From<Error> + Display> Manner<E> {
    pub(crate) const fn of_errors() -> Self {
        Self {
            adopt: |failure| Some(E::from(Error::Failure(failure))),
            describe: Failure::of_error,
        }
    }
}
