//! Memoized functions that block.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;

use super::counts::count;
use super::in_background::run_or_hand_over;
use super::key::Key;
use super::memo::{Memo, Quick, place_in};
use crate::background::{Computing, Unclaimed, claim, hand_over, run_soon};
use crate::codec::{Codec, Postcard};
use crate::dependency;
use crate::flight::{KeyId, Manner, Purpose};
use crate::key::KeyBytes;

type Function<A, V, E> = Box<dyn Fn(A) -> Result<V, E> + Send + Sync>;
pub(super) type TagsOf<A> = Box<dyn Fn(&A) -> Vec<String> + Send + Sync>;

/// A function whose results are kept: arguments `A` (a tuple if there are several), values `V`, errors `E`.
///
/// See the [module](super) for what its methods do. Cheap to clone; `Send` and `Sync`.
pub struct Memoized<A, V, E = Infallible, C = Postcard> {
    inner: Arc<Inner<A, V, E, C>>,
}

struct Inner<A, V, E, C> {
    memo: Memo<V, C>,
    manner: Manner<E>,
    function: Function<A, V, E>,
    tags_of: OnceLock<TagsOf<A>>,
}

impl<A, V, E, C> Memoized<A, V, E, C> {
    /// In a manner of its own.
    #[doc(hidden)]
    pub fn in_manner(
        memo: Memo<V, C>,
        manner: Manner<E>,
        function: impl Fn(A) -> Result<V, E> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                memo,
                manner,
                function: Box::new(function),
                tags_of: OnceLock::new(),
            }),
        }
    }

    /// Tags that each computed value carries, by the arguments; none by default. Only the first call counts.
    #[must_use]
    pub fn tags_of(self, tags_of: impl Fn(&A) -> Vec<String> + Send + Sync + 'static) -> Self {
        // A second one is left out, as said.
        let _ = self.inner.tags_of.set(Box::new(tags_of));
        self
    }

    /// Calls the function itself; nothing is looked up or stored.
    ///
    /// # Errors
    /// What the function returns.
    pub fn uncached(&self, arguments: A) -> Result<V, E> {
        (self.inner.function)(arguments)
    }
}

impl<A, V, E, C> Memoized<A, V, E, C>
where
    A: Serialize + Send + 'static,
    V: Send + 'static,
    C: Codec<V> + 'static,
    E: Send + 'static,
{
    /// The value for `arguments`: what is kept, else what the function computes, once for all who ask. A stale value is
    /// returned at once, and refreshed in the background.
    ///
    /// # Errors
    /// What the function returns, or what `E` makes of the [`Failure`](crate::Failure) of a computation that this call
    /// waited for.
    #[inline]
    pub fn call(&self, arguments: A) -> Result<V, E> {
        self.by_key(&Key::of(&arguments), || arguments)
    }

    /// As [`Memoized::call`], for who has the arguments in another form, such as `&str` for `String`: `key` stands for
    /// them, and must have the same [encoding](crate::key); `arguments` makes them if they are needed, which for a hit
    /// they are not.
    ///
    /// # Errors
    /// As [`Memoized::call`].
    #[inline]
    pub fn call_with<Q: Serialize + ?Sized>(&self, key: &Q, arguments: impl FnOnce() -> A) -> Result<V, E> {
        self.by_key(&Key::of(key), arguments)
    }

    /// What is kept, be it stale; if it is stale or nothing is kept, it is computed in the background.
    pub fn lazy(&self, arguments: A) -> Option<V> {
        self.lazy_by_key(&Key::of(&arguments), || arguments)
    }

    /// Computes now and keeps the value, whatever is kept. What is returned was computed after the call: it joins
    /// nobody's computation, and those that began before are not kept. Until it is done, and if it fails, what was kept
    /// is stale.
    ///
    /// # Errors
    /// What the function returns.
    pub fn refresh(&self, arguments: A) -> Result<V, E> {
        self.refresh_by_key(&Key::of(&arguments), || arguments)
    }

    /// As [`Memoized::refresh`], but what is kept, fresh, and younger than `age` is returned as it is. Ages are kept in
    /// steps of 100 ms, rounded up.
    ///
    /// # Errors
    /// As [`Memoized::call`].
    pub fn refresh_if_older(&self, arguments: A, age: Duration) -> Result<V, E> {
        let key = Key::of(&arguments);
        if self.is_younger(&key, age) {
            self.by_key(&key, || arguments)
        } else {
            self.refresh_by_key(&key, || arguments)
        }
    }

    /// As [`Memoized::call`], but what has to be computed is computed by a thread of the background pool, while this one
    /// waits.
    ///
    /// # Errors
    /// As [`Memoized::call`].
    pub fn bg(&self, arguments: A) -> Result<V, E> {
        self.bg_by_key(&Key::of(&arguments), || arguments)
    }

    /// As [`Memoized::bg`], without waiting: a future of the outcome.
    pub fn future(&self, arguments: A) -> Computing<Result<V, E>> {
        self.future_by_key(&Key::of(&arguments), || arguments)
    }
}

