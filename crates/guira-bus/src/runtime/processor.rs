//! Keeping the threads of the bus to one processor.
//!
//! A record passes through threads that sleep: the agent's, those of libzmq, the broker's. To wake one on another
//! processor costs many times what it costs to switch to it on the same, most of all in a virtual machine. The price is
//! that they cannot go elsewhere while something else keeps that processor busy.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps this thread to a processor, and those that it starts from then on: libzmq's are started by who opens sockets.
///
/// # Errors
/// [`ProcessorError`]: this process may not use it.
pub fn keep_to_processor(number: usize) -> Result<(), ProcessorError> {
    let only = only(number)?;
    sched_setaffinity(this_thread(), &only).map_err(|errno| ProcessorError { number, errno })
}

/// Whether [`keep_to_processor`] would do it.
///
/// # Errors
/// As there.
pub fn check_processor(number: usize) -> Result<(), ProcessorError> {
    only(number).map(drop)
}

fn only(number: usize) -> Result<CpuSet, ProcessorError> {
    let fails = |errno| ProcessorError { number, errno };
    let allowed = sched_getaffinity(this_thread()).map_err(fails)?;
    if !allowed.is_set(number).unwrap_or(false) {
        return Err(fails(Errno::EINVAL));
    }
    let mut only = CpuSet::new();
    only.set(number).map_err(fails)?;
    Ok(only)
}

fn this_thread() -> Pid {
    Pid::from_raw(0)
}

/// A processor that there is not, or that this process may not use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "processor {number} cannot be used ({errno}): name one of those that `taskset -cp $$` shows, counted from 0"
)]
#[non_exhaustive]
pub struct ProcessorError {
    /// Which.
    pub number: usize,
    /// What the system says.
    pub errno: Errno,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(this_thread()).expect("it is told");
        (0..CpuSet::count())
            .filter(|number| set.is_set(*number).expect("in range"))
            .collect()
    }

    #[test]
    fn a_thread_and_those_that_it_starts_keep_to_it_and_others_do_not() {
        let before = allowed();
        let number = before[before.len() - 1];
        let seen = std::thread::spawn(move || {
            keep_to_processor(number).expect("it is allowed");
            (allowed(), std::thread::spawn(allowed).join().expect("it ends"))
        });
        assert_eq!(seen.join().expect("it ends"), (vec![number], vec![number]));
        assert_eq!(allowed(), before);
    }

    #[test]
    fn what_there_is_not_is_refused() {
        for number in [CpuSet::count() - 1, CpuSet::count(), usize::MAX] {
            let error = check_processor(number).expect_err("there is none");
            assert!(error.to_string().contains(&number.to_string()), "{error}");
        }
    }
}
