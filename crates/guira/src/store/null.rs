//! A cache that keeps nothing.

use std::time::Duration;

use guira_segment::{Add, Put, Replace};

use super::Store;
use crate::cache::Renew;
use crate::error::Error;
use crate::lifetime::{Lifetime, Ttl};
use crate::options::PutOptions;

/// A cache that keeps nothing: reads miss, puts and adds succeed, removes find nothing. For tests, and for
/// switching a cache off where a [`Store`] is asked for.
///
/// ```
/// use guira::store::{Null, Store};
///
/// let cache: Box<dyn Store<u64, String>> = Box::new(Null);
/// cache.put(&7, &"plum".to_owned(), &Default::default())?;
/// assert_eq!(cache.get(&7)?, None);
/// # Ok::<(), guira::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Null;

impl<K: ?Sized, V> Store<K, V> for Null {
    fn get(&self, _key: &K) -> Result<Option<V>, Error> {
        Ok(None)
    }

    fn get_ttl(&self, _key: &K) -> Result<Option<(V, Ttl)>, Error> {
        Ok(None)
    }

    fn ttl(&self, _key: &K) -> Result<Option<Ttl>, Error> {
        Ok(None)
    }

    fn put(&self, _key: &K, _value: &V, _options: &PutOptions<'_>) -> Result<Put, Error> {
        Ok(Put::Stored)
    }

    fn add(&self, _key: &K, _value: &V, _options: &PutOptions<'_>) -> Result<Add, Error> {
        Ok(Add::Stored)
    }

    fn replace(&self, _key: &K, _value: &V, _options: &PutOptions<'_>) -> Result<Replace, Error> {
        Ok(Replace::NotFound)
    }

    fn touch(&self, _key: &K, _lifetime: Lifetime) -> Result<Replace, Error> {
        Ok(Replace::NotFound)
    }

    fn renew(&self, _key: &K, _lifetime: Lifetime) -> Result<Renew, Error> {
        Ok(Renew::NotFound)
    }

    fn expire(&self, _key: &K) -> Result<bool, Error> {
        Ok(false)
    }

    fn remove(&self, _key: &K) -> Result<bool, Error> {
        Ok(false)
    }

    fn invalidate(&self, _key: &K) -> Result<bool, Error> {
        Ok(false)
    }

    fn clear(&self) -> Result<(), Error> {
        Ok(())
    }

    fn purge_stale_for(&self, _: Duration) -> Result<u64, Error> {
        Ok(0)
    }
}
