//! Children that begin as a copy of this process: thousands of runs a minute
//! need no exec each.

use crate::fork::fork_child;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::io;

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

/// Runs `part` in a forked child, as [`fork_child`] does.
///
/// # Errors
///
/// When the kernel makes no process.
pub fn fork(part: impl FnOnce() -> i32) -> io::Result<Forked> {
    let pid = fork_child(part)?;
    Ok(Forked {
        pid: Pid::from_raw(pid.cast_signed()),
        reaped: false,
    })
}
