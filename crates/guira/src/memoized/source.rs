//! Where the cache of a memoized function is: named, or found when it is first called; and given up at a shutdown.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};

use arc_swap::{ArcSwapOption, Guard};

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
    state: Mutex<State>,
}

enum State {
    /// To be opened: in the cache of the machine that was named, if one was.
    Closed(Option<Guira>),
    Open,
    /// For good.
    ShutDown,
}

/// What [`close_all`] closes: it does not know the types.
trait Close: Send + Sync {
    fn name(&self) -> &str;
    fn close(&self, waits: bool);
}

/// All that is open or may be. Those of functions that are gone go when another is made.
static SOURCES: Mutex<Vec<Weak<dyn Close>>> = Mutex::new(Vec::new());

impl<V, C> Source<V, C> {
    pub(super) fn new(name: Box<str>, guira: Option<Guira>, settings: Settings<V, C>) -> Self
    where
        V: 'static,
        C: Send + Sync + 'static,
    {
        let held = Arc::new(Held {
            name: name.clone(),
            cache: ArcSwapOption::empty(),
            state: Mutex::new(State::Closed(guira)),
        });
        let weak: Weak<dyn Close> = Arc::<Held<V, C>>::downgrade(&held);
        let mut sources = SOURCES.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() == sources.capacity() {
            sources.retain(|source| source.strong_count() > 0);
        }
        sources.push(weak);
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
        let mut state = self.held.state.lock().unwrap_or_else(PoisonError::into_inner);
        let named = match &*state {
            State::Open => return self.held.cache.load_full(),
            State::ShutDown => {
                self.complain(|name| {
                    tracing::warn!(function = name, "called uncached: guira::shutdown was called");
                });
                return None;
            }
            State::Closed(named) => named.clone(),
        };
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
        *state = State::Open;
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
        let Some(mut state) = lock_of(&self.state, waits) else {
            return;
        };
        let was = std::mem::replace(&mut *state, State::ShutDown);
        let cache = self.cache.swap(None);
        drop(state);
        // What is dropped may be the last hold on a segment, which takes its time to leave.
        drop((was, cache));
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
    let sources = SOURCES.lock().unwrap_or_else(PoisonError::into_inner);
    let living = sources.iter().filter_map(Weak::upgrade);
    let names: BTreeSet<String> = living.map(|source| source.name().to_owned()).collect();
    names.into_iter().collect()
}

/// Gives up the caches of all memoized functions of the process; if it does not wait, those that somebody opens at this
/// moment are left out.
pub(crate) fn close_all(waits: bool) {
    let sources: Vec<_> = match lock_of(&SOURCES, waits) {
        Some(sources) => sources.iter().filter_map(Weak::upgrade).collect(),
        None => return,
    };
    for source in sources {
        source.close(waits);
    }
}

fn lock_of<T>(mutex: &Mutex<T>, waits: bool) -> Option<MutexGuard<'_, T>> {
    if waits {
        return Some(mutex.lock().unwrap_or_else(PoisonError::into_inner));
    }
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl<V, C> fmt::Debug for Source<V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
