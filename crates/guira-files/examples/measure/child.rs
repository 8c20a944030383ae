//! Another process of this program, which does one part and tells its figures in lines of words.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Outcome;

/// The command of a part that works in the cache `place`.
pub(crate) fn command(subject: &str, part: &str, place: &Path) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(subject).args(["--part", part, "--place"]).arg(place);
    Ok(command)
}

/// A part that is under way.
#[derive(Debug)]
pub(crate) struct Part {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Part {
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self {
            stdin: child.stdin.take(),
            stdout,
            child,
        })
    }

    /// Its next line of figures.
    pub(crate) fn figures(&mut self) -> Outcome<Vec<f64>> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err("a part ended too early; what it said is above".into());
        }
        Ok(line
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?)
    }

    /// Lets it go on from where it waits.
    pub(crate) fn go_on(&mut self) -> Outcome<()> {
        let stdin = self.stdin.as_mut().ok_or("no input")?;
        writeln!(stdin)?;
        Ok(stdin.flush()?)
    }

    pub(crate) fn kill(mut self) -> Outcome<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn end(mut self) -> Outcome<()> {
        drop(self.stdin.take());
        let status = self.child.wait()?;
        status
            .success()
            .then_some(())
            .ok_or_else(|| "a part failed; what it said is above".into())
    }
}

/// Runs a part that tells one line.
pub(crate) fn figures_of(command: &mut Command) -> Outcome<Vec<f64>> {
    let mut part = Part::start(command)?;
    let figures = part.figures()?;
    part.end()?;
    Ok(figures)
}

/// In a part: waits until it may go on.
pub(crate) fn wait() -> Outcome<()> {
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}
