//! The switch that turns all memoized functions of a process off and on.

use std::sync::atomic::{AtomicBool, Ordering};

static IS_ON: AtomicBool = AtomicBool::new(true);

/// Turns memoizing on or off for the whole process, from the next calls on; it is on at first. While it is off,
/// memoized functions are plain ones: nothing is read, nothing is stored. What puts, removes and looks on purpose
/// goes on. One function is switched by [`Memo::set_enabled`](super::Memo::set_enabled), one call by `uncached`.
pub fn set_enabled(is_on: bool) {
    IS_ON.store(is_on, Ordering::Relaxed);
}

/// Whether it is on.
#[inline]
#[must_use]
pub fn is_enabled() -> bool {
    IS_ON.load(Ordering::Relaxed)
}
