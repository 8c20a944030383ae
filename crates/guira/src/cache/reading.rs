//! Reads that ask for more, or for less, than plain ones.

use std::borrow::Borrow;
use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;

use super::Cache;
use crate::codec::Codec;
use crate::coherence::Consistency;
use crate::dependency;
use crate::error::Error;
use crate::flight::{Asking, Manner, Purpose, compute_blocking};
use crate::options::PutOptions;

/// How long reads wait unless they are told otherwise.
const WITHIN: Duration = Duration::from_secs(1);

/// Reads of a cache with a [`Consistency`] of their own.
#[derive(Debug)]
#[must_use]
pub struct Reading<'c, K: ?Sized, V, C> {
    cache: &'c Cache<K, V, C>,
    consistency: Consistency,
    within: Duration,
}

/// What a read may give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Given {
    /// What is there.
    Any,
    /// What is there, if it is not beyond trust.
    Trusted,
    /// Nothing.
    Nothing,
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// Reads with this consistency, whatever plain reads have. Plain reads pay nothing for it.
    ///
    /// ```no_run
    /// use guira::Guira;
    /// use guira::coherence::{Coherence, Consistency, SessionToken};
    /// use std::time::Duration;
    ///
    /// # let guira = Guira::builder().coherence(Coherence::of_cluster("shop").broker("tcp://10.0.0.7:7227")).private()?;
    /// let carts = guira.cache::<u64, Vec<String>>("carts");
    /// // A user changed something: what this host says of it goes along, in a cookie perhaps.
    /// carts.invalidate(&7)?;
    /// let cookie = guira.announced()?.session(Duration::from_secs(1))?.to_string();
    ///
    /// // The user's next request, on another host, does not see what was before.
    /// let token: SessionToken = cookie.parse()?;
    /// let cart = carts.reading(Consistency::Session(token)).get(&7)?;
    /// // For once, what is true on all hosts at this moment.
    /// let now = carts.reading(Consistency::Strict).within(Duration::from_millis(200)).get(&7)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn reading(&self, consistency: Consistency) -> Reading<'_, K, V, C> {
        Reading {
            cache: self,
            consistency,
            within: WITHIN,
        }
    }
}

impl<K: ?Sized, V, C: Codec<V>> Reading<'_, K, V, C> {
    /// How long a read may wait; by default 1 s. [`Consistency::Any`] and [`Consistency::Bounded`] never do.
    pub fn within(self, timeout: Duration) -> Self {
        Self {
            within: timeout,
            ..self
        }
    }

    /// The value of `key`; `Ok(None)` is a miss. Blocks its thread while it waits.
    ///
    /// # Errors
    /// As [`Cache::get`], and [`Error::Coherence`]: a strict read that no majority of the brokers answered in time,
    /// and strict and session reads of a cache that was opened without coherence.
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let cache = self.cache;
        match self.wait()? {
            Given::Nothing => return Ok(None),
            Given::Trusted => return cache.get(key),
            Given::Any => {}
        }
        let key = cache.key_bytes(key)?;
        let segment = cache.segment()?;
        let Some(stored) = segment.get(&key) else {
            return Ok(None);
        };
        dependency::give(&stored);
        let value = cache.decode_any(&key, &stored)?;
        drop(stored);
        if value.is_some() {
            cache.slide(segment, &key);
        }
        Ok(value)
    }

    /// As [`Cache::get_or_compute_with`]. Where a session is not applied here in time, this caller computes for itself,
    /// and what is there stays.
    ///
    /// # Errors
    /// As [`Cache::get_or_compute_with`] and [`Reading::get`].
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
        self.try_get_or_compute_with(key, options, || Ok::<_, Error>(compute()))
    }

    /// As [`Cache::try_get_or_compute_with`]. Where a session is not applied here in time, this caller computes for
    /// itself, and what is there stays.
    ///
    /// # Errors
    /// As [`Cache::try_get_or_compute_with`] and [`Reading::get`].
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
        let cache = self.cache;
        match self.consistency {
            Consistency::Any => {
                if let Some(value) = self.get(key)? {
                    return Ok(value);
                }
            }
            _ if self.wait()? == Given::Nothing => {
                let key = cache.key_bytes(key)?;
                let values = cache.values(options.into());
                let asking = Asking::new(cache.place(&key)?, Purpose::Value, None);
                let computation = asking.uncoordinated();
                return compute_blocking(asking, computation, &values, Manner::of_errors(), compute);
            }
            _ => {}
        }
        cache.try_get_or_compute_with(key, options, compute)
    }

    /// Waits until this host has what is asked for.
    fn wait(&self) -> Result<Given, Error> {
        let guira = self.cache.guira();
        Ok(match &self.consistency {
            Consistency::Any => Given::Any,
            Consistency::Bounded => Given::Trusted,
            Consistency::Session(token) => {
                let segment = self.cache.segment()?;
                if guira.coherence()?.wait_applied(segment, token, self.within) {
                    Given::Trusted
                } else {
                    Given::Nothing
                }
            }
            Consistency::Strict => {
                guira
                    .coherence()?
                    .wait_confirmed(self.cache.segment()?, self.within)?;
                Given::Any
            }
        })
    }
}
