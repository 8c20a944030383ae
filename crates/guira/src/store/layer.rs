//! A layer around a store: something that is done at every call, whatever it asks.

use std::time::Duration;

use guira_segment::{Add, Put, Replace};

use super::{Arbiter, Keeping, Looked, Seat, Store};
use crate::cache::Renew;
use crate::error::Error;
use crate::lifetime::{Lifetime, Ttl};
use crate::options::PutOptions;

/// Which method of a [`Store`] is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "they are the methods of Store")]
pub enum Operation {
    Get,
    GetTtl,
    GetMany,
    Ttl,
    Put,
    PutMany,
    Add,
    Replace,
    Touch,
    Renew,
    Expire,
    Remove,
    RemoveMany,
    Invalidate,
    Clear,
    Purge,
}

impl Operation {
    /// Whether it takes a value away, or its freshness: if it is not done, what is outdated is read later.
    #[must_use]
    pub const fn is_removal(self) -> bool {
        matches!(
            self,
            Self::Remove | Self::RemoveMany | Self::Invalidate | Self::Expire | Self::Clear
        )
    }

    /// Its method's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetTtl => "get_ttl",
            Self::GetMany => "get_many",
            Self::Ttl => "ttl",
            Self::Put => "put",
            Self::PutMany => "put_many",
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Touch => "touch",
            Self::Renew => "renew",
            Self::Expire => "expire",
            Self::Remove => "remove",
            Self::RemoveMany => "remove_many",
            Self::Invalidate => "invalidate",
            Self::Clear => "clear",
            Self::Purge => "purge",
        }
    }
}

/// What the methods of a [`Store`] return.
pub trait Outcome: Sized {
    /// For a read: whether it found something. `None` for what is no read.
    fn is_hit(&self) -> Option<bool>;

    /// What a cache would say that holds nothing and keeps nothing.
    fn of_nothing() -> Self;
}

impl<T> Outcome for Option<T> {
    fn is_hit(&self) -> Option<bool> {
        Some(self.is_some())
    }

    fn of_nothing() -> Self {
        None
    }
}

impl<V> Outcome for Looked<V> {
    fn is_hit(&self) -> Option<bool> {
        Some(self.held.is_some())
    }

    fn of_nothing() -> Self {
        Self::plain(None)
    }
}

macro_rules! outcomes {
    ($($type:ty: $of_nothing:expr;)*) => {
        $(impl Outcome for $type {
            fn is_hit(&self) -> Option<bool> {
                None
            }

            fn of_nothing() -> Self {
                $of_nothing
            }
        })*
    };
}

outcomes! {
    (): ();
    bool: false;
    u64: 0;
    Put: Put::Superseded;
    Add: Add::Superseded;
    Replace: Replace::NotFound;
    Renew: Renew::NotFound;
}

/// Something that is done at every call of a store.
pub trait Around: Send + Sync {
    /// Calls `call`, or does not.
    ///
    /// # Errors
    /// What it makes of `call`'s.
    fn around<T: Outcome>(
        &self,
        operation: Operation,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error>;
}

/// A store with a layer around it, which is a store again.
///
/// ```
/// use guira::store::{Counting, Layered, Store};
/// use std::time::Duration;
///
/// # let guira = guira::Guira::builder().size(8 << 20).private()?;
/// let users = Layered::new(guira.cache::<u64, String>("users"), Counting::default());
/// users.put(&7, &"plum".to_owned(), &Duration::from_secs(60).into())?;
/// users.get(&7)?;
/// users.get(&8)?;
/// assert_eq!(users.layer().counts().hit_ratio(), 0.5);
/// # Ok::<(), guira::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Layered<S, A> {
    store: S,
    layer: A,
}

impl<S, A> Layered<S, A> {
    /// `layer` around `store`.
    pub const fn new(store: S, layer: A) -> Self {
        Self { store, layer }
    }

    /// What the layer is around.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The layer.
    pub const fn layer(&self) -> &A {
        &self.layer
    }
}

impl<K: ?Sized, V, S: Store<K, V>, A: Around> Store<K, V> for Layered<S, A> {
    fn get(&self, key: &K) -> Result<Option<V>, Error> {
        self.layer.around(Operation::Get, || self.store.get(key))
    }

    fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error> {
        self.layer.around(Operation::GetTtl, || self.store.get_ttl(key))
    }

    fn ttl(&self, key: &K) -> Result<Option<Ttl>, Error> {
        // Whether there is something is no read.
        let ttl = self
            .layer
            .around(Operation::Ttl, || self.store.ttl(key).map(Left));
        Ok(ttl?.0)
    }

    fn put(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Put, Error> {
        self.layer
            .around(Operation::Put, || self.store.put(key, value, options))
    }

    fn add(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error> {
        self.layer
            .around(Operation::Add, || self.store.add(key, value, options))
    }

    fn replace(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Replace, Error> {
        self.layer
            .around(Operation::Replace, || self.store.replace(key, value, options))
    }

    fn touch(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error> {
        self.layer
            .around(Operation::Touch, || self.store.touch(key, lifetime))
    }

    fn renew(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error> {
        self.layer
            .around(Operation::Renew, || self.store.renew(key, lifetime))
    }

    fn expire(&self, key: &K) -> Result<bool, Error> {
        self.layer.around(Operation::Expire, || self.store.expire(key))
    }

    fn remove(&self, key: &K) -> Result<bool, Error> {
        self.layer.around(Operation::Remove, || self.store.remove(key))
    }

    fn invalidate(&self, key: &K) -> Result<bool, Error> {
        self.layer
            .around(Operation::Invalidate, || self.store.invalidate(key))
    }

    fn clear(&self) -> Result<(), Error> {
        self.layer.around(Operation::Clear, || self.store.clear())
    }

    fn purge_stale_for(&self, time: Duration) -> Result<u64, Error> {
        self.layer
            .around(Operation::Purge, || self.store.purge_stale_for(time))
    }

    fn contains(&self, key: &K) -> Result<bool, Error> {
        self.layer.around(Operation::Ttl, || self.store.contains(key))
    }

    fn contains_for(&self, key: &K, margin: Duration) -> Result<bool, Error> {
        self.layer
            .around(Operation::Ttl, || self.store.contains_for(key, margin))
    }

    fn get_if_fresh(&self, key: &K) -> Result<Option<V>, Error> {
        self.layer.around(Operation::Get, || self.store.get_if_fresh(key))
    }

    fn look(&self, key: &K) -> Result<Looked<V>, Error> {
        self.layer.around(Operation::GetTtl, || self.store.look(key))
    }

    fn seat(&self, key: &K) -> Result<Option<Seat>, Error> {
        // It reads no value.
        self.store.seat(key)
    }

    fn keep(&self, key: &K, value: &V, keeping: &Keeping<'_>) -> Result<bool, Error> {
        self.layer
            .around(Operation::Put, || self.store.keep(key, value, keeping))
    }

    fn arbiter(&self) -> Option<Arbiter<'_, K, V>> {
        self.store.arbiter()
    }

    fn get_many(&self, keys: &[&K]) -> Vec<Result<Option<V>, Error>> {
        // Asked for by the first that the layer lets through, if it lets any.
        let mut found: Option<Vec<_>> = None;
        let mut one = |place| {
            let found =
                found.get_or_insert_with(|| self.store.get_many(keys).into_iter().map(Some).collect());
            found.get_mut(place).and_then(Option::take).unwrap_or(Ok(None))
        };
        (0..keys.len())
            .map(|place| self.layer.around(Operation::GetMany, || one(place)))
            .collect()
    }

    fn put_many(&self, items: &[(&K, &V)], options: &PutOptions<'_>) -> Vec<Result<Put, Error>> {
        let put = |(key, value): &(&K, &V)| {
            self.layer
                .around(Operation::PutMany, || self.store.put(key, value, options))
        };
        items.iter().map(put).collect()
    }

    fn remove_many(&self, keys: &[&K]) -> Vec<Result<bool, Error>> {
        let remove = |key: &&K| {
            self.layer
                .around(Operation::RemoveMany, || self.store.remove(key))
        };
        keys.iter().map(remove).collect()
    }
}

/// What is left of a life, which is no read.
struct Left(Option<Ttl>);

impl Outcome for Left {
    fn is_hit(&self) -> Option<bool> {
        None
    }

    fn of_nothing() -> Self {
        Self(None)
    }
}
