//! What is kept of a function's results, and all that can be done with it without computing.

use std::borrow::Borrow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use guira_segment::{Put, Read, Replace, Segment};
use serde::Serialize;

use super::MemoBuilder;
use super::builder::Keeps;
use super::counts::{Counts, count};
use super::key::Key;
use super::source::Source;
use super::stats::MemoStats;
use super::switch::is_enabled;
use crate::cache::Cache;
use crate::codec::{Codec, Postcard};
use crate::dependency;
use crate::error::{Error, KeyError};
use crate::flight::Place;
use crate::key::KeyBytes;
use crate::lifetime::Ttl;
use crate::options::PutOptions;

type OnValue<V> = Arc<dyn Fn(&V) + Send + Sync>;

/// The results of a function, by its arguments: the half of [`Memoized`](super::Memoized) and
/// [`AsyncMemoized`](super::AsyncMemoized) that does not compute, and the whole of a memoized method.
///
/// A `key` is the arguments: one as it is, several as a tuple, by value or by reference, in whichever type has the
/// same [encoding](crate::key): `squares.peek(&7)`, `names.peek("plum")`, `routes.peek(&("a", 3))`.
pub struct Memo<V, C = Postcard> {
    source: Source<V, C>,
    is_on: AtomicBool,
    is_cluster: bool,
    pub(super) counts: Counts,
    keeps: Option<Keeps<V>>,
    placeholder: Option<Box<dyn Fn() -> V + Send + Sync>>,
    has_on_value: AtomicBool,
    on_value: RwLock<Vec<OnValue<V>>>,
}

/// What a first look gives.
pub(super) enum Quick<V> {
    Hit(V),
    Stale(V),
    Miss,
    /// There is something, but nothing to be had without another look.
    Unclear,
    /// Not memoized.
    Off,
}

impl<V, C> Memo<V, C> {
    pub(super) fn new(source: Source<V, C>, builder: MemoBuilder<V, C>) -> Self {
        Self {
            source,
            is_on: AtomicBool::new(true),
            is_cluster: builder.cluster,
            counts: Counts::default(),
            keeps: builder.keeps,
            placeholder: builder.placeholder,
            has_on_value: AtomicBool::new(false),
            on_value: RwLock::default(),
        }
    }

    /// The name under which the results are kept.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// Turns memoizing on or off for this function, as [`set_enabled`](super::set_enabled) does for all.
    pub fn set_enabled(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    /// Whether calls are memoized.
    #[inline]
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        is_enabled() && self.is_on.load(Ordering::Relaxed)
    }

    /// Whether one computation is to be enough for all hosts.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// Calls `observer` with every value that this process computes from now on, once, before it is stored. Its panics
    /// are logged, and nobody else is told.
    pub fn on_value(&self, observer: impl Fn(&V) + Send + Sync + 'static) {
        let mut observers = self.on_value.write().unwrap_or_else(PoisonError::into_inner);
        observers.push(Arc::new(observer));
        self.has_on_value.store(true, Ordering::Relaxed);
    }

    pub(super) fn observe(&self, value: &V) {
        if !self.has_on_value.load(Ordering::Relaxed) {
            return;
        }
        let observers = self
            .on_value
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for observer in observers {
            if catch_unwind(AssertUnwindSafe(|| observer(value))).is_err() {
                tracing::error!(function = self.name(), "an observer of values panicked");
            }
        }
    }

    pub(super) fn keeps(&self, value: &V) -> bool {
        self.keeps.as_ref().is_none_or(|keeps| keeps(value))
    }

    pub(super) fn substitute(&self) -> Option<V> {
        self.placeholder.as_ref().map(|placeholder| placeholder())
    }

    /// Says that arguments have no key; they are called uncached.
    #[cold]
    pub(super) fn key_failed(&self, error: &KeyError) {
        count(&self.counts.mine().key_failures);
        tracing::warn!(function = self.name(), %error, "called uncached");
    }
}

impl<V, C: Codec<V>> Memo<V, C> {
    /// What is kept for `key`, be it stale; `Ok(None)` if that is nothing. Computes nothing.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`], [`Error::NoCache`].
    pub fn peek<Q: Serialize + ?Sized>(&self, key: &Q) -> Result<Option<V>, Error> {
        let key = KeyBytes::of(key)?;
        self.cache()?.get_encoded(&key)
    }

