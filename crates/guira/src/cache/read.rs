//! Reading.

use std::borrow::Borrow;
use std::time::Duration;

use guira_segment::{Expiry, Metadata, Segment, ValueRef, Version};
use serde::Serialize;

use super::spill::READS;
use super::{Cache, seam};
use crate::codec::Codec;
use crate::dependency;
use crate::error::Error;
use crate::key::KeyBytes;
use crate::lifetime::{Lifetime, Ttl};

impl<K: ?Sized, V, C: Codec<V>> Cache<K, V, C> {
    /// The value of `key`; `Ok(None)` is a miss. A value that is stale is returned until its hard
    /// deadline.
    ///
    /// ```
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let nicknames = guira.cache::<str, Option<String>>("nicknames");
    /// nicknames.put("plum", &None, std::time::Duration::from_secs(60))?;
    /// assert_eq!(nicknames.get("plum")?, Some(None)); // stored: has none
    /// assert_eq!(nicknames.get("pear")?, None); // a miss: not known
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`], and [`Error::Codec`] if the cache was told not to miss values
    /// of another kind.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let mut bytes = KeyBytes::new();
        bytes.encode(key)?;
        self.get_encoded(&bytes)
    }

    /// As [`Cache::get`], by the bytes of a key.
    ///
    /// # Errors
    /// As [`Cache::get`], but for the key.
    #[inline]
    pub fn get_encoded(&self, key: &KeyBytes) -> Result<Option<V>, Error> {
        let segment = self.segment()?;
        let mut was_replaced = false;
        let mut value = if self.inner.decodes_pinned || dependency::is_inheriting() {
            self.look_encoded(key, |_| ())?.map(|(value, ())| value)
        } else {
            // Cheaper than a pin, by more than the copy costs.
            let mut buffer = seam::take_buffer();
            let decoded = if segment.get_into(key, &mut buffer) {
                let decoded = self.decode(key, &buffer);
                was_replaced = matches!(decoded, Ok(None)) && self.is_replaced(segment, key, &buffer);
                decoded
            } else {
                Ok(None)
            };
            seam::keep(buffer);
            decoded?
        };
        if was_replaced {
            value = self.look_encoded(key, |_| ())?.map(|(value, ())| value);
        }
        if value.is_some() {
            self.slide(segment, key);
        }
        Ok(value)
    }

    /// The value of `key` and what is left of its life; of a stale one too.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub fn get_ttl<Q>(&self, key: &Q) -> Result<Option<(V, Ttl)>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.look(key, |value| Ttl::of(&value.metadata()))
    }

    /// The value of `key` if it stays fresh for longer than `margin`; else it counts as a miss.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub fn get_for<Q>(&self, key: &Q, margin: Duration) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let found = self.get_ttl(key)?;
        Ok(found
            .filter(|(_, ttl)| ttl.outlasts(margin))
            .map(|(value, _)| value))
    }

    /// The value of `key` and the version that [`Cache::compare_and_swap`] wants.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub fn get_versioned<Q>(&self, key: &Q) -> Result<Option<(V, Version)>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.look(key, |value| value.metadata().version)
    }

    fn look<Q, R>(&self, key: &Q, of: impl FnOnce(&ValueRef<'_>) -> R) -> Result<Option<(V, R)>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.look_encoded(&self.key_bytes(key)?, of)
    }

    fn look_encoded<R>(
        &self,
        key: &KeyBytes,
        of: impl FnOnce(&ValueRef<'_>) -> R,
    ) -> Result<Option<(V, R)>, Error> {
        let segment = self.segment()?;
        for _ in 0..READS {
            let Some(stored) = segment.get(key) else {
                break;
            };
            dependency::give(&stored);
            if let Some(value) = self.decode(key, &stored)? {
                return Ok(Some((value, of(&stored))));
            }
            if !self.is_replaced(segment, key, &stored) {
                break;
            }
        }
        Ok(None)
    }
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// Gives what was read more time, if values of this cache slide.
    #[inline]
    pub(crate) fn slide(&self, segment: &Segment, key: &KeyBytes) {
        if let Some(idle) = self.inner.lifetimes.sliding
            && segment
                .ttl(key)
                .flatten()
                .is_some_and(|left| needs_time(left, idle))
        {
            self.prolong(segment, key, idle);
        }
    }

    /// Only the hard deadline moves: what is stale stays so, and what is due for a refresh comes due.
    #[cold]
    fn prolong(&self, segment: &Segment, key: &KeyBytes, idle: Duration) {
        let asked = self.inner.lifetimes.deadlines(None, Lifetime::after(idle));
        let (Some(value), Ok((Some(hard), _))) = (segment.get(key), asked) else {
            return;
        };
        let present = value.metadata();
        if present.is_stale || !present.ttl.is_some_and(|left| needs_time(left, idle)) {
            return;
        }
        let expiry = Expiry::after(hard);
        let expiry = match present.soft_ttl {
            Some(left) if left < hard => expiry.soft(left),
            _ => expiry,
        };
        // The value was read; one that could not be prolonged is gone a little sooner.
        let _ = self.rewrite(segment, key, &value, expiry);
    }

    /// Whether `key` has a value, be it stale. One of another kind counts: this does not read it.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`].
    pub fn contains<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.segment()?.contains(&self.key_bytes(key)?))
    }

    /// Whether `key` has a value that stays fresh for longer than `margin`.
    ///
    /// # Errors
    /// As [`Cache::contains`].
    pub fn contains_for<Q>(&self, key: &Q, margin: Duration) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.ttl(key)?.is_some_and(|ttl| ttl.outlasts(margin)))
    }

    /// What is left of the life of `key`'s value.
    ///
    /// # Errors
    /// As [`Cache::contains`].
    pub fn ttl<Q>(&self, key: &Q) -> Result<Option<Ttl>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.metadata(key)?.as_ref().map(Ttl::of))
    }

    /// What the computation of `key`'s value took, in microseconds, if that was stored with it: it is where
    /// [`FlightOptions::refresh_early`](crate::FlightOptions::refresh_early) is set.
    ///
    /// # Errors
    /// As [`Cache::contains`].
    pub fn cost<Q>(&self, key: &Q) -> Result<Option<Duration>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.key_bytes(key)?;
        let Some(stored) = self.segment()?.get(&key) else {
            return Ok(None);
        };
        Ok(match self.unspilled(&key, &stored) {
            None => self.cost_of(&stored),
            Some(map) => map.and_then(|map| self.cost_of(&map)),
        })
    }

    /// Deadlines, age, size and version of `key`'s entry; sizes are those of the encoded value.
    ///
    /// # Errors
    /// As [`Cache::contains`].
    pub fn metadata<Q>(&self, key: &Q) -> Result<Option<Metadata>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let (segment, key) = (self.segment()?, self.key_bytes(key)?);
        let metadata = segment.metadata(&key);
        Ok(metadata.map(|metadata| Metadata {
            value_bytes: self.spilled_bytes(segment, &key).unwrap_or(metadata.value_bytes),
            ..metadata
        }))
    }
}

/// Whether a quarter of `idle` has passed.
fn needs_time(left: Duration, idle: Duration) -> bool {
    left < idle / 4 * 3
}
