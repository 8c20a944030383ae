//! Counting.

use std::borrow::Borrow;

use serde::Serialize;

use super::Cache;
use crate::codec::Number;
use crate::error::Error;
use crate::lifetime::Lifetime;

impl<K: ?Sized> Cache<K, i64, Number> {
    /// Adds `delta` to the number of `key`, keeping its lifetime and tags, and returns the sum. Without a
    /// number stores `initial`, to which `delta` is not added, living as `lifetime` says; without an
    /// `initial` returns `None`.
    ///
    /// Exactly once when it returns a sum, in all processes; a counter that was evicted begins anew.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let failures = guira.counters::<str>("failures");
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(failures.increment("10.0.0.7", 1, Some(1), minute)?, Some(1));
    /// assert_eq!(failures.increment("10.0.0.7", 1, Some(1), minute)?, Some(2));
    /// assert_eq!(failures.get("10.0.0.7")?, Some(2));
    /// assert_eq!(failures.decrement("10.0.0.8", 1, None, minute)?, None);
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Store`] if the sum does not fit, and as [`Cache::add`]. The number is untouched.
    pub fn increment<Q>(
        &self,
        key: &Q,
        delta: i64,
        initial: Option<i64>,
        lifetime: impl Into<Lifetime>,
    ) -> Result<Option<i64>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let expiry = self.expiry(initial.as_ref(), lifetime.into())?;
        let key = self.key_bytes(key)?;
        Ok(self.segment()?.increment(&key, delta, initial, expiry)?)
    }

    /// Subtracts `delta`: [`Cache::increment`] with the sign turned.
    ///
    /// # Errors
    /// As [`Cache::increment`]; `i64::MIN` cannot be subtracted.
    pub fn decrement<Q>(
        &self,
        key: &Q,
        delta: i64,
        initial: Option<i64>,
        lifetime: impl Into<Lifetime>,
    ) -> Result<Option<i64>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let expiry = self.expiry(initial.as_ref(), lifetime.into())?;
        let key = self.key_bytes(key)?;
        Ok(self.segment()?.decrement(&key, delta, initial, expiry)?)
    }
}
