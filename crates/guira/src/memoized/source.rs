//! Where the cache of a memoized function is: named, or found when it is first called.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::{Cache, CacheBuilder};
use crate::handle::Guira;

type Settings<V> = Box<dyn Fn(CacheBuilder<(), V>) -> CacheBuilder<(), V> + Send + Sync>;

/// A cache, at the latest when it is needed.
pub(super) struct Source<V> {
    pub(super) name: Box<str>,
    pub(super) guira: Option<Guira>,
    pub(super) settings: Settings<V>,
    cache: OnceLock<Cache<(), V>>,
    has_complained: AtomicBool,
}

impl<V> Source<V> {
    pub(super) fn new(name: Box<str>, guira: Option<Guira>, settings: Settings<V>) -> Self {
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
    pub(super) fn cache(&self) -> Option<&Cache<(), V>>
    where
        V: Serialize + DeserializeOwned,
    {
        match self.cache.get() {
            Some(cache) => Some(cache),
            None => self.open(),
        }
    }

    #[cold]
    fn open(&self) -> Option<&Cache<(), V>>
    where
        V: Serialize + DeserializeOwned,
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

impl<V> fmt::Debug for Source<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("guira", &self.guira)
            .finish_non_exhaustive()
    }
}
