//! The cache that a process uses where none is named.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use guira_segment::at_exit;
use guira_segment::fork::ForkLock;

use crate::error::Error;
use crate::handle::Guira;
use crate::memoized::close_all;
use crate::settings::Settings;

/// None: nobody has set it or asked the environment yet. Without a lock: a forked child has its parent's.
static DEFAULT: ArcSwapOption<Option<Guira>> = ArcSwapOption::const_empty();
/// One thread asks the environment, and the others wait for it.
static LOOKING: ForkLock = ForkLock::new(());

impl Guira {
    /// Makes this the cache that the process uses where none is named, as `#[cached]` without `cache` does. A memoized
    /// function that has been called before keeps the one it had.
    ///
    /// ```
    /// let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// guira.set_default();
    /// assert!(guira::Guira::process_default().is_some());
    /// # Ok::<(), guira::Error>(())
    /// ```
    pub fn set_default(&self) {
        DEFAULT.store(Some(Arc::new(Some(self.clone()))));
        leave_at_exit();
    }

    /// What [`Guira::set_default`] was last called on; before that, what [`Guira::from_env`] finds, if the environment or
    /// `guira.toml` names a segment. What is wrong with those is said once in the log.
    #[must_use]
    pub fn process_default() -> Option<Self> {
        if let Some(known) = DEFAULT.load_full() {
            return Option::clone(&known);
        }
        let looking = LOOKING.lock();
        if let Some(known) = DEFAULT.load_full() {
            return Option::clone(&known);
        }
        let (found, problem) = match of_environment() {
            Ok(found) => (found, None),
            Err(error) => (None, Some(error)),
        };
        // What was set meanwhile counts, and so does a shutdown.
        let none: Option<Arc<Option<Self>>> = None;
        DEFAULT.compare_and_swap(&none, Some(Arc::new(found)));
        drop(looking);
        if let Some(error) = problem {
            tracing::error!(%error, "the settings name no cache for this process");
        }
        DEFAULT.load_full().and_then(|known| Option::clone(&known))
    }
}

/// Lets go of the segments that the process holds where nobody can drop them: the process default, and those on disk of
/// memoized functions, whose calls go to the functions themselves from now on. Calls that are under way end as they
/// began. What is gone with the machine anyway (`/dev/shm`, private memory) memoized functions go on to use.
///
/// A process leaves a segment when its last hold on it is dropped, and the last process that leaves a file on disk marks
/// it clean: only then are its entries there after a restart of the machine. Values in statics are never dropped, so
/// this is done by itself when the process ends in order: by a return from `main` or by [`std::process::exit`], not by
/// a signal. Whoever calls it before knows when, for leaving a large file on disk takes the time to write it.
///
/// Holds of the program's own ([`Guira`]s, caches, a `static` of either) are dropped by the program; while there is
/// one, or a call is under way, the segment is not left. Then, and after a signal, the file is put in order by the
/// next process that opens and leaves it before the machine stops, be it `guira stat PATH`.
///
/// ```
/// use guira::{Guira, cached};
///
/// #[cached]
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # let directory = tempfile::tempdir_in("/dev/shm")?;
/// # let path = directory.path().join("app.guira");
/// Guira::builder().size(8 << 20).open(&path)?.set_default();
/// assert_eq!((square(7), square(7)), (49, 49));
/// guira::shutdown();
/// assert!(Guira::process_default().is_none());
/// assert_eq!(square(8), 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn shutdown() {
    shut_down(true);
}

/// Has the same done when the process ends in order.
pub(crate) fn leave_at_exit() {
    static IS_SEEN_TO: AtomicBool = AtomicBool::new(false);
    if IS_SEEN_TO.swap(true, Ordering::Relaxed) {
        return;
    }
    if let Err(error) = at_exit(|| shut_down(false)) {
        tracing::warn!(%error, "segments are not left in order when the process ends, unless by guira::shutdown");
    }
}

fn shut_down(waits: bool) {
    let default = DEFAULT.swap(Some(Arc::new(None)));
    close_all(waits);
    // The last hold takes its time to leave.
    drop(default);
}

fn of_environment() -> Result<Option<Guira>, Error> {
    let settings = Settings::from_env()?;
    settings.path().map(|_| settings.open()).transpose()
}
