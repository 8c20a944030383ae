//! Memoized async functions.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;

use super::blocking::TagsOf;
use super::counts::count;
use super::key::Key;
use super::memo::{Memo, Quick, place_in};
use super::values::MemoValues;
use crate::background::{Computing, Unclaimed, claim, hand_over, has_spawner, spawn};
use crate::codec::{Codec, Postcard};
use crate::dependency;
use crate::flight::entangled::{carry_awaited, current};
use crate::flight::{Asking, KeyId, Manner, Purpose, Turn, answer_awaiting, compute_awaiting};
use crate::key::KeyBytes;

type Computed<V, E> = Pin<Box<dyn Future<Output = Result<V, E>> + Send>>;
type Function<A, V, E> = Box<dyn Fn(A) -> Computed<V, E> + Send + Sync>;

/// An async function whose results are kept: arguments `A` (a tuple if there are several), values `V`, errors `E`.
///
/// See the [module](super) for what its methods do. Works under any runtime; no poll blocks; a future that is dropped
/// while it computes lets one of those who wait compute. Cheap to clone; `Send` and `Sync`.
pub struct AsyncMemoized<A, V, E = Infallible, C = Postcard> {
    inner: Arc<Inner<A, V, E, C>>,
}

struct Inner<A, V, E, C> {
    memo: Memo<V, C>,
    manner: Manner<E>,
    function: Function<A, V, E>,
    tags_of: OnceLock<TagsOf<A>>,
}

