//! Worker processes of `bench` and `demo`: this same program, run with a hidden command.
//!
//! The parent speaks to a worker through pipes, one JSON text a line. A worker whose parent is gone
//! reads the end of its input and ends too.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CliError;

/// This program: the name holds even after the file was replaced by a newer build.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The two pipes of a worker, as its parent holds them.
#[derive(Debug)]
pub(crate) struct Pipes {
    to_worker: ChildStdin,
    from_worker: BufReader<ChildStdout>,
}

/// Starts a worker: the hidden command `subcommand`, told what to do by `task`.
pub(crate) fn start(subcommand: &str, task: &impl Serialize) -> Result<(Child, Pipes), CliError> {
    let start = || -> io::Result<(Child, Pipes)> {
        let mut child = Command::new(THIS_PROGRAM)
            .arg(subcommand)
            .arg(serde_json::to_string(task)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(to_worker), Some(from_worker)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let from_worker = BufReader::new(from_worker);
        Ok((
            child,
            Pipes {
                to_worker,
                from_worker,
            },
        ))
    };
    start().map_err(|source| {
        CliError::Failed(format!(
            "cannot start a worker process: {source}; check that /proc is mounted and the limit of processes (ulimit -u)"
        ))
    })
}

impl Pipes {
    /// Sends one message.
    pub(crate) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        send(&mut self.to_worker, message)
    }

    /// Waits for the next message; `None` once the worker ended.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        receive(&mut self.from_worker)
    }
}

/// Writes one message as a line.
pub(crate) fn send(to: &mut dyn Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Reads one message; `None` at the end. Half a line is what a killed writer leaves: the end too.
pub(crate) fn receive<T: DeserializeOwned>(from: &mut dyn BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lines_and_half_a_line_is_the_end() {
        let mut pipe = Vec::new();
        send(&mut pipe, &[1, 2]).expect("a Vec takes everything");
        pipe.extend_from_slice(b"[3,");
        let mut from = pipe.as_slice();
        assert_eq!(
            receive::<Vec<u32>>(&mut from).expect("a message"),
            Some(vec![1, 2])
        );
        assert_eq!(receive::<Vec<u32>>(&mut from).expect("the end"), None);
        assert_eq!(receive::<Vec<u32>>(&mut from).expect("the end"), None);
    }
}
