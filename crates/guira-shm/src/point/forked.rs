//! Children that begin as a copy of this process: thousands of runs a minute
//! need no exec each.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A forked child; killed and reaped when dropped, unless it was reaped before.
#[derive(Debug)]
pub struct Forked {
    pid: Pid,
    reaped: bool,
}

impl Forked {
    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its end was seen by a `waitpid`: the id may belong to another process by now.
    pub fn was_reaped(&mut self) {
        self.reaped = true;
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if !self.reaped {
            kill(self.pid, Signal::SIGKILL).expect("a child that was not reaped is there");
            waitpid(self.pid, None).expect("a child that was not reaped is there");
        }
    }
}

/// Runs `part` in a forked child, which then exits with its result, or with 101 if it panicked.
/// None of the exit handlers and destructors that the child has from this process run in it.
///
/// The child has this thread only: another thread's locks stay locked in it.
///
/// # Errors
///
/// When the kernel gives no process.
pub fn fork(part: impl FnOnce() -> i32) -> Result<Forked, Errno> {
    // SAFETY: the child uses this thread's memory only and leaves by `_exit`; the C library
    // keeps its allocator usable in a forked child.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Forked {
            pid: child,
            reaped: false,
        }),
        ForkResult::Child => {
            let code = catch_unwind(AssertUnwindSafe(part)).unwrap_or(101);
            // SAFETY: ends the child at once, running none of the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
    }
}
