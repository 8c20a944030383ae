//! A command that runs until it is told to end, and prints a line of JSON for each change.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Workplace, command};

/// Killed when it is dropped.
pub(super) struct Service {
    child: Child,
    /// None when it is not listened to any more.
    lines: Option<std::io::Lines<BufReader<ChildStdout>>>,
}

impl Service {
    pub(super) fn start(workplace: &Workplace, line: &str) -> Self {
        let mut child = command(workplace.arguments(line))
            .current_dir(workplace.directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let out = child.stdout.take().expect("it is piped");
        Self {
            child,
            lines: Some(BufReader::new(out).lines()),
        }
    }

    fn next_said(&mut self) -> Option<std::io::Result<String>> {
        self.lines.as_mut().expect("it is listened to").next()
    }

    pub(super) fn next(&mut self) -> Value {
        object(self.next_said())
    }

    /// The next line as it is.
    pub(super) fn next_line(&mut self) -> String {
        self.next_said().expect("a line").expect("text")
    }

    /// Reads on until a line is so.
    pub(super) fn until(&mut self, is_so: impl Fn(&Value) -> bool) {
        while !is_so(&self.next()) {}
    }

    /// What it says from now on cannot be written: nobody would read it.
    pub(super) fn stop_listening(&mut self) {
        self.lines = None;
    }

    /// Ends it as a service manager does; its last line.
    pub(super) fn terminate(mut self) -> Option<Value> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process"));
        kill(pid, Signal::SIGTERM).expect("it runs");
        let last = self
            .lines
            .take()
            .and_then(Iterator::last)
            .map(|line| object(Some(line)));
        assert!(self.child.wait().expect("it was started").success());
        last
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn object(line: Option<std::io::Result<String>>) -> Value {
    let line = line.expect("a line").expect("text");
    serde_json::from_str(&line).expect("JSON")
}
