//! Worker processes: this test binary, run again as `worker::run`. Commands go in by lines, answers come out by
//! lines, and no test waits for ever.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use guira_segment::Segment;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longer than anything takes on a busy machine; shorter than patience.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);
/// What an answer begins with; the test harness prints lines of its own.
pub(crate) const ANSWER: &str = "@ ";
/// Says that this process is a worker, and which segment it opens.
pub(crate) const SEGMENT: &str = "GUIRA_TEST_SEGMENT";

/// A segment in memory that processes share, and what the test asks of it directly.
pub(crate) struct Host {
    _directory: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) segment: Segment,
}

impl Host {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").expect("shared memory");
        let path = directory.path().join("app.guira");
        let segment = Segment::builder()
            .size(16 << 20)
            .create(&path)
            .expect("a segment");
        Self {
            _directory: directory,
            path,
            segment,
        }
    }

    /// How often workers computed.
    pub(crate) fn computations(&self) -> u64 {
        let calls = self.segment.namespace("calls").expect("a row");
        calls.get(b"computations").map_or(0, |count| {
            str::from_utf8(&count)
                .expect("a decimal number")
                .parse()
                .expect("a decimal number")
        })
    }

    /// Lets the computations of `key` end that wait for it.
    pub(crate) fn release(&self, key: u64) {
        let gates = self.segment.namespace("gates").expect("a row");
        gates
            .put(&key.to_le_bytes(), b"open", guira_segment::Expiry::never())
            .expect("room");
    }
}

/// Returns when `condition` holds.
pub(crate) fn await_that(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + WATCHDOG;
    while !condition() {
        assert!(Instant::now() < end, "{what} takes too long");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// One worker; killed and reaped when dropped.
pub(crate) struct Worker {
    process: std::process::Child,
    input: ChildStdin,
    answers: Receiver<String>,
    /// Answers that came before one that was asked for.
    early: VecDeque<String>,
}

/// Returns when `count` callers of the workers have begun to wait, in all.
pub(crate) fn await_waits<'w>(workers: impl IntoIterator<Item = &'w mut Worker>, count: u64) {
    let mut workers: Vec<&mut Worker> = workers.into_iter().collect();
    let end = Instant::now() + WATCHDOG;
    while workers.iter_mut().map(|worker| worker.waits()).sum::<u64>() < count {
        assert!(Instant::now() < end, "the waiters' arrival takes too long");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

impl Worker {
    pub(crate) fn start(path: &Path) -> Self {
        Self::start_as("worker::run", path)
    }

    /// One that runs `test` of this binary, whose first answer is `open`.
    pub(crate) fn start_as(test: &str, path: &Path) -> Self {
        let this = std::env::current_exe().expect("a path");
        let mut process = Command::new(this)
            .args(["--exact", test, "--nocapture"])
            .env(SEGMENT, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The harness writes `test worker::run ... ` without a line break before the first answer.
                if let Some((_, answer)) = line.split_once(ANSWER)
                    && sender.send(answer.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        let mut worker = Self {
            process,
            input,
            answers,
            early: VecDeque::new(),
        };
        assert_eq!(worker.answer(), "open");
        worker
    }

    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").expect("the worker listens");
    }

    /// How many of its callers have begun to wait.
    pub(crate) fn waits(&mut self) -> u64 {
        self.tell("waits");
        loop {
            let answer = self.answers.recv_timeout(WATCHDOG).expect("an answer in time");
            match answer.strip_prefix("waits ") {
                Some(count) => return count.parse().expect("a number"),
                None => self.early.push_back(answer),
            }
        }
    }

    pub(crate) fn answer(&mut self) -> String {
        if let Some(early) = self.early.pop_front() {
            return early;
        }
        self.answers.recv_timeout(WATCHDOG).expect("an answer in time")
    }

    pub(crate) fn answers(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.answer()).collect()
    }

    /// What a process that was killed had said, and nobody has heard; `None` at the end.
    pub(crate) fn last_answer(&mut self) -> Option<String> {
        match self.answers.recv_timeout(WATCHDOG) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
        }
    }

    /// The process, for signals.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it is ours");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
