//! Writing.

use std::borrow::Borrow;

use guira_segment::Put;
use serde::Serialize;

use super::Cache;
use crate::codec::Codec;
use crate::error::Error;
use crate::options::PutOptions;

impl<K: ?Sized, V, C: Codec<V>> Cache<K, V, C> {
    /// Stores `value` under `key`, replacing what is there. `options` is a
    /// [`Duration`](std::time::Duration), a [`Lifetime`](crate::Lifetime) or [`PutOptions`].
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
        let options = self.engine_options(options.into());
        self.with_encoded(value, |bytes| Ok(segment.put_with(&key, bytes, &options)?))
    }

    /// Removes `key`; says whether it had a value. Puts that are under way may complete after it.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`].
    pub fn remove<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.segment()?.remove(&self.key_bytes(key)?))
    }

    /// For the engine, what was left open being as this cache is configured.
    pub(crate) fn engine_options<'t>(&self, options: PutOptions<'t>) -> guira_segment::PutOptions<'t> {
        guira_segment::PutOptions::default()
            .expiry(self.expiry(options.lifetime))
            .tags(options.tags)
    }
}
