//! Reading.

use std::borrow::Borrow;

use serde::Serialize;

use super::Cache;
use crate::codec::Codec;
use crate::error::Error;
use crate::key::KeyBytes;

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
        match self.segment()?.get(&bytes) {
            None => Ok(None),
            Some(value) => Ok(self.decode(&value)?),
        }
    }

    /// Whether `key` has a value, be it stale.
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
}
