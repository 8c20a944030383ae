//! A near store in front of a far one.

use guira_segment::{Add, Put, Replace};

use super::Store;
use crate::cache::Renew;
use crate::error::Error;
use crate::lifetime::{Lifetime, Ttl};
use crate::options::PutOptions;

/// A near store in front of a far one, which holds the truth.
///
/// * A read asks the near one; what it misses is asked of the far one, and kept near for the time it has left
///   there. A stale near value is given if the far one has none.
/// * A write goes to the far one first; if that fails, or does not store, the near one forgets the key.
/// * `remove`, `invalidate`, `expire`, `clear` and `purge` are those of both. Whether there was something is
///   what the far one says, or the near one.
///
/// Who writes past it to the far store is seen here when the near value's time is over, and a read that races a
/// write may keep the old value near: [`near_at_most`](TwoLevel::near_at_most) bounds both.
#[derive(Clone, Debug)]
pub struct TwoLevel<N, F> {
    near: N,
    far: F,
    near_at_most: Option<std::time::Duration>,
}

impl<N, F> TwoLevel<N, F> {
    /// `near` in front of `far`.
    pub const fn new(near: N, far: F) -> Self {
        Self {
            near,
            far,
            near_at_most: None,
        }
    }

    /// Keeps nothing near for longer than `ttl`; by default as long as it lives in the far store.
    #[must_use]
    pub fn near_at_most(mut self, ttl: std::time::Duration) -> Self {
        self.near_at_most = Some(ttl);
        self
    }

    /// The near store.
    pub const fn near(&self) -> &N {
        &self.near
    }

    /// The far store.
    pub const fn far(&self) -> &F {
        &self.far
    }

    /// How long something may be kept near that has `ttl` left in the far store; `None` for not at all.
    fn near_lifetime(&self, ttl: Ttl) -> Option<Lifetime> {
        let left = match ttl {
            Ttl::Stale { .. } => return None,
            Ttl::Never => None,
            Ttl::Fresh(left) if left.is_zero() => return None,
            Ttl::Fresh(left) => Some(left),
        };
        Some(match (left, self.near_at_most) {
            (Some(left), Some(most)) => Lifetime::after(left.min(most)),
            (Some(left), None) => Lifetime::after(left),
            (None, Some(most)) => Lifetime::after(most),
            (None, None) => Lifetime::never(),
        })
    }

    /// Keeps near what the far store has. What the near one cannot keep is read from far again.
    fn promote<K: ?Sized, V>(&self, key: &K, value: &V, ttl: Ttl)
    where
        N: Store<K, V>,
    {
        if let Some(lifetime) = self.near_lifetime(ttl)
            && let Err(error) = self.near.put(key, value, &lifetime.into())
        {
            tracing::debug!(%error, "a value was not kept near");
        }
    }

    /// After a write to the far store, which ended as `result` says: what lies near is as old.
    fn forget_near<K: ?Sized, V, T>(&self, key: &K, result: Result<T, Error>) -> Result<T, Error>
    where
        N: Store<K, V>,
    {
        self.near.invalidate(key)?;
        result
    }
}

impl<K: ?Sized, V, N: Store<K, V>, F: Store<K, V>> Store<K, V> for TwoLevel<N, F> {
    fn get(&self, key: &K) -> Result<Option<V>, Error> {
        Ok(self.get_ttl(key)?.map(|(value, _)| value))
    }

    fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error> {
        let near = self.near.get_ttl(key)?;
        if near.as_ref().is_some_and(|(_, ttl)| !ttl.is_stale()) {
            return Ok(near);
        }
        let Some((value, ttl)) = self.far.get_ttl(key)? else {
            return Ok(near);
        };
        self.promote(key, &value, ttl);
        Ok(Some((value, ttl)))
    }

    fn ttl(&self, key: &K) -> Result<Option<Ttl>, Error> {
        match self.far.ttl(key)? {
            Some(ttl) => Ok(Some(ttl)),
            None => self.near.ttl(key),
        }
    }

    fn put(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Put, Error> {
        let stored = self.far.put(key, value, options);
        self.forget_near(key, stored)
    }

    fn add(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error> {
        let stored = self.far.add(key, value, options);
        self.forget_near(key, stored)
    }

    fn replace(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Replace, Error> {
        let stored = self.far.replace(key, value, options);
        self.forget_near(key, stored)
    }

    fn touch(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error> {
        let touched = self.far.touch(key, lifetime);
        self.forget_near(key, touched)
    }

    fn renew(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error> {
        let renewed = self.far.renew(key, lifetime);
        self.forget_near(key, renewed)
    }

    fn expire(&self, key: &K) -> Result<bool, Error> {
        let far = self.far.expire(key);
        self.forget_near(key, far)
    }

    fn remove(&self, key: &K) -> Result<bool, Error> {
        let far = self.far.remove(key);
        let near = self.near.remove(key)?;
        Ok(far? || near)
    }

    fn invalidate(&self, key: &K) -> Result<bool, Error> {
        let far = self.far.invalidate(key);
        let near = self.near.invalidate(key)?;
        Ok(far? || near)
    }

    fn clear(&self) -> Result<(), Error> {
        let far = self.far.clear();
        self.near.clear()?;
        far
    }

    fn purge(&self) -> Result<u64, Error> {
        let far = self.far.purge();
        self.near.purge()?;
        far
    }
}
