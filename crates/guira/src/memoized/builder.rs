//! Settings of memoized functions.

use std::any::type_name;
use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::sync::Arc;

use guira_segment::MAX_NAMESPACE_BYTES;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::memo::Memo;
use super::source::Source;
use super::{AsyncMemoized, Memoized};
use crate::cache::CacheBuilder;
use crate::codec::{Codec, Postcard};
use crate::failure::Failure;
use crate::flight::{FlightOptions, Manner};
use crate::handle::Guira;
use crate::lifetime::Lifetime;

type CacheSettings<V, C> = Box<dyn Fn(CacheBuilder<(), V, C>) -> CacheBuilder<(), V, C> + Send + Sync>;
type LifetimeOf<V> = Arc<dyn Fn(&V) -> Lifetime + Send + Sync>;
pub(super) type Keeps<V> = Box<dyn Fn(&V) -> bool + Send + Sync>;

/// Settings of a memoized function; each has a default that is stated at its setter.
///
/// ```
/// use std::time::Duration;
///
/// let guira = guira::Guira::builder().size(8 << 20).private()?;
/// let squares = guira
///     .memoize("squares")
///     .ttl(Duration::from_secs(300))
///     .refresh_after(Duration::from_secs(60))
///     .function(|n: u64| n * n);
/// assert_eq!(squares.get(7), 49);
/// # Ok::<(), guira::Error>(())
/// ```
pub struct MemoBuilder<V, C = Postcard> {
    codec: C,
    cache_settings: Option<CacheSettings<V, C>>,
    name: Box<str>,
    guira: Option<Guira>,
    schema: u32,
    lifetime: Lifetime,
    refresh_after: Option<std::time::Duration>,
    lifetime_of: Option<LifetimeOf<V>>,
    ttl_spread: f64,
    flights: FlightOptions,
    pub(super) keeps: Option<Keeps<V>>,
    pub(super) placeholder: Option<Box<dyn Fn() -> V + Send + Sync>>,
    pub(super) cluster: bool,
}

impl<V> MemoBuilder<V> {
    /// Of a function whose results are kept in the cache called `name`: all who memoize under one name, in whatever
    /// process, share them. A name longer than the engine takes is shortened: its end and a hash.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            codec: Postcard,
            cache_settings: None,
            name: shortened(name),
            guira: None,
            // Another type of value under the same name is missed, not misread.
            schema: (xxh3_64(type_name::<V>().as_bytes()) >> 32) as u32,
            lifetime: Lifetime::default(),
            refresh_after: None,
            lifetime_of: None,
            ttl_spread: 0.0,
            flights: FlightOptions::default(),
            keeps: None,
            placeholder: None,
            cluster: false,
        }
    }
}

impl<V, C> MemoBuilder<V, C> {
    /// How values become bytes; by default [`Postcard`]. To be said before [`MemoBuilder::cache_settings`].
    ///
    /// ```
    /// use guira::codec::Text;
    ///
    /// let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let pages = guira.memoize("pages").codec(Text).function(|page: u64| format!("page {page}"));
    /// assert_eq!(pages.get(7), "page 7");
    /// # Ok::<(), guira::Error>(())
    /// ```
    #[must_use]
    pub fn codec<D: Codec<V> + Clone>(self, codec: D) -> MemoBuilder<V, D> {
        MemoBuilder {
            codec,
            cache_settings: None,
            name: self.name,
            guira: self.guira,
            schema: self.schema,
            lifetime: self.lifetime,
            refresh_after: self.refresh_after,
            lifetime_of: self.lifetime_of,
            ttl_spread: self.ttl_spread,
            flights: self.flights,
            keeps: self.keeps,
            placeholder: self.placeholder,
            cluster: self.cluster,
        }
    }

    /// Other settings of the cache that the results are kept in, such as compression and encryption; they are applied
    /// after those of this builder. By default there are none.
    #[must_use]
    pub fn cache_settings(
        mut self,
        settings: impl Fn(CacheBuilder<(), V, C>) -> CacheBuilder<(), V, C> + Send + Sync + 'static,
    ) -> Self {
        self.cache_settings = Some(Box::new(settings));
        self
    }

    /// In which cache of the machine; by default the process's ([`Guira::set_default`]) as it is at the first call.
    #[must_use]
    pub fn cache(mut self, guira: impl Borrow<Guira>) -> Self {
        self.guira = Some(guira.borrow().clone());
        self
    }

    /// How long values live; by default until they are evicted. A [`Duration`](std::time::Duration) or a
    /// [`Lifetime`].
    #[must_use]
    pub fn ttl(mut self, lifetime: impl Into<Lifetime>) -> Self {
        self.lifetime = lifetime.into();
        self
    }

    /// How long a value lives, by the value; what the closure leaves open ([`Lifetime::default`]) is as
    /// [`MemoBuilder::ttl`] says. This is how a `None` lives shorter than a `Some`.
    #[must_use]
    pub fn ttl_of(mut self, of_value: impl Fn(&V) -> Lifetime + Send + Sync + 'static) -> Self {
        self.lifetime_of = Some(Arc::new(of_value));
        self
    }

    /// At which age a value is due for a refresh in the background, while callers still get it; by default it is
    /// never. An age that is not before the end of a value's life has no effect on it.
    #[must_use]
    pub fn refresh_after(mut self, age: std::time::Duration) -> Self {
        self.refresh_after = Some(age);
        self
    }

    /// Which part of each lifetime may be cut off, by chance, so that values do not end together; by default 0.
    #[must_use]
    pub fn ttl_spread(mut self, part: f64) -> Self {
        self.ttl_spread = part;
        self
    }

