//! Child processes: commands go in by lines, answers come out by lines, and no test waits for ever.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::places::skip;

/// Longer than anything takes on a busy machine; shorter than patience.
const WATCHDOG: Duration = Duration::from_secs(60);
const CHILD: &str = env!("CARGO_BIN_EXE_child");

/// One process of `src/bin/child.rs`; killed and reaped when dropped.
pub(crate) struct Child {
    process: std::process::Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Child {
    pub(crate) fn start() -> Self {
        Self::run(Command::new(CHILD))
    }

    /// A child that has the segment at `path` open.
    pub(crate) fn with_segment(path: &Path) -> Self {
        let mut child = Self::start();
        assert_eq!(child.ask(&format!("open {}", path.display())), "ok");
        child
    }

    /// A child that runs as another user; none where that is not permitted.
    pub(crate) fn as_user(user: u32) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            skip("processes of another user (needs root)");
            return None;
        }
        let mut command = Command::new(CHILD);
        command.uid(user).gid(user);
        let mut probe = Command::new(CHILD);
        if probe.uid(user).gid(user).stdin(Stdio::null()).status().is_err() {
            skip("processes of another user (who cannot reach the test's directory)");
            return None;
        }
        Some(Self::run(command))
    }

    /// A child in namespaces of its own (`unshare` with `flags`), after the shell commands `setup`;
    /// none where that is not permitted.
    pub(crate) fn in_namespaces(flags: &[&str], setup: &str) -> Option<Self> {
        let mut probe = Command::new("unshare");
        probe.args(flags).args(["sh", "-c", setup]);
        if !probe
            .stdin(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
        {
            skip(&format!("unshare {}, {setup} (needs root)", flags.join(" ")));
            return None;
        }
        let mut command = Command::new("unshare");
        let script = format!("{{ {setup} ; }} && exec \"$0\"");
        command.args(flags).args(["sh", "-c", &script, CHILD]);
        Some(Self::run(command))
    }

    fn run(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            process,
            input,
            answers,
        }
    }

    /// Gives a command and waits for the answer.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer_to(command)
    }

    /// Gives a command; the answer is fetched later.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").expect("the child reads");
    }

    /// The next answer.
    pub(crate) fn answer_to(&mut self, command: &str) -> String {
        match self.answers.recv_timeout(WATCHDOG) {
            Ok(answer) => answer,
            Err(error) => panic!(
                "no answer to {command:?}: {error} (exited: {:?})",
                self.process.try_wait()
            ),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).expect("a pid"))
    }

    /// Stops it, and returns when it is stopped.
    pub(crate) fn stop(&self) {
        kill(self.pid(), Signal::SIGSTOP).expect("our child");
        let status = waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED));
        assert_eq!(status, Ok(WaitStatus::Stopped(self.pid(), Signal::SIGSTOP)));
    }

    pub(crate) fn resume(&self) {
        kill(self.pid(), Signal::SIGCONT).expect("our child");
    }

    /// Kills it, and returns when it is gone and reaped.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Waits for its end; the signal that ended it, if one did.
    pub(crate) fn wait_for_signal(mut self) -> Option<Signal> {
        use std::os::unix::process::ExitStatusExt;
        // It answers nothing more, or it would not end.
        assert!(self.answers.recv_timeout(WATCHDOG).is_err(), "it lives");
        let status = self.process.wait().expect("our child");
        status.signal().and_then(|signal| Signal::try_from(signal).ok())
    }

    fn end(&mut self) {
        // Both fail only if it ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}
