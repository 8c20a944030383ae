//! The processes that work on images: a task in on one line, an answer out on the next.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use guira_segment::Segment;

use super::base::SECOND;
use super::caller::Caller;
use super::{Answer, LONGEST_IMAGE, Task, Trust, mender};

/// One process; killed and reaped when dropped.
#[derive(Debug)]
pub(super) struct Hand {
    process: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// It ended: how.
    Ended(String),
    /// It still works after [`LONGEST_IMAGE`].
    Hangs,
}

impl Hand {
    /// Starts `program`, which calls [`serve`] when its one argument is `hand`.
    pub(super) fn start(program: &Path) -> io::Result<Self> {
        let mut process = Command::new(program)
            .arg("hand")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lost = || io::Error::other("a pipe of a new process is missing");
        let input = process.stdin.take().ok_or_else(lost)?;
        let output = BufReader::new(process.stdout.take().ok_or_else(lost)?);
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            process,
            input,
            answers,
        })
    }

    /// Gives it a task. That it is gone is found when the answer is awaited.
    pub(super) fn give(&mut self, task: &Task) -> Result<(), serde_json::Error> {
        let line = serde_json::to_string(task)?;
        let _ = writeln!(self.input, "{line}");
        Ok(())
    }

    /// Waits for its answer.
    pub(super) fn answer(&mut self) -> Result<Answer, Silence> {
        match self.answers.recv_timeout(LONGEST_IMAGE) {
            Ok(line) => {
                serde_json::from_str(&line).map_err(|error| Silence::Ended(format!("{error} in {line}")))
            }
            Err(RecvTimeoutError::Timeout) => Err(Silence::Hangs),
            Err(RecvTimeoutError::Disconnected) => Err(Silence::Ended(
                self.process
                    .wait()
                    .map_or_else(|error| error.to_string(), |status| status.to_string()),
            )),
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        // Both fail only if it ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The work of such a process: answers tasks until its input ends.
///
/// # Errors
/// The other end is gone, or sends something else.
pub fn serve() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?)?;
        let answer = match task {
            Task::Use {
                path,
                seed,
                operations,
                verify_values,
                trust,
            } => use_image(&path, seed, operations, verify_values, trust),
            Task::Mend { path, seed, trust } => match mender::mend(&path, seed, trust) {
                Ok(mended) => Answer::Mended(mended),
                Err(error) => Answer::Refused(error.to_string()),
            },
        };
        let mut output = io::stdout().lock();
        writeln!(output, "{}", serde_json::to_string(&answer)?)?;
        output.flush()?;
    }
    Ok(())
}

fn use_image(path: &Path, seed: u64, operations: u64, verify_values: bool, trust: Trust) -> Answer {
    let opened = Segment::builder().verify_values(verify_values).open(path);
    let segment = match opened {
        Ok(segment) => segment,
        Err(error) => return Answer::Refused(error.to_string()),
    };
    let second = segment.namespace(SECOND).unwrap_or_else(|_| segment.clone());
    // Without the namespace both are one, and values of the second would be taken for another key's.
    let trust = if second.namespace_name().is_none() {
        Trust::None
    } else {
        trust
    };
    let mut caller = Caller::new([&segment, &second], seed, trust);
    caller.run(operations);
    Answer::Used(caller.verdict())
}
