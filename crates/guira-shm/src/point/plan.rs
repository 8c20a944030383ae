//! What a process does to itself at one of its points.

use super::Point;
use nix::sys::signal::{Signal, raise};
use std::fs::File;
use std::io::Write;

/// What happens at the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The process dies (SIGKILL): nothing after the point happens.
    Kill,
    /// The process stops (SIGSTOP) until somebody continues it.
    Stop,
}

impl Action {
    /// Both.
    pub const ALL: [Action; 2] = [Action::Kill, Action::Stop];

    fn signal(self) -> Signal {
        match self {
            Action::Kill => Signal::SIGKILL,
            Action::Stop => Signal::SIGSTOP,
        }
    }
}

/// An action at the n-th point that the armed thread passes.
#[derive(Debug)]
pub struct Plan {
    action: Action,
    passes_left: usize,
    report: File,
}

impl Plan {
    /// `action` at point number `at` (from 0). Before it, the point's name is written to `report`
    /// as one line: file, line, column and what was to be called, with spaces between.
    pub fn new(action: Action, at: usize, report: File) -> Plan {
        Plan {
            action,
            passes_left: at,
            report,
        }
    }

    /// Counts one point; says whether it is the one.
    pub(super) fn is_due(&mut self) -> bool {
        let due = self.passes_left == 0;
        self.passes_left = self.passes_left.saturating_sub(1);
        due
    }

    pub(super) fn carry_out(mut self, point: Point) {
        let at = point.location;
        let line = format!("{} {} {} {}\n", at.file(), at.line(), at.column(), point.what);
        self.report
            .write_all(line.as_bytes())
            .expect("whoever made the plan reads its report");
        drop(self.report);
        raise(self.action.signal()).expect("a process may signal itself");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::{Forked, arm, disarm, fork};
    use crate::region::Region;
    use nix::sys::signal::kill;
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use std::io::Read;

    /// Runs `work` in a child with `action` at point `at`: how the child ended or stopped, its
    /// report, and the child.
    fn run(action: Action, at: usize, work: impl FnOnce()) -> (WaitStatus, String, Forked) {
        let (read, write) = std::io::pipe().expect("a pipe");
        let child = fork(|| {
            let write = std::os::fd::OwnedFd::from(write);
            arm(Plan::new(action, at, File::from(write)));
            work();
            if disarm().is_some() { 9 } else { 0 }
        })
        .expect("fork");
        let status = waitpid(child.pid(), Some(WaitPidFlag::WUNTRACED)).expect("the child is ours");
        let mut report = String::new();
        let mut read = read;
        read.read_to_string(&mut report).expect("a report");
        (status, report, child)
    }

    #[test]
    fn a_planned_kill_happens_before_the_change_and_names_it() {
        let region = Region::heap(64);
        let (status, report, mut child) = run(Action::Kill, 1, || {
            region.write_u64(0, 1);
            region.write_u64(8, 2);
        });
        assert!(
            matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
            "{status:?}"
        );
        assert!(report.contains("plan.rs"), "{report}");
        assert!(report.ends_with(" store\n"), "{report}");
        child.was_reaped();
    }

    #[test]
    fn a_stopped_process_goes_on_where_it_was() {
        let region = Region::heap(64);
        let (status, _, mut child) = run(Action::Stop, 0, || region.write_u64(0, 1));
        assert!(matches!(status, WaitStatus::Stopped(..)), "{status:?}");
        kill(child.pid(), Signal::SIGCONT).expect("the child is ours");
        let status = waitpid(child.pid(), None).expect("the child is ours");
        child.was_reaped();
        assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
    }

    #[test]
    fn a_plan_past_the_last_point_is_given_back() {
        let region = Region::heap(64);
        let (status, report, mut child) = run(Action::Kill, 1, || region.write_u64(0, 1));
        child.was_reaped();
        assert!(matches!(status, WaitStatus::Exited(_, 9)), "{status:?}");
        assert_eq!(report, "");
    }
}
