//! A lock that a forked child takes over from a holder it does not have.

use super::process_id;
use crate::futex;
use crate::sync::private::{AtomicU32, AtomicU64};
use crate::sync::{Ordering, is_alone};
use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// The model checker needs no spins: it looks at every order anyhow.
const SPINS: u32 = if cfg!(guira_model) { 1 } else { 64 };
const YIELDS: u32 = if cfg!(guira_model) { 1 } else { 4 };
/// Upper bound of one sleep; a release wakes earlier.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// A mutual exclusion lock for the threads of one process.
///
/// Its word holds the [`process_id`] of the holder's process. A child forked
/// while another thread of the parent held the lock sees a foreign id there and
/// takes the lock over: the value may then be in the middle of a change, which
/// [`ForkLockGuard::was_stolen`] tells.
///
/// ```
/// use guira_shm::fork::ForkLock;
/// let lock = ForkLock::new(vec![1]);
/// lock.lock().push(2);
/// assert_eq!(*lock.lock(), [1, 2]);
/// ```
pub struct ForkLock<T = ()> {
    holder: AtomicU64,
    waiters: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock moves its value with it.
unsafe impl<T: Send> Send for ForkLock<T> {}
// SAFETY: the holder word lets one thread at a time reach the value, as in a mutex.
unsafe impl<T: Send> Sync for ForkLock<T> {}

impl<T> ForkLock<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> ForkLock<T> {
        ForkLock {
            holder: AtomicU64::new(0),
            waiters: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock if it is free, or held by a process that is not this one.
    #[inline]
    pub fn try_lock(&self) -> Option<ForkLockGuard<'_, T>> {
        let own = process_id();
        // Acquire pairs with the holder's release in `ForkLockGuard::drop`.
        match self
            .holder
            .compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => Some(ForkLockGuard::new(self, own, false)),
            Err(other) if other != own || is_alone() => self.try_steal(other, own),
            Err(_) => None,
        }
    }

    /// Takes the lock; waits while another thread of this process holds it.
    /// A thread that holds it already waits for ever.
    #[inline]
    pub fn lock(&self) -> ForkLockGuard<'_, T> {
        match self.try_lock() {
            Some(guard) => guard,
            None => self.lock_contended(),
        }
    }

    #[cold]
    fn try_steal(&self, other: u64, own: u64) -> Option<ForkLockGuard<'_, T>> {
        // The other process's memory is a copy we do not share: there is nothing to
        // synchronise with but siblings that try the same (Acquire as in `try_lock`).
        let stolen = self
            .holder
            .compare_exchange(other, own, Ordering::Acquire, Ordering::Relaxed);
        stolen.ok().map(|_| ForkLockGuard::new(self, own, true))
    }

    #[cold]
    fn lock_contended(&self) -> ForkLockGuard<'_, T> {
        for turn in 0..SPINS + YIELDS {
            if turn < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
            if let Some(guard) = self.try_lock() {
                return guard;
            }
        }
        // SeqCst pairs with the SeqCst store and load in `ForkLockGuard::drop`: either the
        // releaser sees this waiter, or the kernel sees the released word.
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let guard = loop {
            if let Some(guard) = self.try_lock() {
                break guard;
            }
            futex::wait(&self.holder, process_id() as u32, LONGEST_SLEEP);
        };
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        guard
    }
}

impl<T: Default> Default for ForkLock<T> {
    fn default() -> ForkLock<T> {
        ForkLock::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for ForkLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ForkLock");
        match self.try_lock() {
            Some(guard) => out.field("value", &*guard).finish(),
            None => out.field("value", &"locked").finish(),
        }
    }
}

/// The right to the value of a [`ForkLock`]; dropping it frees the lock.
///
/// A guard that came over a fork is dead: it panics when its value is reached,
/// and frees nothing when dropped after somebody else took the lock.
pub struct ForkLockGuard<'a, T> {
    lock: &'a ForkLock<T>,
    holder: u64,
    stolen: bool,
    /// Not Send: the guard goes back where it was taken.
    _thread: std::marker::PhantomData<*const ()>,
}

// SAFETY: a shared guard gives `&T` only.
unsafe impl<T: Sync> Sync for ForkLockGuard<'_, T> {}

impl<'a, T> ForkLockGuard<'a, T> {
    fn new(lock: &'a ForkLock<T>, holder: u64, stolen: bool) -> Self {
        ForkLockGuard {
            lock,
            holder,
            stolen,
            _thread: std::marker::PhantomData,
        }
    }

    /// Whether the lock was taken over from the parent of this process, whose
    /// thread may have been in the middle of a change.
    pub fn was_stolen(&self) -> bool {
        self.stolen
    }

    #[inline]
    pub(super) fn is_of_this_process(&self) -> bool {
        self.holder == process_id()
    }
}

impl<T> Deref for ForkLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        assert!(
            self.is_of_this_process(),
            "a lock guard was used in a forked child"
        );
        // SAFETY: this process holds the lock through this guard alone.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for ForkLockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        assert!(
            self.is_of_this_process(),
            "a lock guard was used in a forked child"
        );
        // SAFETY: this process holds the lock through this guard alone, borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for ForkLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Releases to the next holder's Acquire; SeqCst (with the load below) pairs with a
        // waiter's announcement. Compare: in a forked child the lock may be another's by now.
        let freed = self
            .lock
            .holder
            .compare_exchange(self.holder, 0, Ordering::SeqCst, Ordering::Relaxed);
        if freed.is_ok() && self.lock.waiters.load(Ordering::SeqCst) != 0 {
            futex::wake(&self.lock.holder, 1);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for ForkLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForkLockGuard")
            .field("stolen", &self.stolen)
            .finish_non_exhaustive()
    }
}
