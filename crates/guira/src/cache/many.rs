//! Many keys at once, each with a result of its own.

use std::borrow::Borrow;

use guira_segment::{Add, Put, Replace};
use serde::Serialize;

use super::Cache;
use crate::codec::Codec;
use crate::dependency;
use crate::error::Error;
use crate::key::KeyBytes;
use crate::lifetime::Ttl;
use crate::options::PutOptions;

impl<K: ?Sized, V, C: Codec<V>> Cache<K, V, C> {
    /// The values of `keys`, in their order; faster than one by one, for the latencies of memory overlap. What
    /// is wrong with one key is the result of that one.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let squares = guira.cache::<u64, u64>("squares");
    /// squares.put_many([(&2, &4), (&3, &9)], Duration::from_secs(60));
    /// let found: Result<Vec<_>, _> = squares.get_many([&1, &2, &3]).into_iter().collect();
    /// assert_eq!(found?, [None, Some(4), Some(9)]);
    /// # Ok::<(), guira::Error>(())
    /// ```
    pub fn get_many<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> Vec<Result<Option<V>, Error>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'q,
    {
        if dependency::is_inheriting() {
            return keys.into_iter().map(|key| self.get(key)).collect();
        }
        let mut results = Vec::new();
        let mut encoded: Vec<KeyBytes> = Vec::new();
        let mut places = Vec::new();
        for (place, key) in keys.into_iter().enumerate() {
            results.push(match KeyBytes::of(key) {
                Err(error) => Err(error.into()),
                Ok(bytes) => {
                    encoded.push(bytes);
                    places.push(place);
                    Ok(None)
                }
            });
        }
        let segment = match self.segment() {
            Ok(segment) => segment,
            Err(_) => {
                return results
                    .into_iter()
                    .map(|_| self.segment().map(|_| None))
                    .collect();
            }
        };
        let keys: Vec<&[u8]> = encoded.iter().map(|bytes| &**bytes).collect();
        segment.get_many(&keys, |index, stored| {
            let (Some(&place), Some(stored)) = (places.get(index), stored) else {
                return;
            };
            if let (Some(result), Some(key)) = (results.get_mut(place), encoded.get(index)) {
                *result = self.decode(key, stored).map_err(Error::from);
            }
        });
        results
    }

    /// The values of `keys` and what is left of their lives, in their order; of stale ones too.
    pub fn get_ttl_many<'q, Q>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
    ) -> Vec<Result<Option<(V, Ttl)>, Error>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'q,
    {
        keys.into_iter().map(|key| self.get_ttl(key)).collect()
    }

    /// Puts all `items`; a result for each, in their order.
    pub fn put_many<'q, 't, Q>(
        &self,
        items: impl IntoIterator<Item = (&'q Q, &'q V)>,
        options: impl Into<PutOptions<'t>>,
    ) -> Vec<Result<Put, Error>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'q,
        V: 'q,
    {
        let options = options.into();
        let put = |(key, value)| self.put(key, value, options);
        items.into_iter().map(put).collect()
    }

    /// Adds all `items` whose keys have no value; a result for each, in their order.
    pub fn add_many<'q, 't, Q>(
        &self,
        items: impl IntoIterator<Item = (&'q Q, &'q V)>,
        options: impl Into<PutOptions<'t>>,
    ) -> Vec<Result<Add, Error>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'q,
        V: 'q,
    {
        let options = options.into();
        let add = |(key, value)| self.add(key, value, options);
        items.into_iter().map(add).collect()
    }

    /// Replaces the values of all `items` whose keys have one; a result for each, in their order.
    pub fn replace_many<'q, 't, Q>(
        &self,
        items: impl IntoIterator<Item = (&'q Q, &'q V)>,
        options: impl Into<PutOptions<'t>>,
    ) -> Vec<Result<Replace, Error>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'q,
        V: 'q,
    {
        let options = options.into();
        let replace = |(key, value)| self.replace(key, value, options);
        items.into_iter().map(replace).collect()
    }
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// Removes all `keys`; says of each whether it had a value, in their order.
    pub fn remove_many<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> Vec<Result<bool, Error>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'q,
    {
        keys.into_iter().map(|key| self.remove(key)).collect()
    }

    /// Invalidates all `keys`; says of each whether it had a value, in their order.
    pub fn invalidate_many<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> Vec<Result<bool, Error>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'q,
    {
        keys.into_iter().map(|key| self.invalidate(key)).collect()
    }
}
