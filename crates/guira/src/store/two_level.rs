//! A near store in front of a far one.

use std::time::Duration;

use guira_segment::{Add, Put, Replace};

use super::{Held, Keeping, Lives, Looked, Seat, Store};
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
/// Who writes past it to the far store is seen here when the near value's time is over; where the near store is
/// no cache on a segment, a read that races a write may keep the old value near, too.
/// [`near_at_most`](TwoLevel::near_at_most) bounds both.
///
/// This takes any two stores, also borrowed ones, and asks nothing of them. Two tiers of which the near one is told by
/// other hosts what is void, or computations that are to be made once for both, are [`Tiers`](super::Tiers).
#[derive(Clone, Debug)]
pub struct TwoLevel<N, F, P = ()> {
    near: N,
    far: F,
    near_at_most: Option<Duration>,
    near_margin: Duration,
    on_promote: P,
}

/// Who is told of what a [`TwoLevel`] keeps near of the far store.
pub trait OnPromote<K: ?Sized, V>: Send + Sync {
    /// The far store's value of `key`, of which `ttl` is left, is kept near now.
    fn promoted(&self, key: &K, value: &V, ttl: Ttl);
}

/// Nobody.
impl<K: ?Sized, V> OnPromote<K, V> for () {
    fn promoted(&self, _: &K, _: &V, _: Ttl) {}
}

impl<K: ?Sized, V, T: Fn(&K, &V, Ttl) + Send + Sync> OnPromote<K, V> for T {
    fn promoted(&self, key: &K, value: &V, ttl: Ttl) {
        self(key, value, ttl);
    }
}

impl<N, F> TwoLevel<N, F> {
    /// `near` in front of `far`.
    pub const fn new(near: N, far: F) -> Self {
        Self {
            near,
            far,
            near_at_most: None,
            near_margin: Duration::ZERO,
            on_promote: (),
        }
    }

    /// Calls `observer` with each value that is kept near of the far store: key, value, and what is left of its
    /// life. By default nobody is told.
    ///
    /// ```
    /// use guira::store::{Store, TwoLevel};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// static PROMOTED: AtomicU64 = AtomicU64::new(0);
    /// let (near, far) = (guira.cache::<u64, u64>("near"), guira.cache::<u64, u64>("far"));
    /// let both = TwoLevel::new(near, far).on_promote(|_: &u64, _: &u64, _| {
    ///     PROMOTED.fetch_add(1, Ordering::Relaxed);
    /// });
    /// both.put(&7, &49, &guira::Lifetime::never().into())?;
    /// assert!(both.promote(&7)?); // without the value
    /// assert_eq!((both.get(&7)?, both.get(&7)?), (Some(49), Some(49)));
    /// assert_eq!(PROMOTED.load(Ordering::Relaxed), 1);
    /// # Ok::<(), guira::Error>(())
    /// ```
    #[must_use]
    pub fn on_promote<P>(self, observer: P) -> TwoLevel<N, F, P> {
        TwoLevel {
            near: self.near,
            far: self.far,
            near_at_most: self.near_at_most,
            near_margin: self.near_margin,
            on_promote: observer,
        }
    }
}

impl<N, F, P> TwoLevel<N, F, P> {
    /// Passes over what lies near and does not stay fresh for longer than `margin`: the far store is asked, which may
    /// have a fresher one. By default only what is stale is passed over.
    #[must_use]
    pub const fn near_margin(mut self, margin: Duration) -> Self {
        self.near_margin = margin;
        self
    }

    /// Keeps nothing near for longer than `ttl`; by default as long as it lives in the far store.
    #[must_use]
    pub fn near_at_most(mut self, ttl: Duration) -> Self {
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

    /// Keeps near what the far store has, in the place of what was there before the far one was asked. What the near one
    /// cannot keep is read from far again.
    fn keep_near<K: ?Sized, V>(&self, key: &K, held: &Held<V>, seat: Option<Seat>)
    where
        N: Store<K, V>,
        P: OnPromote<K, V>,
    {
        let keeping = Keeping {
            seat,
            lives: Lives::Rest(held.life),
            at_most: self.near_at_most,
            tags: &held.tags(),
            birth: None,
            is_put: false,
        };
        match self.near.keep(key, &held.value, &keeping) {
            Ok(true) => self.on_promote.promoted(key, &held.value, held.ttl),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "a value was not kept near"),
        }
    }

    /// Keeps near what the far store has of `key`, as a read does; says whether it has a value.
    ///
    /// # Errors
    /// Those of either store.
    pub fn promote<K: ?Sized, V>(&self, key: &K) -> Result<bool, Error>
    where
        N: Store<K, V>,
        F: Store<K, V>,
        P: OnPromote<K, V>,
    {
        let seat = self.near.seat(key)?;
        let found = self.far.look(key)?.held;
        if let Some(held) = &found {
            self.keep_near(key, held, seat);
        }
        Ok(found.is_some())
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

impl<K, V, N, F, P> Store<K, V> for TwoLevel<N, F, P>
where
    K: ?Sized,
    N: Store<K, V>,
    F: Store<K, V>,
    P: OnPromote<K, V>,
{
    fn get(&self, key: &K) -> Result<Option<V>, Error> {
        Ok(self.get_ttl(key)?.map(|(value, _)| value))
    }

    fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error> {
        let Looked { held: near, seat } = self.near.look(key)?;
        let is_enough =
            |ttl: Ttl| !ttl.is_stale() && (self.near_margin.is_zero() || ttl.outlasts(self.near_margin));
        let near = near.map(|near| (near.value, near.ttl));
        if near.as_ref().is_some_and(|(_, ttl)| is_enough(*ttl)) {
            return Ok(near);
        }
        let Some(far) = self.far.look(key)?.held else {
            return Ok(near);
        };
        self.keep_near(key, &far, seat);
        Ok(Some((far.value, far.ttl)))
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

    fn purge_stale_for(&self, time: Duration) -> Result<u64, Error> {
        let far = self.far.purge_stale_for(time);
        self.near.purge_stale_for(time)?;
        far
    }
}
