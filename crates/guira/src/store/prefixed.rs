//! Keys with something before them.

use std::time::Duration;

use guira_segment::{Add, Put, Replace};

use super::{Arbiter, Computed, Decide, Keeping, Looked, Seat, Store};
use crate::cache::Renew;
use crate::error::Error;
use crate::flight::Place;
use crate::key::KeyBytes;
use crate::lifetime::{Lifetime, Ttl};
use crate::options::PutOptions;

/// A part of a store: its keys are pairs, of which the first half is always the same here. So that many share
/// one store, its settings and its name, and meet no key of each other.
///
/// `clear` and `purge` are those of the whole store.
///
/// ```
/// use guira::store::{Prefixed, Store};
/// use std::sync::Arc;
///
/// # let guira = guira::Guira::builder().size(8 << 20).private()?;
/// let shared = Arc::new(guira.cache::<(String, u64), String>("shared"));
/// let plums = Prefixed::new(Arc::clone(&shared), "plums".to_owned());
/// let pears = Prefixed::new(shared, "pears".to_owned());
/// plums.put(&7, &"blue".to_owned(), &Default::default())?;
/// assert_eq!(plums.get(&7)?.as_deref(), Some("blue"));
/// assert_eq!(pears.get(&7)?, None);
/// # Ok::<(), guira::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prefixed<S, P> {
    store: S,
    prefix: P,
}

impl<S, P> Prefixed<S, P> {
    /// The part of `store` whose keys begin with `prefix`.
    pub const fn new(store: S, prefix: P) -> Self {
        Self { store, prefix }
    }

    /// The whole.
    pub const fn store(&self) -> &S {
        &self.store
    }
}

impl<S, P: Clone> Prefixed<S, P> {
    fn key<K: Clone>(&self, key: &K) -> (P, K) {
        (self.prefix.clone(), key.clone())
    }
}

impl<K: Clone, V, P: Clone + Send + Sync, S: Store<(P, K), V>> Store<K, V> for Prefixed<S, P> {
    fn get(&self, key: &K) -> Result<Option<V>, Error> {
        self.store.get(&self.key(key))
    }

    fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error> {
        self.store.get_ttl(&self.key(key))
    }

    fn ttl(&self, key: &K) -> Result<Option<Ttl>, Error> {
        self.store.ttl(&self.key(key))
    }

    fn put(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Put, Error> {
        self.store.put(&self.key(key), value, options)
    }

    fn add(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error> {
        self.store.add(&self.key(key), value, options)
    }

    fn replace(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Replace, Error> {
        self.store.replace(&self.key(key), value, options)
    }

    fn touch(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error> {
        self.store.touch(&self.key(key), lifetime)
    }

    fn renew(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error> {
        self.store.renew(&self.key(key), lifetime)
    }

    fn expire(&self, key: &K) -> Result<bool, Error> {
        self.store.expire(&self.key(key))
    }

    fn remove(&self, key: &K) -> Result<bool, Error> {
        self.store.remove(&self.key(key))
    }

    fn invalidate(&self, key: &K) -> Result<bool, Error> {
        self.store.invalidate(&self.key(key))
    }

    fn clear(&self) -> Result<(), Error> {
        self.store.clear()
    }

    fn purge_stale_for(&self, time: Duration) -> Result<u64, Error> {
        self.store.purge_stale_for(time)
    }

    fn get_many(&self, keys: &[&K]) -> Vec<Result<Option<V>, Error>> {
        let keys: Vec<(P, K)> = keys.iter().map(|key| self.key(*key)).collect();
        let keys: Vec<&(P, K)> = keys.iter().collect();
        self.store.get_many(&keys)
    }

    fn get_if_fresh(&self, key: &K) -> Result<Option<V>, Error> {
        self.store.get_if_fresh(&self.key(key))
    }

    fn look(&self, key: &K) -> Result<Looked<V>, Error> {
        self.store.look(&self.key(key))
    }

    fn look_many(&self, keys: &[&K]) -> Vec<Result<Looked<V>, Error>> {
        let keys: Vec<(P, K)> = keys.iter().map(|key| self.key(*key)).collect();
        let keys: Vec<&(P, K)> = keys.iter().collect();
        self.store.look_many(&keys)
    }

    fn seat(&self, key: &K) -> Result<Option<Seat>, Error> {
        self.store.seat(&self.key(key))
    }

    fn keep(&self, key: &K, value: &V, keeping: &Keeping<'_>) -> Result<bool, Error> {
        self.store.keep(&self.key(key), value, keeping)
    }

    fn arbiter(&self) -> Option<Arbiter<'_, K, V>> {
        self.store.arbiter().is_some().then_some(Arbiter(self))
    }
}

impl<S, P> Prefixed<S, P> {
    fn whole<K, V>(&self) -> &dyn Decide<(P, K), V>
    where
        S: Store<(P, K), V>,
    {
        let Arbiter(whole) = self.store.arbiter().expect("it had one when it was asked");
        whole
    }
}

impl<K: Clone, V, P: Clone + Send + Sync, S: Store<(P, K), V>> Decide<K, V> for Prefixed<S, P> {
    fn bytes_of(&self, key: &K) -> Result<KeyBytes, Error> {
        self.whole().bytes_of(&self.key(key))
    }

    fn place_of<'c>(&'c self, key: &'c KeyBytes) -> Result<Place<'c>, Error>
    where
        K: 'c,
        V: 'c,
    {
        self.whole().place_of(key)
    }

    fn life(&self) -> u64 {
        self.whole().life()
    }

    fn invalidate_tag(&self, tag: &[u8]) -> Result<(), Error> {
        self.whole().invalidate_tag(tag)
    }

    fn decode_stored(&self, key: &[u8], stored: &[u8]) -> Option<V> {
        self.whole().decode_stored(key, stored)
    }

    fn encode_computed(
        &self,
        key: &[u8],
        value: &V,
        computed: Computed<'_>,
        store: &mut dyn FnMut(&[u8], Option<&guira_segment::PutOptions<'_>>),
    ) -> bool {
        self.whole().encode_computed(key, value, computed, store)
    }
}
