//! The handle of a cache of the machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use guira_files::{Depot, Files};
use guira_segment::{Segment, Stats};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::GuiraBuilder;
use crate::cache::{Cache, CacheBuilder, DEFAULT_SPILL_BYTES};
use crate::codec::Number;
use crate::coherence::{
    Active, Announced, CoherenceError, CoherenceEvents, CoherenceStatus, Judge, WhenSuspect,
};
use crate::error::Error;
use crate::memoized::MemoBuilder;
use crate::settings::CacheSettings;

/// A cache that all worker processes of a machine share: a segment, and named caches of one type
/// each in it. Cheap to clone; `Send` and `Sync`.
#[derive(Clone, Debug)]
pub struct Guira {
    segment: Segment,
    /// What the file of settings says of caches.
    cache_settings: Arc<BTreeMap<Box<str>, CacheSettings>>,
    coherence: Option<Arc<Active>>,
    depot: Option<Depot>,
    /// What is larger goes to files, if a cache does not say otherwise.
    spill_above_bytes: usize,
}

impl Guira {
    /// Opens the segment at `path`, or creates one of the default size (64 MiB). Sizes and the like
    /// are set by [`Guira::builder`].
    ///
    /// # Errors
    /// [`Error::Open`], which names the file and what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().open(path)
    }

    /// How to create or open.
    #[must_use]
    pub fn builder() -> GuiraBuilder {
        GuiraBuilder::default()
    }

    /// Over a segment that is open already.
    #[must_use]
    pub fn of_segment(segment: Segment) -> Self {
        Self {
            segment,
            cache_settings: Arc::default(),
            coherence: None,
            depot: None,
            spill_above_bytes: DEFAULT_SPILL_BYTES,
        }
    }

    pub(crate) fn with_coherence(self, coherence: Option<Arc<Active>>) -> Self {
        Self { coherence, ..self }
    }

    /// Puts values that are too large for memory into files of `depot`, which must be of this segment: caches that are
    /// opened from here on do so. See [`GuiraBuilder::files`].
    #[must_use]
    pub fn with_files(self, depot: Depot) -> Self {
        Self {
            depot: Some(depot),
            ..self
        }
    }

    pub(crate) const fn spill_above_bytes(&self) -> usize {
        self.spill_above_bytes
    }

    /// The directory of values that are too large for memory, if there is one.
    #[must_use]
    pub const fn files(&self) -> Option<&Depot> {
        self.depot.as_ref()
    }

    /// Whether a hit is judged by trust.
    pub(crate) fn judge(&self, policy: WhenSuspect) -> Judge {
        Judge(self.coherence.as_ref().map(|_| policy))
    }

    pub(crate) fn with_cache_settings(self, cache_settings: Arc<BTreeMap<Box<str>, CacheSettings>>) -> Self {
        Self {
            cache_settings,
            ..self
        }
    }

    pub(crate) fn settings_of(&self, cache: &str) -> Option<&CacheSettings> {
        self.cache_settings.get(cache)
    }

    /// The segment, in its default namespace.
    #[must_use]
    pub const fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The file, empty for a cache in private memory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.segment.path()
    }

    /// The cache called `name` with keys of type `K` and values of type `V`: all who open the same
    /// name, in whatever process, share it. Values are encoded by [`Postcard`](crate::codec::Postcard).
    ///
    /// Never fails; a name that cannot be used (empty, longer than 104 bytes, no row left) is an
    /// error of each operation. [`CacheBuilder::build`] says it at once.
    #[must_use]
    pub fn cache<K: ?Sized, V>(&self, name: &str) -> Cache<K, V>
    where
        V: Serialize + DeserializeOwned,
    {
        self.cache_builder(name).open()
    }

    /// As [`Guira::cache`], with settings.
    #[must_use]
    pub fn cache_builder<K: ?Sized, V>(&self, name: &str) -> CacheBuilder<K, V> {
        CacheBuilder::new(self.clone(), name)
    }

    /// The counters called `name`, which [`Cache::increment`] counts.
    #[must_use]
    pub fn counters<K: ?Sized>(&self, name: &str) -> Cache<K, i64, Number> {
        self.cache_builder(name).codec(Number).open()
    }

    /// Functions whose results are kept in the cache called `name`; see [`memoized`](crate::memoized).
    #[must_use]
    pub fn memoize<V>(&self, name: &str) -> MemoBuilder<V> {
        MemoBuilder::new(name).cache(self)
    }

    /// Invalidates everything in the segment, in constant time.
    pub fn clear_all(&self) {
        self.segment.clear_all();
    }

    /// Everything that this host has invalidated until now, to wait until it has come to the others.
    ///
    /// # Errors
    /// [`Error::Coherence`] for a segment of no cluster.
    pub fn announced(&self) -> Result<Announced, Error> {
        if let Some(active) = &self.coherence {
            active.ensure_agent();
        }
        Ok(Announced::of(&self.segment)?)
    }

    /// Waits until everything that any host had invalidated, and brokers had accepted, when this was called is applied
    /// here: reads that follow are no older than this call. For one read of a cache there is
    /// [`Cache::reading`].
    ///
    /// # Errors
    /// [`Error::Coherence`]: without coherence, or no majority of the brokers answers within `timeout`.
    pub fn catch_up(&self, timeout: Duration) -> Result<(), Error> {
        Ok(self.coherence()?.wait_all_confirmed(timeout)?)
    }

    pub(crate) fn coherence(&self) -> Result<&Active, CoherenceError> {
        self.coherence.as_deref().ok_or(CoherenceError::NotCoherent)
    }

    /// Where this host stands with its cluster; `None` without coherence.
    #[must_use]
    pub fn coherence_status(&self) -> Option<CoherenceStatus> {
        self.coherence.as_ref().map(|active| active.status())
    }

    /// What happens between this host and its cluster from now on, for whoever asks for it: trust lost and regained,
    /// floors raised, overflows, agent and brokers gone and back.
    ///
    /// # Errors
    /// [`Error::Coherence`]: without coherence.
    pub fn coherence_events(&self) -> Result<CoherenceEvents, Error> {
        let active = self.coherence.as_ref().ok_or(CoherenceError::NotCoherent)?;
        Ok(active.events())
    }

    /// Waits until hits are trusted, for a cache that was opened without waiting.
    ///
    /// # Errors
    /// [`Error::Coherence`]: without coherence, or not within `timeout`, with the reason.
    pub fn wait_coherent(&self, timeout: Duration) -> Result<(), Error> {
        let active = self.coherence()?;
        active.ensure_agent();
        Ok(active.wait_trusted(timeout)?)
    }

    /// Figures of the whole segment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.segment.stats()
    }
}

/// Typed caches over a files cache: what it keeps in its index is there, the rest in files. Caches that are to survive
/// restarts, and the last tier of a stack.
///
/// ```
/// use guira::Guira;
/// use guira::files::Files;
/// use std::time::Duration;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("renderings");
/// let files = Files::builder().limit_bytes(64 << 20).open_or_create(&path)?;
/// let guira = Guira::from(files);
/// let pages = guira.cache::<str, String>("pages");
/// pages.put("/", &"<html>".repeat(10_000), Duration::from_secs(3600))?;
/// assert!(pages.get("/")?.is_some_and(|page| page.starts_with("<html>")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl From<Files> for Guira {
    fn from(files: Files) -> Self {
        Self {
            spill_above_bytes: files.inline_max_bytes(),
            ..Self::of_segment(files.index().default_namespace()).with_files(files.depot().clone())
        }
    }
}
