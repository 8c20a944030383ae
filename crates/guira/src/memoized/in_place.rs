//! Calls of functions that are given with the call, such as methods: they borrow what they like, and so are computed
//! by the caller only. A stale value is refreshed by the one caller that leads, while the others have it.

use super::key::Key;
use super::memo::{Memo, Quick, place_in};
use super::values::MemoValues;
use crate::codec::Codec;
use crate::flight::{Asking, Manner, Purpose, Turn, answer_awaiting, answer_blocking, compute_blocking};
use crate::key::KeyBytes;

#[doc(hidden)]
impl<V, C: Codec<V>> Memo<V, C> {
    /// The value for `key`, computed if there is none; `how` gives the tags, and what computes.
    ///
    /// # Errors
    /// What it returns, or what `manner` makes of another's failure.
    #[inline]
    pub fn call_in_place<E, Compute>(
        &self,
        key: &Key,
        manner: Manner<E>,
        how: impl FnOnce() -> (Vec<String>, Compute),
    ) -> Result<V, E>
    where
        Compute: FnOnce() -> Result<V, E>,
    {
        match self.quick_of(key) {
            Quick::Hit(value) => Ok(value),
            quick => self.answer_in_place(&key.bytes, manner, &quick, Purpose::Value, how()),
        }
    }

    /// As `call_in_place`, computing in any case.
    ///
    /// # Errors
    /// What it returns.
    pub fn refresh_in_place<E, Compute>(
        &self,
        key: &Key,
        manner: Manner<E>,
        how: impl FnOnce() -> (Vec<String>, Compute),
    ) -> Result<V, E>
    where
        Compute: FnOnce() -> Result<V, E>,
    {
        let quick = if self.is_enabled() && key.failure.is_none() {
            Quick::Unclear
        } else {
            Quick::Off
        };
        self.answer_in_place(&key.bytes, manner, &quick, Purpose::New, how())
    }

    /// As `call_in_place`, awaiting.
    ///
    /// # Errors
    /// As `call_in_place`.
    #[inline]
    pub async fn call_in_place_async<E, Compute, F>(
        &self,
        key: &Key,
        manner: Manner<E>,
        how: impl FnOnce() -> (Vec<String>, Compute),
    ) -> Result<V, E>
    where
        Compute: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
    {
        match self.quick_of(key) {
            Quick::Hit(value) => Ok(value),
            quick => {
                // Boxed, so that the future of a hit is small.
                Box::pin(self.await_in_place(key, manner, quick, Purpose::Value, how())).await
            }
        }
    }

    /// As `refresh_in_place`, awaiting.
    ///
    /// # Errors
    /// As `refresh_in_place`.
    pub async fn refresh_in_place_async<E, Compute, F>(
        &self,
        key: &Key,
        manner: Manner<E>,
        how: impl FnOnce() -> (Vec<String>, Compute),
    ) -> Result<V, E>
    where
        Compute: FnOnce() -> F,
        F: Future<Output = Result<V, E>>,
    {
        let quick = if self.is_enabled() && key.failure.is_none() {
            Quick::Unclear
        } else {
            Quick::Off
        };
        Box::pin(self.await_in_place(key, manner, quick, Purpose::New, how())).await
    }

    #[inline(never)]
    pub(super) fn answer_in_place<E>(
        &self,
        key: &KeyBytes,
        manner: Manner<E>,
        quick: &Quick<V>,
        purpose: Purpose,
        (tags, compute): (Vec<String>, impl FnOnce() -> Result<V, E>),
    ) -> Result<V, E> {
        let held = self.hold();
        let Some((place, cache)) = place_in(held.as_deref(), key).filter(|_| !matches!(quick, Quick::Off))
        else {
            return compute();
        };
        let values = MemoValues {
            memo: self,
            cache,
            tags: &tags,
        };
        let mut asking = Asking::new(place, purpose, self.substitute());
        if matches!(quick, Quick::Miss) {
            asking = asking.after_a_miss();
        }
        answer_blocking(asking, &values, manner, compute)
    }

    /// Sees to a fresh value, unless somebody else does.
    pub(super) fn refresh_now<E>(
        &self,
        key: &KeyBytes,
        manner: Manner<E>,
        tags: &[String],
        compute: impl FnOnce() -> Result<V, E>,
    ) {
        let held = self.hold();
        let Some((place, cache)) = place_in(held.as_deref(), key) else {
            return;
        };
        let values = MemoValues {
            memo: self,
            cache,
            tags,
        };
        let mut asking = Asking::new(place, Purpose::Fresh, None);
        if let Turn::Compute(computation) = asking.turn(&values)
            && let Err(error) = compute_blocking(asking, computation, &values, manner, compute)
        {
            let failure = (manner.describe)(&error);
            tracing::debug!(function = self.name(), text = failure.text(), "a refresh failed");
        }
    }

    async fn await_in_place<E, F>(
        &self,
        key: &Key,
        manner: Manner<E>,
        quick: Quick<V>,
        purpose: Purpose,
        (tags, compute): (Vec<String>, impl FnOnce() -> F),
    ) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let has_missed = matches!(quick, Quick::Miss);
        let is_off = matches!(quick, Quick::Off);
        drop(quick);
        let held = self.hold();
        let Some((place, cache)) = place_in(held.as_deref(), &key.bytes).filter(|_| !is_off) else {
            return compute().await;
        };
        let values = MemoValues {
            memo: self,
            cache,
            tags: &tags,
        };
        let mut asking = Asking::new(place, purpose, self.substitute());
        if has_missed {
            asking = asking.after_a_miss();
        }
        answer_awaiting(asking, &values, manner, compute).await
    }
}