    /// How computations wait for each other; each setting has its own default.
    #[must_use]
    pub fn flights(mut self, flights: FlightOptions) -> Self {
        self.flights = flights;
        self
    }

    /// Which values are kept at all; by default every one, `None` included.
    #[must_use]
    pub fn keep_if(mut self, keeps: impl Fn(&V) -> bool + Send + Sync + 'static) -> Self {
        self.keeps = Some(Box::new(keeps));
        self
    }

    /// What callers get at once while somebody else computes a value that is not there (after the soft wait, if there
    /// is one), instead of waiting. It is never stored. By default they wait.
    #[must_use]
    pub fn placeholder(mut self, placeholder: impl Fn() -> V + Send + Sync + 'static) -> Self {
        self.placeholder = Some(Box::new(placeholder));
        self
    }

    /// The version of what values mean; by default it follows the name of their type. Values of another one are not
    /// read.
    #[must_use]
    pub fn schema(mut self, schema: u32) -> Self {
        self.schema = schema;
        self
    }

    /// Whether one computation is enough for all hosts that are connected to a broker; by default one for each host.
    /// Without a broker there is one for each host in any case.
    #[must_use]
    pub fn cluster(mut self, cluster: bool) -> Self {
        self.cluster = cluster;
        self
    }
}

impl<V: 'static, C: Codec<V> + Clone + Send + Sync + 'static> MemoBuilder<V, C> {
    /// The cache without a function: for functions that are given at each call, such as methods.
    #[must_use]
    pub fn build(mut self) -> Memo<V, C> {
        let lifetime = match self.refresh_after {
            Some(age) => self.lifetime.stale_after(age),
            None => self.lifetime,
        };
        let (schema, spread, flights) = (self.schema, self.ttl_spread, self.flights.cluster(self.cluster));
        let lifetime_of = self.lifetime_of.take();
        let codec = self.codec.clone();
        let cache_settings = self.cache_settings.take();
        let settings = move |cache: CacheBuilder<(), V>| {
            let cache = cache
                .codec(codec.clone())
                .schema(schema)
                .lifetime(lifetime)
                .ttl_spread(spread)
                .flights(flights);
            let cache = match lifetime_of.clone() {
                Some(of_value) => cache.lifetime_of(move |value| of_value(value)),
                None => cache,
            };
            match &cache_settings {
                Some(settings) => settings(cache),
                None => cache,
            }
        };
        let source = Source::new(
            std::mem::take(&mut self.name),
            self.guira.take(),
            Box::new(settings),
        );
        Memo::new(source, self)
    }

    /// A function that cannot fail.
    #[must_use]
    pub fn function<A: Send + 'static>(
        self,
        function: impl Fn(A) -> V + Send + Sync + 'static,
    ) -> Memoized<A, V, Infallible, C> {
        Memoized::in_manner(self.build(), Manner::infallible(), move |arguments| {
            Ok(function(arguments))
        })
    }

    /// A function that may fail. Errors are not kept; those who waited for it get the cause, made into their error
    /// type.
    #[must_use]
    pub fn fallible<A: Send + 'static, E: From<Failure> + Display + 'static>(
        self,
        function: impl Fn(A) -> Result<V, E> + Send + Sync + 'static,
    ) -> Memoized<A, V, E, C> {
        Memoized::in_manner(self.build(), Manner::from_failures(), function)
    }

    /// An async function that cannot fail.
    #[must_use]
    pub fn async_function<A, F>(
        self,
        function: impl Fn(A) -> F + Send + Sync + 'static,
    ) -> AsyncMemoized<A, V, Infallible, C>
    where
        A: Send + 'static,
        F: Future<Output = V> + Send + 'static,
    {
        AsyncMemoized::in_manner(self.build(), Manner::infallible(), move |arguments| {
            let computing = function(arguments);
            async move { Ok(computing.await) }
        })
    }

    /// An async function that may fail; as [`MemoBuilder::fallible`].
    #[must_use]
    pub fn async_fallible<A, F, E>(
        self,
        function: impl Fn(A) -> F + Send + Sync + 'static,
    ) -> AsyncMemoized<A, V, E, C>
    where
        A: Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: From<Failure> + Display + 'static,
    {
        AsyncMemoized::in_manner(self.build(), Manner::from_failures(), function)
    }
}

impl<V, C> fmt::Debug for MemoBuilder<V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoBuilder")
            .field("name", &self.name)
            .field("lifetime", &self.lifetime)
            .field("refresh_after", &self.refresh_after)
            .finish_non_exhaustive()
    }
}

impl<E: From<Failure> + Display> Manner<E> {
    const fn from_failures() -> Self {
        Self {
            adopt: |failure| Some(E::from(failure)),
            describe: Failure::of_error,
        }
    }
}

/// A name of at most what the engine takes.
fn shortened(name: &str) -> Box<str> {
    const HASH_BYTES: usize = 16;
    if name.len() <= MAX_NAMESPACE_BYTES {
        return name.into();
    }
    let hash = (xxh3_128(name.as_bytes()) >> 64) as u64;
    let begin = name.ceil_char_boundary(name.len() - (MAX_NAMESPACE_BYTES - HASH_BYTES - 1));
    let end = name.get(begin..).unwrap_or("");
    format!("{hash:016x}:{end}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_shortened_to_its_end_and_a_hash() {
        assert_eq!(&*shortened("app::score"), "app::score");
        let long = shortened(&format!("{}::score", "module\u{e4}".repeat(40)));
        assert!(
            long.len() <= MAX_NAMESPACE_BYTES && long.ends_with("::score"),
            "{long}"
        );
        let other = shortened(&format!("{}::score", "modulu\u{e4}".repeat(40)));
        assert_ne!(long, other);
    }
}
