//! Asking other hosts for a value.

use std::borrow::Borrow;
use std::time::Duration;

use serde::Serialize;

use super::Cache;
use crate::codec::Codec;
use crate::error::Error;
use crate::flight::fetch_blocking;
use crate::options::PutOptions;

impl<K: ?Sized, V, C: Codec<V>> Cache<K, V, C> {
    /// The value of `key` on this host; if there is none, that of another host of the cluster, which is stored here.
    /// `None` if no host gives one within `wait`, and without [coherence](crate::coherence).
    ///
    /// A host gives what it has fresh and trusted, and nothing that was invalidated here before; it is kept here no longer
    /// than there. Blocks: not for tasks. To compute what no host has, see
    /// [`FlightOptions::fetching`](crate::FlightOptions::fetching).
    ///
    /// ```no_run
    /// use guira::Guira;
    /// use guira::coherence::Coherence;
    /// use std::time::Duration;
    ///
    /// # let guira = Guira::builder().coherence(Coherence::of_cluster("shop").broker("tcp://10.0.0.7:7227")).private()?;
    /// let prices = guira.cache::<u64, u64>("prices");
    /// if let Some(price) = prices.fetch(&7, Duration::from_millis(20))? {
    ///     println!("some host knows it: {price}");
    /// }
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub fn fetch<Q>(&self, key: &Q, wait: Duration) -> Result<Option<V>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        if let Some(value) = self.get(key)? {
            return Ok(Some(value));
        }
        let bytes = self.key_bytes(key)?;
        let values = self.values(PutOptions::default());
        match fetch_blocking(self.place(&bytes)?, wait, &values) {
            Some(value) => Ok(Some(value)),
            // Another caller may have been faster.
            None => self.get(key),
        }
    }
}
