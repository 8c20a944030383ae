//! Processes of waiting threads, as the measuring process sees them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::error::{BenchError, while_doing};

/// Between two looks at who waits.
const LOOK: Duration = Duration::from_millis(2);
/// How long those who have begun to wait are given to fall asleep.
const SETTLE: Duration = Duration::from_millis(30);

/// A process of [`super::waiters`].
pub(super) struct Process {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    waits_before: u64,
}

impl Process {
    pub(super) fn start(path: &Path, threads: usize, read: u64) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(while_doing("find this program"))?;
        let mut child = Command::new(program)
            .arg("waiters")
            .arg("--path")
            .arg(path)
            .args(["--threads", &threads.to_string(), "--read", &read.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(while_doing("start a process that waits"))?;
        let orders = child.stdin.take().expect("a pipe was asked for");
        let answers = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        let mut process = Self {
            child,
            orders,
            answers,
            waits_before: 0,
        };
        process.expect("ready")?;
        Ok(process)
    }

    pub(super) fn tell(&mut self, order: &str) -> Result<(), BenchError> {
        writeln!(self.orders, "{order}").map_err(while_doing("tell a process to wait"))
    }

    /// The rest of the next answer, which begins with `word`.
    pub(super) fn expect(&mut self, word: &str) -> Result<String, BenchError> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(while_doing("hear from a process that waits"))?;
        line.trim_end()
            .strip_prefix(word)
            .map(str::to_owned)
            .ok_or_else(|| BenchError::Worker {
                problem: format!("said `{}` instead of `{word}`", line.trim_end()),
            })
    }

    fn waits(&mut self) -> Result<u64, BenchError> {
        self.tell("waits")?;
        Ok(self.expect("waits ")?.parse().unwrap_or(0))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL; does not wait.
    pub(super) fn kill(&mut self) -> Result<(), BenchError> {
        self.child.kill().map_err(while_doing("kill a process"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing to do where it was killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Several processes of as many threads each.
pub(super) struct Crowd {
    processes: Vec<Process>,
    threads: usize,
}

/// What a crowd came to.
pub(super) struct Answered {
    /// How many of them computed.
    pub(super) computed: u64,
    /// When each had its answer, in order.
    pub(super) at_ns: Vec<u64>,
}

impl Crowd {
    pub(super) fn start(path: &Path, processes: usize, waiters: usize) -> Result<Self, BenchError> {
        let threads = waiters / processes;
        let processes = (0..processes)
            .map(|_| Process::start(path, threads, 0))
            .collect::<Result<_, _>>()?;
        Ok(Self { processes, threads })
    }

    /// All of them.
    pub(super) fn len(&self) -> u64 {
        (self.processes.len() * self.threads) as u64
    }

    pub(super) fn tell(&mut self, order: &str) -> Result<(), BenchError> {
        for process in &mut self.processes {
            process.waits_before = process.waits()?;
            process.tell(order)?;
        }
        Ok(())
    }

    /// Until each of them sleeps in a wait for somebody's computation.
    pub(super) fn await_waits(&mut self) -> Result<(), BenchError> {
        for process in &mut self.processes {
            while process.waits()? < process.waits_before + self.threads as u64 {
                std::thread::park_timeout(LOOK);
            }
        }
        settle();
        Ok(())
    }

    pub(super) fn answered(&mut self) -> Result<Answered, BenchError> {
        let mut answered = Answered {
            computed: 0,
            at_ns: Vec::new(),
        };
        for process in &mut self.processes {
            let line = process.expect("done ")?;
            let mut numbers = line.split(' ').map(|word| word.parse().unwrap_or(0));
            answered.computed += numbers.next().unwrap_or(0);
            answered.at_ns.extend(numbers);
        }
        answered.at_ns.sort_unstable();
        Ok(answered)
    }
}

/// Lets those who have begun to wait fall asleep.
pub(super) fn settle() {
    std::thread::park_timeout(SETTLE);
}

/// The part of the sorted `times`, less `from`, that `percent` of them do not exceed, in milliseconds.
pub(super) fn percentile_ms(times: &[u64], from: u64, percent: f64) -> f64 {
    let last = times.len().saturating_sub(1);
    let index = (last as f64 * percent / 100.0).round() as usize;
    let at = times.get(index.min(last)).copied().unwrap_or(from);
    // Somebody may have looked before the end was noted.
    at.saturating_sub(from) as f64 / 1e6
}
