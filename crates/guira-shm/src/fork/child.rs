//! A forked child that runs a part of this program, for tests and experiments (feature `fork-child`).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::unistd::{ForkResult, fork};

/// Runs `part` in a forked child, which leaves with the code it gives, or with 101 if it panicked;
/// returns the child's process id. The caller reaps it.
///
/// The child has the calling thread only. What other threads were in the middle of stays so for
/// ever: `part` should use nothing that they lock, but the memory allocator and
/// [`ForkLock`](super::ForkLock), which know of forks.
///
/// # Errors
///
/// When the kernel makes no process.
pub fn fork_child(part: impl FnOnce() -> i32) -> io::Result<u32> {
    // SAFETY: the child uses this thread's memory only and leaves by `_exit`; the C library
    // keeps its allocator usable in a forked child.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child.as_raw().cast_unsigned()),
        ForkResult::Child => {
            let code = catch_unwind(AssertUnwindSafe(part)).unwrap_or(101);
            // SAFETY: ends the child at once, running none of the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
    }
}