/// The same, by encoded keys.
#[doc(hidden)]
impl<A, V, E, C> Memoized<A, V, E, C>
where
    A: Send + 'static,
    V: Send + 'static,
    C: Codec<V> + 'static,
    E: Send + 'static,
{
    /// As `call`.
    ///
    /// # Errors
    /// As `call`.
    #[inline]
    pub fn by_key(&self, key: &Key, arguments: impl FnOnce() -> A) -> Result<V, E> {
        match self.quick_of(key) {
            Quick::Hit(value) => Ok(value),
            quick => self.call_slowly(key, arguments(), quick),
        }
    }

    /// As `lazy`.
    pub fn lazy_by_key(&self, key: &Key, arguments: impl FnOnce() -> A) -> Option<V> {
        match self.quick_of(key) {
            Quick::Hit(value) => Some(value),
            Quick::Stale(value) => {
                self.refresh_soon(key, arguments());
                Some(value)
            }
            Quick::Miss | Quick::Unclear => {
                self.refresh_soon(key, arguments());
                None
            }
            Quick::Off => None,
        }
    }

    /// As `refresh`.
    ///
    /// # Errors
    /// As `refresh`.
    pub fn refresh_by_key(&self, key: &Key, arguments: impl FnOnce() -> A) -> Result<V, E> {
        if let Some(failure) = &key.failure {
            self.key_failed(failure);
        }
        if self.is_enabled() && key.failure.is_none() {
            self.inner
                .answer(&key.bytes, arguments(), &Quick::Unclear, Purpose::New)
        } else {
            self.uncached(arguments())
        }
    }

    /// As `bg`.
    ///
    /// # Errors
    /// As `bg`.
    pub fn bg_by_key(&self, key: &Key, arguments: impl FnOnce() -> A) -> Result<V, E> {
        self.future_by_key(key, arguments).wait()
    }

    /// As `future`.
    pub fn future_by_key(&self, key: &Key, arguments: impl FnOnce() -> A) -> Computing<Result<V, E>> {
        let (handover, computing) = hand_over();
        match self.quick_of(key) {
            Quick::Hit(value) => handover.give(|| Ok(value)),
            Quick::Stale(value) => {
                self.refresh_soon(key, arguments());
                handover.give(|| Ok(value));
            }
            quick => {
                dependency::give_unknown();
                let inner = Arc::clone(&self.inner);
                let (key, arguments) = (key.bytes.clone(), arguments());
                run_or_hand_over(move || {
                    handover.give(|| match quick {
                        Quick::Off => (inner.function)(arguments),
                        quick => inner.answer(&key, arguments, &quick, Purpose::Value),
                    });
                });
            }
        }
        computing
    }

    #[inline(never)]
    fn call_slowly(&self, key: &Key, arguments: A, quick: Quick<V>) -> Result<V, E> {
        match quick {
            Quick::Hit(value) => Ok(value),
            Quick::Stale(value) => {
                self.refresh_soon(key, arguments);
                Ok(value)
            }
            Quick::Off => self.uncached(arguments),
            quick => self.inner.answer(&key.bytes, arguments, &quick, Purpose::Value),
        }
    }

    fn refresh_soon(&self, key: &Key, arguments: A) {
        let held = self.hold();
        let Some((place, _)) = place_in(held.as_deref(), &key.bytes) else {
            return;
        };
        if place.is_backing_off() {
            return;
        }
        match claim(KeyId::of(place.segment, &key.bytes).number()) {
            Ok(claim) => {
                let inner = Arc::clone(&self.inner);
                let key = key.bytes.clone();
                run_soon(Box::new(move || {
                    let tags = inner.tags(&arguments);
                    let compute = || (inner.function)(arguments);
                    inner.memo.refresh_now(&key, inner.manner, &tags, compute);
                    drop(claim);
                }));
            }
            Err(Unclaimed::Known) => {}
            Err(Unclaimed::TooMany) => count(&self.counts.mine().refreshes_left_out),
        }
    }
}

impl<A, V, E, C: Codec<V>> Inner<A, V, E, C> {
    fn answer(&self, key: &KeyBytes, arguments: A, quick: &Quick<V>, purpose: Purpose) -> Result<V, E> {
        let tags = self.tags(&arguments);
        let compute = || (self.function)(arguments);
        self.memo
            .answer_in_place(key, self.manner, quick, purpose, (tags, compute))
    }

    fn tags(&self, arguments: &A) -> Vec<String> {
        self.tags_of
            .get()
            .map_or_else(Vec::new, |tags_of| tags_of(arguments))
    }
}

impl<A, V, C> Memoized<A, V, Infallible, C>
where
    A: Serialize + Send + 'static,
    V: Send + 'static,
    C: Codec<V> + 'static,
{
    /// As [`Memoized::call`], for a function that cannot fail.
    #[inline]
    pub fn get(&self, arguments: A) -> V {
        let Ok(value) = self.call(arguments);
        value
    }
}

impl<A, V, E, C> Deref for Memoized<A, V, E, C> {
    type Target = Memo<V, C>;

    #[inline]
    fn deref(&self) -> &Memo<V, C> {
        &self.inner.memo
    }
}

impl<A, V, E, C> Clone for Memoized<A, V, E, C> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<A, V, E, C> fmt::Debug for Memoized<A, V, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memoized")
            .field("memo", &self.inner.memo)
            .finish_non_exhaustive()
    }
}
