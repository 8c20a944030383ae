//! Forked children for tests of what happens across processes.

use crate::fork::fork_child;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid};
use std::io::Write;
use std::time::{Duration, Instant};

/// How a child's part of a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// The machine does not allow what the test needs.
    Skipped,
}

impl Outcome {
    pub(crate) fn of(passed: bool) -> Outcome {
        if passed { Outcome::Passed } else { Outcome::Failed }
    }
}

/// A forked child; killed and reaped when dropped.
pub(crate) struct Child(Pid);

impl Child {
    pub(crate) fn pid(&self) -> Pid {
        self.0
    }

    /// Waits for its end; its exit code, or none if a signal ended it.
    pub(crate) fn wait(self) -> Option<i32> {
        let status = waitpid(self.0, None);
        std::mem::forget(self);
        match status.expect("the child is ours") {
            WaitStatus::Exited(_, code) => Some(code),
            _ => None,
        }
    }
}

impl Child {
    /// Waits for its end; the signal that ended it, if one did.
    pub(crate) fn wait_for_signal(self) -> Option<Signal> {
        let status = waitpid(self.0, None);
        std::mem::forget(self);
        match status.expect("the child is ours") {
            WaitStatus::Signaled(_, signal, _) => Some(signal),
            _ => None,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGKILL).expect("the child is not reaped yet");
        waitpid(self.0, None).expect("the child is ours");
    }
}

/// Runs `part` in a forked child, which then exits.
pub(crate) fn spawn_child(part: impl FnOnce()) -> Child {
    run_child(|| {
        part();
        0
    })
}

/// Runs `part` in a forked child and waits for it. A panic or signal is a failure.
pub(crate) fn in_child(part: impl FnOnce() -> Outcome) -> Outcome {
    let child = run_child(|| match part() {
        Outcome::Passed => 0,
        Outcome::Failed => 1,
        Outcome::Skipped => 2,
    });
    match child.wait() {
        Some(0) => Outcome::Passed,
        Some(2) => Outcome::Skipped,
        _ => Outcome::Failed,
    }
}

/// The same for what only root may do; says on stderr when it was left out.
pub(crate) fn as_root_in_child(what: &str, part: impl FnOnce() -> Outcome) -> Outcome {
    let outcome = if geteuid().is_root() {
        in_child(part)
    } else {
        Outcome::Skipped
    };
    if outcome == Outcome::Skipped {
        // Not `eprintln`, which the test harness keeps to itself when the test passes.
        let _ = writeln!(std::io::stderr(), "skipped: {what} (needs root)");
    }
    outcome
}

/// Waits until `condition` holds; fails the test after a generous while.
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "the awaited condition never came true");
        std::thread::yield_now();
    }
}

fn run_child(part: impl FnOnce() -> i32) -> Child {
    let pid = fork_child(part).expect("fork");
    Child(Pid::from_raw(pid.cast_signed()))
}
