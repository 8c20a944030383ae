//! What all kinds of caches have in common, and kinds that are made of others.
//!
//! [`Cache`] is the one that keeps values; code that takes an `impl Store<K, V>` or a `dyn Store<K, V>` works
//! with any of them.
//!
//! | store | what it does |
//! |---|---|
//! | [`Null`] | keeps nothing |
//! | [`Layered`] with [`Counting`] | counts hits, misses, errors |
//! | [`Layered`] with [`Tracing`] | tells of each call by an event |
//! | [`Layered`] with [`FailOpen`] | goes on without a cache that fails |
//! | [`Prefixed`] | is a part of another, by a half of its keys |
//! | [`Router`] | finds the store of a namespace |
//! | [`Tiers`] | is any number of others, the fastest first |
//! | [`TwoLevel`] | is one in front of another, whatever they are |
//! | `Decoded` (feature `decoded`) | keeps decoded values in front of a cache, each asked for at every hit whether it is current |

mod counting;
#[cfg(feature = "decoded")]
mod decoded;
mod fail_open;
mod layer;
mod null;
mod prefixed;
mod router;
mod tiers;
mod tracing;
mod two_level;

use std::sync::Arc;
use std::time::Duration;

use guira_segment::{Add, Put, Replace};
use serde::Serialize;

use crate::cache::{Cache, Renew};
use crate::codec::Codec;
use crate::error::Error;
use crate::lifetime::{Lifetime, Ttl};
use crate::options::PutOptions;

pub use counting::{Counting, Counts};
#[cfg(feature = "decoded")]
pub use decoded::{Decoded, Shared};
pub use fail_open::FailOpen;
pub use layer::{Around, Layered, Operation, Outcome};
pub use null::Null;
pub use prefixed::Prefixed;
pub use router::Router;
pub use tiers::{Arbiter, Keeping, Looked, OnFailure, Promotion, Seat, TierCounts, Tiers, TiersReading};
pub(crate) use tiers::{Computed, Decide, Held, Life, Lives};
pub use tracing::Tracing;
pub use two_level::{OnPromote, TwoLevel};

