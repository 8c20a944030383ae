//! Reads of a stack that ask for more, or for less, than plain ones.

use std::time::Duration;

use super::Tiers;
use super::walk::{Best, Walk};
use crate::error::Error;
use crate::lifetime::Ttl;

/// Reads of [`Tiers`] with a depth and a margin of their own.
#[derive(Debug)]
#[must_use]
pub struct TiersReading<'t, K: ?Sized, V> {
    tiers: &'t Tiers<K, V>,
    depth: usize,
    skip: Duration,
}

impl<K: ?Sized, V> Tiers<K, V> {
    /// Reads that ask for more, or for less, than plain ones.
    ///
    /// ```
    /// use guira::store::{Store, Tiers};
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let (near, far) = (guira.cache::<u64, u64>("near"), guira.cache::<u64, u64>("far"));
    /// let both = Tiers::new().then(near.clone()).then(far);
    /// both.put(&7, &49, &guira::Lifetime::never().into())?;
    /// near.remove(&7)?;
    /// assert_eq!(both.reading().depth(1).get(&7)?, None); // the near one alone
    /// assert_eq!(both.reading().get(&7)?, Some(49));
    /// # Ok::<(), guira::Error>(())
    /// ```
    pub fn reading(&self) -> TiersReading<'_, K, V> {
        TiersReading {
            tiers: self,
            depth: self.tiers.len(),
            skip: self.ttl_skip,
        }
    }

    /// Keeps in the tiers above what one of them has of `key`, as a read does; says whether it has a value.
    ///
    /// # Errors
    /// As [`Store::get`](crate::Store::get).
    pub fn promote_key(&self, key: &K) -> Result<bool, Error> {
        Ok(self.reading().find(key)?.is_some())
    }

    /// What a read would find, which is not counted as one and leaves everything where it is.
    pub(super) fn peek(&self, key: &K) -> Result<Option<Best<V>>, Error> {
        let mut walk = Walk::new(self, Duration::ZERO).peeking();
        walk.ask(key, 0..self.tiers.len())?;
        Ok(walk.end().0)
    }
}

impl<K: ?Sized, V> TiersReading<'_, K, V> {
    /// Asks so many tiers, from the top; by default all.
    pub fn depth(self, depth: usize) -> Self {
        Self {
            depth: depth.min(self.tiers.tiers.len()),
            ..self
        }
    }

    /// As [`Tiers::ttl_skip`], which is the default.
    pub const fn ttl_skip(self, margin: Duration) -> Self {
        Self { skip: margin, ..self }
    }

    /// The value of `key`; `Ok(None)` is a miss.
    ///
    /// # Errors
    /// Those of [strict](super::OnFailure::Strict) tiers, and of a key without an encoding.
    pub fn get(&self, key: &K) -> Result<Option<V>, Error> {
        if self.skip.is_zero()
            && self.depth > 0
            && let Some(value) = self.tiers.get_from_first(key)
        {
            return Ok(Some(value));
        }
        Ok(self.find(key)?.map(|best| best.held.value))
    }

    /// The value of `key`, and what is left of its life.
    ///
    /// # Errors
    /// As [`TiersReading::get`].
    pub fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error> {
        let found = self.find(key)?;
        Ok(found.map(|best| (best.held.value, best.held.ttl)))
    }

    /// The best value that there is, which is in the tiers above now.
    pub(super) fn find(&self, key: &K) -> Result<Option<Best<V>>, Error> {
        let mut walk = Walk::new(self.tiers, self.skip);
        walk.ask(key, 0..self.depth)?;
        let (best, standings) = walk.end();
        if let Some(best) = &best {
            self.tiers.promote_best(key, best, &standings);
        }
        Ok(best)
    }
}