    /// As [`Memo::peek`], with what is left of its life.
    ///
    /// # Errors
    /// As [`Memo::peek`].
    pub fn get_ttl<Q: Serialize + ?Sized>(&self, key: &Q) -> Result<Option<(V, Ttl)>, Error> {
        let key = KeyBytes::of(key)?;
        let cache = self.cache()?;
        let Some(stored) = cache.segment()?.get(&key) else {
            return Ok(None);
        };
        dependency::give(&stored);
        let value = cache.decode(&key, &stored)?;
        Ok(value.map(|value| (value, Ttl::of(&stored.metadata()))))
    }

    /// Whether something is kept for `key`, be it stale.
    ///
    /// # Errors
    /// As [`Memo::peek`].
    pub fn contains<Q: Serialize + ?Sized>(&self, key: &Q) -> Result<bool, Error> {
        let key = KeyBytes::of(key)?;
        Ok(self.cache()?.segment()?.contains(&key))
    }

    /// Keeps `value` (or a reference to one) for `key`, as if it had been computed.
    ///
    /// # Errors
    /// As [`Memo::peek`]; [`Error::Codec`], [`Error::Store`].
    pub fn put<Q: Serialize + ?Sized>(&self, key: &Q, value: impl Borrow<V>) -> Result<Put, Error> {
        self.put_with(key, value, PutOptions::default())
    }

