//! Where the cache of a memoized function is: named, or found when it is first called; and given up at a shutdown.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::{ArcSwapOption, Guard};
use guira_segment::fork::ForkLock;

use crate::cache::{Cache, CacheBuilder};
use crate::codec::Codec;
use crate::handle::Guira;

type Settings<V, C> = Box<dyn Fn(CacheBuilder<(), V>) -> CacheBuilder<(), V, C> + Send + Sync>;

/// A cache, at the latest when it is needed.
pub(super) struct Source<V, C> {
    pub(super) name: Box<str>,
    settings: Settings<V, C>,
    held: Arc<Held<V, C>>,
    /// The cache again if it need not be given up, for it is gone with the machine: cheaper for hits.
    lasting: OnceLock<Arc<Cache<(), V, C>>>,
    has_complained: AtomicBool,
}

/// What is given up at a shutdown. Whoever uses the cache at that moment has it to the end of its call.
struct Held<V, C> {
    name: Box<str>,
    cache: ArcSwapOption<Cache<(), V, C>>,
    /// The cache of the machine that was named, if one was, until it is opened.
    named: ArcSwapOption<Guira>,
    /// One thread opens it. What it changes are words of their own, fit for a child that was forked meanwhile.
    changing: ForkLock,
    state: AtomicU8,
}

/// To be opened.
const CLOSED: u8 = 0;
const OPEN: u8 = 1;
/// For good.
const SHUT_DOWN: u8 = 2;

/// What [`close_all`] closes: it does not know the types.
trait Close: Send + Sync {
    fn name(&self) -> &str;
    fn close(&self, waits: bool);
}

/// All that is open or may be. Those of functions that are gone go when another is made.
/// Without a lock: a forked child has its parent's.
static SOURCES: ArcSwapOption<Vec<Weak<dyn Close>>> = ArcSwapOption::const_empty();

fn living_sources() -> Vec<Arc<dyn Close>> {
    let sources = SOURCES.load();
    sources
        .iter()
        .flat_map(|list| list.iter())
        .filter_map(Weak::upgrade)
        .collect()
}

impl<V, C> Source<V, C> {
    pub(super) fn new(name: Box<str>, guira: Option<Guira>, settings: Settings<V, C>) -> Self
    where
        V: 'static,
        C: Send + Sync + 'static,
    {
        let held = Arc::new(Held {
            name: name.clone(),
            cache: ArcSwapOption::empty(),
            named: ArcSwapOption::new(guira.map(Arc::new)),
            changing: ForkLock::new(()),
            state: AtomicU8::new(CLOSED),
        });
        let weak: Weak<dyn Close> = Arc::<Held<V, C>>::downgrade(&held);
        SOURCES.rcu(|sources| {
            let others = sources.iter().flat_map(|list| list.iter());
            let living = others.filter(|source| source.strong_count() > 0);
            Some(Arc::new(living.chain([&weak]).cloned().collect::<Vec<_>>()))
        });
        Self {
            name,
            settings,
            held,
            lasting: OnceLock::new(),
            has_complained: AtomicBool::new(false),
        }
    }

    /// What is open for good, which is nothing on a disk.
    #[inline]
    pub(super) fn lasting(&self) -> Option<&Cache<(), V, C>> {
        self.lasting.get().map(|cache| &**cache)
    }

    /// What is open by now, without a look for more: for hits.
    #[inline]
    pub(super) fn opened(&self) -> Guard<Option<Arc<Cache<(), V, C>>>> {
        self.held.cache.load()
    }

    /// None if none was named and the process has no default, or after a shutdown.
    pub(super) fn cache(&self) -> Option<Arc<Cache<(), V, C>>>
    where
        C: Codec<V>,
    {
        let lasting = self.lasting.get().cloned();
        lasting
            .or_else(|| self.held.cache.load_full())
            .or_else(|| self.open())
    }

    #[cold]
    fn open(&self) -> Option<Arc<Cache<(), V, C>>>
    where
        C: Codec<V>,
    {
        let _changing = self.held.changing.lock();
        match self.held.state.load(Ordering::Relaxed) {
            OPEN => return self.held.cache.load_full(),
            SHUT_DOWN => {
                self.complain(|name| {
                    tracing::warn!(function = name, "called uncached: guira::shutdown was called");
                });
                return None;
            }
            _ => {}
        }
        let named = self.held.named.load_full().map(|named| Guira::clone(&named));
        let Some(guira) = named.or_else(Guira::process_default) else {
            self.complain(|name| {
                tracing::warn!(
                    function = name,
                    "called uncached: there is no cache; name one, or call Guira::set_default"
                );
            });
            return None;
        };
        let cache = Arc::new((self.settings)(guira.cache_builder(&self.name)).open());
        match cache.segment() {
            Ok(segment) if !segment.survives_reboot() => {
                // Under the lock: nobody else sets it.
                let _ = self.lasting.set(Arc::clone(&cache));
            }
            Ok(_) => {}
            Err(error) => {
                self.complain(|name| tracing::error!(function = name, %error, "called uncached"));
            }
        }
        self.held.cache.store(Some(Arc::clone(&cache)));
        self.held.state.store(OPEN, Ordering::Relaxed);
        self.held.named.store(None);
        crate::process_default::leave_at_exit();
        Some(cache)
    }

    /// Once.
    fn complain(&self, complain: impl FnOnce(&str)) {
        if !self.has_complained.swap(true, Ordering::Relaxed) {
            complain(&self.name);
        }
    }
}

impl<V, C: Send + Sync> Close for Held<V, C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn close(&self, waits: bool) {
        let changing = if waits {
            self.changing.lock()
        } else {
            match self.changing.try_lock() {
                Some(changing) => changing,
                None => return,
            }
        };
        self.state.store(SHUT_DOWN, Ordering::Relaxed);
        let was = (self.named.swap(None), self.cache.swap(None));
        drop(changing);
        // What is dropped may be the last hold on a segment, which takes its time to leave.
        drop(was);
    }
}

/// The names of this process's memoized functions, in order, without repetitions: those of [`MemoBuilder`]s, and those
/// of `#[cached]` that have been called.
///
/// ```
/// let guira = guira::Guira::builder().size(8 << 20).private()?;
/// let squares = guira.memoize("squares").function(|n: u64| n * n);
/// assert!(guira::memoized::names().contains(&"squares".to_owned()));
/// drop(squares);
/// assert!(!guira::memoized::names().contains(&"squares".to_owned()));
/// # Ok::<(), guira::Error>(())
/// ```
///
/// [`MemoBuilder`]: super::MemoBuilder
#[must_use]
pub fn names() -> Vec<String> {
    let living = living_sources();
    let names: BTreeSet<String> = living.iter().map(|source| source.name().to_owned()).collect();
    names.into_iter().collect()
}

/// Gives up the caches of all memoized functions of the process; if it does not wait, those that somebody opens at this
/// moment are left out.
pub(crate) fn close_all(waits: bool) {
    for source in living_sources() {
        source.close(waits);
    }
}

impl<V, C> fmt::Debug for Source<V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
