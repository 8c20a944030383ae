//! Children of workers that are gone: they are reaped, and one that ended badly is a finding.
//!
//! A worker leads a process group, in which its children stay. After its death they are the
//! conductor's own children, and the group is how it finds them.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// Between looks for the last ones.
const LOOK_PERIOD: Duration = Duration::from_millis(5);

/// The groups of dead workers in which somebody may be left.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    groups: Vec<Pid>,
}

impl Orphans {
    /// The worker that led `group` is gone, and reaped.
    pub(crate) fn of(&mut self, group: Pid) {
        self.groups.push(group);
    }

    /// Reaps who has ended; bad ends are added to `crashes`.
    pub(crate) fn reap(&mut self, crashes: &mut Vec<String>) {
        self.groups.retain(|&group| {
            loop {
                match waitid(Id::PGid(group), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
                    Ok(WaitStatus::StillAlive) => return true,
                    Ok(status) => crashes.extend(bad_end(status)),
                    Err(Errno::EINTR) => {}
                    // Nobody is left in it.
                    Err(_) => return false,
                }
            }
        });
    }

    /// Waits for all until `deadline`, then kills who is left; returns how many groups had somebody.
    pub(crate) fn reap_all(&mut self, deadline: Instant, crashes: &mut Vec<String>) -> usize {
        loop {
            self.reap(crashes);
            if self.groups.is_empty() || Instant::now() >= deadline {
                break;
            }
            std::thread::park_timeout(LOOK_PERIOD);
        }
        let left = self.groups.len();
        self.kill();
        left
    }

    /// Kills and reaps who is left.
    pub(crate) fn kill(&mut self) {
        for group in self.groups.drain(..) {
            // Gone already is as good.
            let _ = killpg(group, Signal::SIGKILL);
            while waitid(Id::PGid(group), WaitPidFlag::WEXITED).is_ok() {}
        }
    }
}

/// What is wrong with how a forked child ended; to be killed is not.
pub(crate) fn bad_end(status: WaitStatus) -> Option<String> {
    match status {
        WaitStatus::Exited(_, 0) | WaitStatus::Signaled(_, Signal::SIGKILL, _) => None,
        status => Some(format!("a forked child ended with {status:?}")),
    }
}
