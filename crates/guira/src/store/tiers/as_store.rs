//! A stack is a store.

use std::time::Duration;

use guira_segment::{Add, Put, Replace};

use super::Tiers;
use super::tier::count;
use super::write::{Condition, Written};
use crate::cache::Renew;
use crate::error::Error;
use crate::lifetime::{Lifetime, Ttl};
use crate::options::PutOptions;
use crate::store::Store;

impl<K: ?Sized, V> Tiers<K, V> {
    /// The first tier's value, if that is fresh: a hit costs little more than there.
    pub(super) fn get_from_first(&self, key: &K) -> Option<V> {
        let tier = self.tiers.first()?;
        // What failed, fails again on the way down.
        let value = tier.store.get_if_fresh(key).ok().flatten();
        if value.is_some() {
            count(&tier.tally.hits);
        }
        value
    }
}

/// What became of a put.
pub(super) const fn put_of(written: Written) -> Put {
    match written {
        Written::Stored => Put::Stored,
        Written::Superseded | Written::NotFound => Put::Superseded,
    }
}

impl<K: ?Sized, V> Store<K, V> for Tiers<K, V> {
    fn get(&self, key: &K) -> Result<Option<V>, Error> {
        self.reading().get(key)
    }

    fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error> {
        self.reading().get_ttl(key)
    }

    fn ttl(&self, key: &K) -> Result<Option<Ttl>, Error> {
        Ok(self.peek(key)?.map(|best| best.held.ttl))
    }

    fn put(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Put, Error> {
        self.write(key, value, options, Condition::Always).map(put_of)
    }

    fn add(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error> {
        self.add_to_all(key, value, options)
    }

    fn replace(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Replace, Error> {
        Ok(match self.write(key, value, options, Condition::Present)? {
            Written::Stored => Replace::Stored,
            Written::Superseded => Replace::Superseded,
            Written::NotFound => Replace::NotFound,
        })
    }

    fn touch(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error> {
        self.touch_in_all(key, lifetime)
    }

    fn renew(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error> {
        self.renew_in_all(key, lifetime)
    }

    fn expire(&self, key: &K) -> Result<bool, Error> {
        self.expire_in_all(key)
    }

    fn remove(&self, key: &K) -> Result<bool, Error> {
        self.remove_from_all(key)
    }

    fn invalidate(&self, key: &K) -> Result<bool, Error> {
        self.invalidate_in_all(key)
    }

    fn clear(&self) -> Result<(), Error> {
        self.clear_all_tiers()
    }

    fn purge_stale_for(&self, time: Duration) -> Result<u64, Error> {
        self.purge_all_tiers(time)
    }

    fn get_many(&self, keys: &[&K]) -> Vec<Result<Option<V>, Error>> {
        self.get_many_from_all(keys)
    }

    fn put_many(&self, items: &[(&K, &V)], options: &PutOptions<'_>) -> Vec<Result<Put, Error>> {
        self.put_many_to_all(items, options)
    }

    fn remove_many(&self, keys: &[&K]) -> Vec<Result<bool, Error>> {
        self.remove_many_from_all(keys)
    }
}
