//! Where the cache of a memoized function is: named, or found when it is first called.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cache::{Cache, CacheBuilder};
use crate::codec::Codec;
use crate::handle::Guira;

type Settings<V, C> = Box<dyn Fn(CacheBuilder<(), V>) -> CacheBuilder<(), V, C> + Send + Sync>;

/// A cache, at the latest when it is needed.
pub(super) struct Source<V, C> {
    pub(super) name: Box<str>,
    pub(super) guira: Option<Guira>,
    pub(super) settings: Settings<V, C>,
    cache: OnceLock<Cache<(), V, C>>,
    has_complained: AtomicBool,
}

impl<V, C> Source<V, C> {
    pub(super) fn new(name: Box<str>, guira: Option<Guira>, settings: Settings<V, C>) -> Self {
        Self {
            name,
            guira,
            settings,
            cache: OnceLock::new(),
            has_complained: AtomicBool::new(false),
        }
    }

    /// None if none was named and the process has no default.
    #[inline]
    pub(super) fn cache(&self) -> Option<&Cache<(), V, C>>
    where
        C: Codec<V>,
    {
        match self.cache.get() {
            Some(cache) => Some(cache),
            None => self.open(),
        }
    }

    #[cold]
    fn open(&self) -> Option<&Cache<(), V, C>>
    where
        C: Codec<V>,
    {
        let Some(guira) = self.guira.clone().or_else(Guira::process_default) else {
            if !self.has_complained.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    function = &*self.name,
                    "called uncached: there is no cache; name one, or call Guira::set_default"
                );
            }
            return None;
        };
        let cache = (self.settings)(guira.cache_builder(&self.name)).open();
        if let Err(error) = cache.segment()
            && !self.has_complained.swap(true, Ordering::Relaxed)
        {
            tracing::error!(function = &*self.name, %error, "called uncached");
        }
        Some(self.cache.get_or_init(|| cache))
    }
}

impl<V, C> fmt::Debug for Source<V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("guira", &self.guira)
            .finish_non_exhaustive()
    }
}
