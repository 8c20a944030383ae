//! Writing and removing.

use std::borrow::Borrow;

use guira_segment::{Add, Put, Replace, Swap, Version};
use serde::Serialize;

use super::Cache;
use crate::codec::Codec;
use crate::error::Error;
use crate::lifetime::Lifetime;
use crate::options::PutOptions;

impl<K: ?Sized, V, C: Codec<V>> Cache<K, V, C> {
    /// Stores `value` under `key`, replacing what is there. `options` is a
    /// [`Duration`](std::time::Duration), a [`Lifetime`] or [`PutOptions`].
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Codec`], [`Error::Namespace`]: the old value stays. [`Error::Store`]: see
    /// there.
    pub fn put<'t, Q>(&self, key: &Q, value: &V, options: impl Into<PutOptions<'t>>) -> Result<Put, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.key_bytes(key)?;
        let segment = self.segment()?;
        let options = self.begun(segment, &key, self.engine_options(value, options.into())?);
        let written = self.with_encoded(&key, value, |bytes| {
            Ok::<_, Error>(segment.put_with(&key, bytes, &options)?)
        })?;
        Ok(self.announced(segment, &key, written))
    }

    /// Stores `value` only if `key` has none. One of another kind is in the way, too.
    ///
    /// # Errors
    /// As [`Cache::put`]; nothing is removed.
    pub fn add<'t, Q>(&self, key: &Q, value: &V, options: impl Into<PutOptions<'t>>) -> Result<Add, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.key_bytes(key)?;
        let segment = self.segment()?;
        let options = self.begun(segment, &key, self.engine_options(value, options.into())?);
        let written = self.with_encoded(&key, value, |bytes| {
            Ok::<_, Error>(segment.add(&key, bytes, &options)?)
        })?;
        Ok(self.announced(segment, &key, written))
    }

    /// Stores `value` only if `key` has one.
    ///
    /// # Errors
    /// As [`Cache::put`].
    pub fn replace<'t, Q>(
        &self,
        key: &Q,
        value: &V,
        options: impl Into<PutOptions<'t>>,
    ) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.key_bytes(key)?;
        let segment = self.segment()?;
        let options = self.begun(segment, &key, self.engine_options(value, options.into())?);
        let written = self.with_encoded(&key, value, |bytes| {
            Ok::<_, Error>(segment.replace(&key, bytes, &options)?)
        })?;
        Ok(self.announced(segment, &key, written))
    }

    /// Stores `value` only if `key` holds the version that [`Cache::get_versioned`] or
    /// [`Cache::metadata`] gave.
    ///
    /// ```
    /// use guira::{Lifetime, Swap};
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let carts = guira.cache::<u64, Vec<String>>("carts");
    /// carts.put(&7, &vec![], Lifetime::never())?;
    /// while let Some((mut cart, version)) = carts.get_versioned(&7)? {
    ///     cart.push("plum".to_owned());
    ///     match carts.compare_and_swap(&7, version, &cart, Lifetime::never())? {
    ///         Swap::Conflict(_) => continue, // somebody else was faster: take theirs
    ///         _ => break,
    ///     }
    /// }
    /// assert_eq!(carts.get(&7)?, Some(vec!["plum".to_owned()]));
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Cache::add`].
    pub fn compare_and_swap<'t, Q>(
        &self,
        key: &Q,
        expected: Version,
        value: &V,
        options: impl Into<PutOptions<'t>>,
    ) -> Result<Swap, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.key_bytes(key)?;
        let segment = self.segment()?;
        let options = self.begun(segment, &key, self.engine_options(value, options.into())?);
        let written = self.with_encoded(&key, value, |bytes| {
            Ok::<_, Error>(segment.compare_and_swap(&key, expected, bytes, &options)?)
        })?;
        Ok(self.announced(segment, &key, written))
    }
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// Removes `key`; says whether it had a value. Puts that are under way may complete after it, and
    /// computations that began before may be stored: [`Cache::invalidate`] does not let them.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`].
    pub fn remove<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let (segment, key) = (self.segment()?, self.key_bytes(key)?);
        Ok(self.removing(segment, &key, || segment.remove(&key)))
    }

    /// Removes `key` for good: after it returns, no read on this host gives a value whose put or
    /// computation began before. Says whether the key had a value.
    ///
    /// # Errors
    /// As [`Cache::remove`].
    pub fn invalidate<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let (segment, key) = (self.segment()?, self.key_bytes(key)?);
        Ok(self.removing(segment, &key, || segment.invalidate(&key)))
    }

    /// Options as the engine takes them.
    pub(crate) fn engine_options<'t>(
        &self,
        value: &V,
        options: PutOptions<'t>,
    ) -> Result<guira_segment::PutOptions<'t>, Error> {
        let expiry = self.expiry_with_grace(Some(value), options.lifetime)?;
        Ok(guira_segment::PutOptions::default()
            .expiry(expiry)
            .tags(options.tags)
            .aligned(self.inner.envelope.form().in_place))
    }

    /// As `expiry`; past its life the value is kept for the time of grace.
    pub(crate) fn expiry_with_grace(
        &self,
        value: Option<&V>,
        asked: Lifetime,
    ) -> Result<guira_segment::Expiry, Error> {
        let grace = self.inner.flights.options.grace;
        if grace.is_zero() {
            return self.expiry(value, asked);
        }
        let (hard, soft) = self.inner.lifetimes.deadlines(value, asked)?;
        let Some(hard) = hard.filter(|hard| !hard.is_zero()) else {
            return self.expiry(value, asked);
        };
        let expiry = guira_segment::Expiry::after(hard.saturating_add(grace));
        Ok(expiry.soft(soft.unwrap_or(hard)))
    }

    /// Deadlines as the engine takes them, what was left open being as the value or this cache says.
    pub(crate) fn expiry(&self, value: Option<&V>, asked: Lifetime) -> Result<guira_segment::Expiry, Error> {
        Ok(self.inner.lifetimes.expiry(value, asked)?)
    }
}