    /// As [`Memo::put`], with a lifetime or tags of its own.
    ///
    /// # Errors
    /// As [`Memo::put`].
    pub fn put_with<'t, Q: Serialize + ?Sized>(
        &self,
        key: &Q,
        value: impl Borrow<V>,
        options: impl Into<PutOptions<'t>>,
    ) -> Result<Put, Error> {
        let key = KeyBytes::of(key)?;
        let cache = self.cache()?;
        let segment = cache.segment()?;
        let options = cache.engine_options(value.borrow(), options.into())?;
        let options = cache.begun(segment, &key, options);
        cache.with_encoded(&key, value.borrow(), |bytes| {
            Ok(segment.put_with(&key, bytes, &options)?)
        })
    }

    /// Keeps `value` for `key` only if something is kept for it already.
    ///
    /// # Errors
    /// As [`Memo::put`].
    pub fn replace<Q: Serialize + ?Sized>(&self, key: &Q, value: impl Borrow<V>) -> Result<Replace, Error> {
        self.replace_with(key, value, PutOptions::default())
    }

    /// As [`Memo::replace`], with a lifetime or tags of its own.
    ///
    /// # Errors
    /// As [`Memo::put`].
    pub fn replace_with<'t, Q: Serialize + ?Sized>(
        &self,
        key: &Q,
        value: impl Borrow<V>,
        options: impl Into<PutOptions<'t>>,
    ) -> Result<Replace, Error> {
        let key = KeyBytes::of(key)?;
        let cache = self.cache()?;
        let segment = cache.segment()?;
        let options = cache.engine_options(value.borrow(), options.into())?;
        let options = cache.begun(segment, &key, options);
        cache.with_encoded(&key, value.borrow(), |bytes| {
            Ok(segment.replace(&key, bytes, &options)?)
        })
    }

    /// Forgets `key`: after it returned, no call on this host gives a value that was computed, or whose computation
    /// began, before. Says whether something was kept.
    ///
    /// # Errors
    /// As [`Memo::peek`].
    pub fn invalidate<Q: Serialize + ?Sized>(&self, key: &Q) -> Result<bool, Error> {
        let key = KeyBytes::of(key)?;
        Ok(self.cache()?.segment()?.invalidate(&key))
    }

    /// Makes what is kept for `key` stale: it is still returned, and the next call refreshes it. Says whether something
    /// was kept.
    ///
    /// # Errors
    /// As [`Memo::peek`].
    pub fn expire<Q: Serialize + ?Sized>(&self, key: &Q) -> Result<bool, Error> {
        let key = KeyBytes::of(key)?;
        Ok(self.cache()?.segment()?.expire(&key))
    }

    /// What `key` is in the segment.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn key<Q: Serialize + ?Sized>(&self, key: &Q) -> Result<KeyBytes, Error> {
        Ok(KeyBytes::of(key)?)
    }

    /// Forgets everything, in constant time, in all processes of the host.
    ///
    /// # Errors
    /// [`Error::Namespace`], [`Error::NoCache`].
    pub fn clear(&self) -> Result<(), Error> {
        self.cache()?.clear()
    }

    /// Figures of this process.
    #[must_use]
    pub fn stats(&self) -> MemoStats {
        let of =
            |counter: fn(&super::counts::Shard) -> &std::sync::atomic::AtomicU64| self.counts.sum(counter);
        MemoStats {
            hits: of(|shard| &shard.hits),
            stale_hits: of(|shard| &shard.stale_hits),
            misses: of(|shard| &shard.misses),
            unmemoized: of(|shard| &shard.unmemoized),
            key_failures: of(|shard| &shard.key_failures),
            refreshes_left_out: of(|shard| &shard.refreshes_left_out),
            flights: self.hold().map(|cache| cache.flight_stats()).unwrap_or_default(),
        }
    }

    /// The cache behind it, a hold on the segment like any other.
    ///
    /// # Errors
    /// [`Error::NoCache`].
    pub fn cache(&self) -> Result<Cache<(), V, C>, Error> {
        match self.hold() {
            Some(cache) => Ok(Cache::clone(&cache)),
            None => Err(Error::NoCache {
                function: self.name().into(),
            }),
        }
    }

    /// The cache for the time of a call; none if there is none.
    pub(super) fn hold(&self) -> Option<Arc<Cache<(), V, C>>> {
        self.source.cache()
    }

    /// Whether what is kept for `key` is in the time of grace.
    #[cold]
    fn is_past(&self, cache: &Cache<(), V, C>, segment: &Segment, key: &KeyBytes) -> bool {
        let grace = cache.inner.flights.options.grace;
        !grace.is_zero() && segment.ttl(key).flatten().is_some_and(|ttl| ttl <= grace)
    }

    /// Whether what is kept is fresh and younger than `age`.
    pub(super) fn is_younger(&self, key: &Key, age: Duration) -> bool {
        let metadata = || self.hold()?.segment().ok()?.metadata(&key.bytes);
        key.failure.is_none()
            && self.is_enabled()
            && metadata().is_some_and(|metadata| !metadata.is_stale && metadata.age < age)
    }

    /// The first look of a call whose key there may be.
    #[inline]
    pub(super) fn quick_of(&self, key: &Key) -> Quick<V> {
        match &key.failure {
            None => self.quick(&key.bytes),
            Some(failure) => {
                self.key_failed(failure);
                Quick::Off
            }
        }
    }

    /// The first look of a call.
    #[inline]
    pub(super) fn quick(&self, key: &KeyBytes) -> Quick<V> {
        if self.is_enabled() {
            if let Some(cache) = self.source.lasting() {
                return self.quick_in(cache, key);
            }
            if let Some(cache) = self.source.opened().as_deref() {
                return self.quick_in(cache, key);
            }
        }
        self.quick_unopened(key)
    }

    #[inline]
    fn quick_in(&self, cache: &Cache<(), V, C>, key: &KeyBytes) -> Quick<V> {
        let counts = self.counts.mine();
        let Ok(segment) = cache.segment() else {
            count(&counts.unmemoized);
            return Quick::Off;
        };
        match cache.read(segment, key) {
            Ok((Read::Fresh, Some(value))) => {
                count(&counts.hits);
                Quick::Hit(value)
            }
            Ok((Read::Stale, Some(value))) if !self.is_past(cache, segment, key) => {
                count(&counts.stale_hits);
                Quick::Stale(value)
            }
            Ok((Read::Miss, _)) => {
                count(&counts.misses);
                Quick::Miss
            }
            // What is past its life, or no value of this cache.
            _ => {
                count(&counts.misses);
                Quick::Unclear
            }
        }
    }

    /// As `quick`, where nothing is open yet.
    #[cold]
    fn quick_unopened(&self, key: &KeyBytes) -> Quick<V> {
        if self.is_enabled()
            && let Some(cache) = self.hold()
        {
            return self.quick_in(&cache, key);
        }
        count(&self.counts.mine().unmemoized);
        Quick::Off
    }
}

/// Where a computation in `cache` takes place; none if there is no cache.
pub(super) fn place_in<'c, V, C>(
    cache: Option<&'c Cache<(), V, C>>,
    key: &'c KeyBytes,
) -> Option<(Place<'c>, &'c Cache<(), V, C>)>
where
    C: Codec<V>,
{
    let cache = cache?;
    Some((cache.place(key).ok()?, cache))
}

impl<V, C> fmt::Debug for Memo<V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