/// A cache of whatever kind. What the methods mean is told at [`Cache`]'s, of the same names.
#[expect(
    clippy::missing_errors_doc,
    reason = "the errors are those of Cache's methods of the same names"
)]
pub trait Store<K: ?Sized, V>: Send + Sync {
    /// The value of `key`; `Ok(None)` is a miss.
    fn get(&self, key: &K) -> Result<Option<V>, Error>;
    /// The value of `key` and what is left of its life.
    fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error>;
    /// What is left of the life of `key`'s value.
    fn ttl(&self, key: &K) -> Result<Option<Ttl>, Error>;
    /// Stores `value` under `key`.
    fn put(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Put, Error>;
    /// Stores `value` only if `key` has none.
    fn add(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error>;
    /// Stores `value` only if `key` has one.
    fn replace(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Replace, Error>;
    /// Gives `key`'s value another lifetime.
    fn touch(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error>;
    /// Gives `key`'s value more time.
    fn renew(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error>;
    /// Makes `key`'s value stale.
    fn expire(&self, key: &K) -> Result<bool, Error>;
    /// Removes `key`.
    fn remove(&self, key: &K) -> Result<bool, Error>;
    /// Removes `key` for good.
    fn invalidate(&self, key: &K) -> Result<bool, Error>;
    /// Invalidates everything in this cache.
    fn clear(&self) -> Result<(), Error>;
    /// Removes what has been stale for at least `time`.
    fn purge_stale_for(&self, time: Duration) -> Result<u64, Error>;

    /// Removes what is stale.
    fn purge(&self) -> Result<u64, Error> {
        self.purge_stale_for(Duration::ZERO)
    }

    /// Whether `key` has a value.
    fn contains(&self, key: &K) -> Result<bool, Error> {
        Ok(self.ttl(key)?.is_some())
    }

    /// Whether `key` has a value that stays fresh for longer than `margin`.
    fn contains_for(&self, key: &K, margin: Duration) -> Result<bool, Error> {
        Ok(self.ttl(key)?.is_some_and(|ttl| ttl.outlasts(margin)))
    }

    /// The value of `key` if it is fresh.
    fn get_if_fresh(&self, key: &K) -> Result<Option<V>, Error> {
        let found = self.get_ttl(key)?.filter(|(_, ttl)| !ttl.is_stale());
        Ok(found.map(|(value, _)| value))
    }

    /// The values of `keys`, in their order.
    fn get_many(&self, keys: &[&K]) -> Vec<Result<Option<V>, Error>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Puts all `items`; a result for each, in their order.
    fn put_many(&self, items: &[(&K, &V)], options: &PutOptions<'_>) -> Vec<Result<Put, Error>> {
        let put = |(key, value): &(&K, &V)| self.put(key, value, options);
        items.iter().map(put).collect()
    }

    /// Removes all `keys`; says of each whether it had a value.
    fn remove_many(&self, keys: &[&K]) -> Vec<Result<bool, Error>> {
        keys.iter().map(|key| self.remove(key)).collect()
    }

    /// What a stack of [`Tiers`] wants to know of `key`. Stores that wrap another pass this on, and what follows.
    fn look(&self, key: &K) -> Result<Looked<V>, Error> {
        Ok(Looked::plain(self.get_ttl(key)?))
    }

    /// What a stack of [`Tiers`] wants to know of `keys`, in their order.
    fn look_many(&self, keys: &[&K]) -> Vec<Result<Looked<V>, Error>> {
        keys.iter().map(|key| self.look(key)).collect()
    }

    /// The right to store something in the place of what `key` has; `None` from a store that gives no such rights.
    fn seat(&self, key: &K) -> Result<Option<Seat>, Error> {
        let _ = key;
        Ok(None)
    }

    /// Keeps `value` as a stack of [`Tiers`] says; false if it is superseded.
    fn keep(&self, key: &K, value: &V, keeping: &Keeping<'_>) -> Result<bool, Error> {
        let Some(lifetime) = keeping.lifetime() else {
            return Ok(false);
        };
        let options = PutOptions::from(lifetime).tags(keeping.tags);
        Ok(self.put(key, value, &options)? == Put::Stored)
    }

    /// The segment that a stack of [`Tiers`] may ask of invalidations, and whose flights are the stack's.
    fn arbiter(&self) -> Option<Arbiter<'_, K, V>> {
        None
    }
}

impl<K: Serialize + ?Sized, V, C: Codec<V>> Store<K, V> for Cache<K, V, C> {
    fn get(&self, key: &K) -> Result<Option<V>, Error> {
        self.get(key)
    }

    fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error> {
        self.get_ttl(key)
    }

    fn ttl(&self, key: &K) -> Result<Option<Ttl>, Error> {
        self.ttl(key)
    }

    fn put(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Put, Error> {
        self.put(key, value, *options)
    }

    fn add(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error> {
        self.add(key, value, *options)
    }

    fn replace(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Replace, Error> {
        self.replace(key, value, *options)
    }

    fn touch(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error> {
        self.touch(key, lifetime)
    }

    fn renew(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error> {
        self.renew(key, lifetime)
    }

    fn expire(&self, key: &K) -> Result<bool, Error> {
        self.expire(key)
    }

    fn remove(&self, key: &K) -> Result<bool, Error> {
        self.remove(key)
    }

    fn invalidate(&self, key: &K) -> Result<bool, Error> {
        self.invalidate(key)
    }

    fn clear(&self) -> Result<(), Error> {
        self.clear()
    }

    fn purge_stale_for(&self, time: Duration) -> Result<u64, Error> {
        self.purge_stale_for(time)
    }

    fn get_many(&self, keys: &[&K]) -> Vec<Result<Option<V>, Error>> {
        self.get_many(keys.iter().copied())
    }

    fn get_if_fresh(&self, key: &K) -> Result<Option<V>, Error> {
        self.get_if_fresh(key)
    }

    fn look(&self, key: &K) -> Result<Looked<V>, Error> {
        self.look_for_tiers(key)
    }

    fn seat(&self, key: &K) -> Result<Option<Seat>, Error> {
        self.seat_for_tiers(key).map(Some)
    }

    fn keep(&self, key: &K, value: &V, keeping: &Keeping<'_>) -> Result<bool, Error> {
        self.keep_for_tiers(key, value, keeping)
    }

    fn arbiter(&self) -> Option<Arbiter<'_, K, V>> {
        Some(Arbiter(self))
    }
}

/// The methods of a store that only passes its calls on to `$self.$inner`, but for those written out.
macro_rules! forward {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $result:ty;)*) => {
        $(fn $name(&self $(, $argument: $type)*) -> $result {
            (**self).$name($($argument),*)
        })*
    };
}

impl<K: ?Sized, V, S: Store<K, V> + ?Sized> Store<K, V> for Arc<S> {
    forward! {
        fn get(&self, key: &K) -> Result<Option<V>, Error>;
        fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error>;
        fn ttl(&self, key: &K) -> Result<Option<Ttl>, Error>;
        fn put(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Put, Error>;
        fn add(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error>;
        fn replace(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Replace, Error>;
        fn touch(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error>;
        fn renew(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error>;
        fn expire(&self, key: &K) -> Result<bool, Error>;
        fn remove(&self, key: &K) -> Result<bool, Error>;
        fn invalidate(&self, key: &K) -> Result<bool, Error>;
        fn clear(&self) -> Result<(), Error>;
        fn purge_stale_for(&self, time: Duration) -> Result<u64, Error>;
        fn get_many(&self, keys: &[&K]) -> Vec<Result<Option<V>, Error>>;
        fn get_if_fresh(&self, key: &K) -> Result<Option<V>, Error>;
        fn look(&self, key: &K) -> Result<Looked<V>, Error>;
        fn look_many(&self, keys: &[&K]) -> Vec<Result<Looked<V>, Error>>;
        fn seat(&self, key: &K) -> Result<Option<Seat>, Error>;
        fn keep(&self, key: &K, value: &V, keeping: &Keeping<'_>) -> Result<bool, Error>;
        fn arbiter(&self) -> Option<Arbiter<'_, K, V>>;
    }
}

impl<K: ?Sized, V, S: Store<K, V> + ?Sized> Store<K, V> for &S {
    forward! {
        fn get(&self, key: &K) -> Result<Option<V>, Error>;
        fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error>;
        fn ttl(&self, key: &K) -> Result<Option<Ttl>, Error>;
        fn put(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Put, Error>;
        fn add(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error>;
        fn replace(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Replace, Error>;
        fn touch(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error>;
        fn renew(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error>;
        fn expire(&self, key: &K) -> Result<bool, Error>;
        fn remove(&self, key: &K) -> Result<bool, Error>;
        fn invalidate(&self, key: &K) -> Result<bool, Error>;
        fn clear(&self) -> Result<(), Error>;
        fn purge_stale_for(&self, time: Duration) -> Result<u64, Error>;
        fn get_many(&self, keys: &[&K]) -> Vec<Result<Option<V>, Error>>;
        fn get_if_fresh(&self, key: &K) -> Result<Option<V>, Error>;
        fn look(&self, key: &K) -> Result<Looked<V>, Error>;
        fn look_many(&self, keys: &[&K]) -> Vec<Result<Looked<V>, Error>>;
        fn seat(&self, key: &K) -> Result<Option<Seat>, Error>;
        fn keep(&self, key: &K, value: &V, keeping: &Keeping<'_>) -> Result<bool, Error>;
        fn arbiter(&self) -> Option<Arbiter<'_, K, V>>;
    }
}