impl<A, V, E, C> AsyncMemoized<A, V, E, C> {
    /// In a manner of its own.
    #[doc(hidden)]
    pub fn in_manner<F>(
        memo: Memo<V, C>,
        manner: Manner<E>,
        function: impl Fn(A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        Self {
            inner: Arc::new(Inner {
                memo,
                manner,
                function: Box::new(move |arguments| Box::pin(function(arguments))),
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
    pub async fn uncached(&self, arguments: A) -> Result<V, E> {
        (self.inner.function)(arguments).await
    }
}

impl<A, V, E, C> AsyncMemoized<A, V, E, C>
where
    A: Serialize + Send + 'static,
    V: Send + 'static,
    C: Codec<V> + 'static,
    E: Send + 'static,
{
    /// The value for `arguments`: what is kept, else what the function computes, once for all who ask. A stale value is
    /// returned at once and refreshed in the background if there is a
    /// [spawner](crate::background::set_spawner); without, one caller refreshes it and the others have the stale one.
    ///
    /// # Errors
    /// What the function returns, or what `E` makes of the [`Failure`](crate::Failure) of a computation that this call
    /// waited for.
    #[inline]
    pub async fn call(&self, arguments: A) -> Result<V, E> {
        self.by_key(&Key::of(&arguments), || arguments).await
    }

    /// As [`AsyncMemoized::call`], for who has the arguments in another form; see
    /// [`Memoized::call_with`](super::Memoized::call_with).
    ///
    /// # Errors
    /// As [`AsyncMemoized::call`].
    #[inline]
    pub async fn call_with<Q: Serialize + ?Sized>(
        &self,
        key: &Q,
        arguments: impl FnOnce() -> A,
    ) -> Result<V, E> {
        self.by_key(&Key::of(key), arguments).await
    }

    /// What is kept, be it stale; if it is stale or nothing is kept, it is computed in the background.
    pub fn lazy(&self, arguments: A) -> Option<V> {
        self.lazy_by_key(&Key::of(&arguments), || arguments)
    }

    /// Computes now and keeps the value, whatever is kept; see [`Memoized::refresh`](super::Memoized::refresh).
    ///
    /// # Errors
    /// What the function returns.
    pub async fn refresh(&self, arguments: A) -> Result<V, E> {
        self.refresh_by_key(&Key::of(&arguments), || arguments).await
    }

    /// As [`AsyncMemoized::refresh`], but what is kept, fresh, and younger than `age` is returned as it is; see
    /// [`Memoized::refresh_if_older`](super::Memoized::refresh_if_older).
    ///
    /// # Errors
    /// As [`AsyncMemoized::call`].
    pub async fn refresh_if_older(&self, arguments: A, age: Duration) -> Result<V, E> {
        let key = Key::of(&arguments);
        if self.is_younger(&key, age) {
            self.by_key(&key, || arguments).await
        } else {
            self.refresh_by_key(&key, || arguments).await
        }
    }

    /// As [`AsyncMemoized::call`], but what has to be computed is computed in the background, and goes on if this future
    /// is dropped.
    ///
    /// # Errors
    /// As [`AsyncMemoized::call`].
    pub async fn bg(&self, arguments: A) -> Result<V, E> {
        self.future(arguments).await
    }

    /// As [`AsyncMemoized::bg`], begun at once.
    pub fn future(&self, arguments: A) -> Computing<Result<V, E>> {
        self.future_by_key(&Key::of(&arguments), || arguments)
    }
}

/// The same, by encoded keys.
#[doc(hidden)]
impl<A, V, E, C> AsyncMemoized<A, V, E, C>
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
    pub async fn by_key(&self, key: &Key, arguments: impl FnOnce() -> A) -> Result<V, E> {
        match self.quick_of(key) {
            Quick::Hit(value) => Ok(value),
            // Boxed, so that the future of a hit is small.
            quick => Box::pin(self.call_slowly(key, arguments(), quick)).await,
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
    pub async fn refresh_by_key(&self, key: &Key, arguments: impl FnOnce() -> A) -> Result<V, E> {
        if let Some(failure) = &key.failure {
            self.key_failed(failure);
        }
        if self.is_enabled() && key.failure.is_none() {
            self.inner
                .answer(&key.bytes, arguments(), Purpose::New, false)
                .await
        } else {
            self.uncached(arguments()).await
        }
    }

    /// As `bg`.
    ///
    /// # Errors
    /// As `bg`.
    pub async fn bg_by_key(&self, key: &Key, arguments: impl FnOnce() -> A) -> Result<V, E> {
        self.future_by_key(key, arguments).await
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
                let (has_missed, is_off) = (matches!(quick, Quick::Miss), matches!(quick, Quick::Off));
                let inner = Arc::clone(&self.inner);
                let (key, arguments) = (key.bytes.clone(), arguments());
                let answered = handover.give_awaited(async move {
                    if is_off {
                        (inner.function)(arguments).await
                    } else {
                        inner.answer(&key, arguments, Purpose::Value, has_missed).await
                    }
                });
                spawn(Box::pin(carry_awaited(current(), answered)));
            }
        }
        computing
    }

    async fn call_slowly(&self, key: &Key, arguments: A, quick: Quick<V>) -> Result<V, E> {
        let has_missed = match quick {
            Quick::Hit(value) => return Ok(value),
            Quick::Stale(value) if has_spawner() => {
                self.refresh_soon(key, arguments);
                return Ok(value);
            }
            Quick::Off => return self.uncached(arguments).await,
            Quick::Miss => true,
            Quick::Stale(_) | Quick::Unclear => false,
        };
        self.inner
            .answer(&key.bytes, arguments, Purpose::Value, has_missed)
            .await
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
                spawn(Box::pin(async move {
                    inner.refresh_now(&key, arguments).await;
                    drop(claim);
                }));
            }
            Err(Unclaimed::Known) => {}
            Err(Unclaimed::TooMany) => count(&self.counts.mine().refreshes_left_out),
        }
    }
}

impl<A, V, E, C> Inner<A, V, E, C>
where
    V: Send,
    C: Codec<V>,
{
    async fn answer(&self, key: &KeyBytes, arguments: A, purpose: Purpose, has_missed: bool) -> Result<V, E> {
        let held = self.memo.hold();
        let Some((place, cache)) = place_in(held.as_deref(), key) else {
            return (self.function)(arguments).await;
        };
        let tags = self.tags(&arguments);
        let values = MemoValues {
            memo: &self.memo,
            cache,
            tags: &tags,
        };
        let mut asking = Asking::new(place, purpose, self.memo.substitute());
        if has_missed {
            asking = asking.after_a_miss();
        }
        answer_awaiting(asking, &values, self.manner, || (self.function)(arguments)).await
    }

    /// Sees to a fresh value, unless somebody else does.
    async fn refresh_now(&self, key: &KeyBytes, arguments: A) {
        let held = self.memo.hold();
        let Some((place, cache)) = place_in(held.as_deref(), key) else {
            return;
        };
        let tags = self.tags(&arguments);
        let values = MemoValues {
            memo: &self.memo,
            cache,
            tags: &tags,
        };
        let mut asking = Asking::new(place, Purpose::Fresh, None);
        if let Turn::Compute(computation) = asking.turn(&values) {
            let compute = || (self.function)(arguments);
            let outcome = compute_awaiting(asking, computation, &values, self.manner, compute).await;
            if let Err(error) = outcome {
                let failure = (self.manner.describe)(&error);
                tracing::debug!(
                    function = self.memo.name(),
                    text = failure.text(),
                    "a refresh failed"
                );
            }
        }
    }

    fn tags(&self, arguments: &A) -> Vec<String> {
        self.tags_of
            .get()
            .map_or_else(Vec::new, |tags_of| tags_of(arguments))
    }
}

impl<A, V, C> AsyncMemoized<A, V, Infallible, C>
where
    A: Serialize + Send + 'static,
    V: Send + 'static,
    C: Codec<V> + 'static,
{
    /// As [`AsyncMemoized::call`], for a function that cannot fail.
    #[inline]
    pub async fn get(&self, arguments: A) -> V {
        let Ok(value) = self.call(arguments).await;
        value
    }
}

impl<A, V, E, C> Deref for AsyncMemoized<A, V, E, C> {
    type Target = Memo<V, C>;

    #[inline]
    fn deref(&self) -> &Memo<V, C> {
        &self.inner.memo
    }
}

impl<A, V, E, C> Clone for AsyncMemoized<A, V, E, C> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<A, V, E, C> fmt::Debug for AsyncMemoized<A, V, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncMemoized")
            .field("memo", &self.inner.memo)
            .finish_non_exhaustive()
    }
}
