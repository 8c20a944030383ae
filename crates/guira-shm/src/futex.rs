//! Waiting and waking across processes, on the low half of a shared word.
//!
//! The futexes are shared ones (the kernel finds them by file and offset), so
//! processes that mapped the file at different addresses meet.

#[cfg(not(guira_model))]
use crate::sync::{point, private::AtomicU64};
#[cfg(not(guira_model))]
use std::io;
use std::time::Duration;

/// Longest wait handed to the kernel, so that any `Duration` is a valid timeout.
#[cfg(not(guira_model))]
const LONGEST_WAIT: Duration = Duration::from_secs(1 << 30);

/// How a [`wait`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitOutcome {
    /// Somebody woke us (or the kernel did for no reason: look again).
    Woken,
    /// The low half was not the expected value; we never slept.
    Changed,
    /// The timeout passed.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

/// Sleeps while the low 32 bits of `word` are `expected`, until [`wake`], a
/// signal or the timeout.
///
/// ```
/// use guira_shm::futex::{WaitOutcome, wait};
/// use guira_shm::sync::AtomicU64;
/// use std::time::Duration;
///
/// let word = AtomicU64::new(2);
/// assert_eq!(wait(&word, 1, Duration::MAX), WaitOutcome::Changed);
/// assert_eq!(wait(&word, 2, Duration::from_millis(1)), WaitOutcome::TimedOut);
/// ```
#[cfg(not(guira_model))]
#[cfg_attr(guira_points, track_caller)]
pub fn wait(word: &AtomicU64, expected: u32, timeout: Duration) -> WaitOutcome {
    point("futex wait");
    let timeout = timeout.min(LONGEST_WAIT);
    let timespec = libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
    };
    // The low half of a little-endian word lies at the word's own address.
    // SAFETY: the word outlives the call and the kernel only reads it atomically.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            &raw const timespec,
        )
    };
    if result == 0 {
        return WaitOutcome::Woken;
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) => WaitOutcome::Changed,
        Some(libc::ETIMEDOUT) => WaitOutcome::TimedOut,
        _ => WaitOutcome::Interrupted,
    }
}

/// Wakes up to `count` waiters of `word`; says how many it woke.
#[cfg(not(guira_model))]
#[cfg_attr(guira_points, track_caller)]
pub fn wake(word: &AtomicU64, count: u32) -> usize {
    point("futex wake");
    let count = count.min(i32::MAX as u32);
    // SAFETY: the word outlives the call; the kernel uses its address only.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
    usize::try_from(woken).unwrap_or(0)
}

/// The checker's threads are not the kernel's: whoever waits lets another thread go on.
#[cfg(guira_model)]
pub fn wait<W>(_word: &W, _expected: u32, _timeout: Duration) -> WaitOutcome {
    crate::sync::yield_now();
    WaitOutcome::TimedOut
}

/// Nobody sleeps.
#[cfg(guira_model)]
pub fn wake<W>(_word: &W, _count: u32) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Ordering;

    #[test]
    fn a_changed_word_is_not_waited_for() {
        let word = AtomicU64::new(7);
        assert_eq!(wait(&word, 8, Duration::MAX), WaitOutcome::Changed);
    }

    #[test]
    fn only_the_low_half_counts() {
        let word = AtomicU64::new((5 << 32) | 7);
        assert_eq!(wait(&word, 7, Duration::from_millis(2)), WaitOutcome::TimedOut);
        assert_eq!(wait(&word, 5, Duration::MAX), WaitOutcome::Changed);
    }

    #[test]
    fn a_waiter_is_woken_once() {
        let word = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| wait(&word, 0, Duration::from_secs(60)));
            let mut woken = 0;
            while woken == 0 {
                woken = wake(&word, 1);
                std::thread::yield_now();
            }
            assert_eq!(woken, 1);
            assert_eq!(waiter.join().expect("the waiter returns"), WaitOutcome::Woken);
        });
        assert_eq!(wake(&word, u32::MAX), 0);
    }

    #[test]
    fn a_change_before_the_wake_is_seen_either_way() {
        let word = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                while word.load(Ordering::Acquire) == 0 {
                    wait(&word, 0, Duration::from_secs(60));
                }
            });
            word.store(1, Ordering::Release); // pairs with the waiter's Acquire
            wake(&word, 1);
            waiter.join().expect("the waiter returns");
        });
    }
}
