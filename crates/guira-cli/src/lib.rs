//! The `guira` command: creates, inspects, checks and exercises segments.
//!
//! Text for people by default, one JSON object with `--json`. Keys and values are bytes. An error is
//! one line on standard error: what, which file, what to do. The exit status is an [`Exit`].
//!
//! ```
//! # let directory = tempfile::tempdir_in("/dev/shm")?;
//! # let path = directory.path().join("app.guira");
//! # let path = path.to_str().expect("the path is ASCII");
//! use guira_cli::{Exit, parse, run};
//!
//! let mut out = Vec::new();
//! run(&parse(["guira", "create", path, "--size", "8M"])?, &mut out)?;
//! run(&parse(["guira", "put", path, "key", "value", "--ttl", "5m"])?, &mut out)?;
//! out.clear();
//! assert_eq!(run(&parse(["guira", "get", path, "key"])?, &mut out)?, Exit::Done);
//! assert_eq!(out, b"value");
//! assert_eq!(run(&parse(["guira", "get", path, "other"])?, &mut out)?, Exit::NotFound);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod args;
mod byte_string;
mod cluster_name;
mod command;
mod duration;
mod error;
mod exit;
mod histogram;
mod host_name;
mod key_file;
mod log_lines;
mod one_line;
mod output;
mod random;
mod size;
mod stopwatch;
mod target;
mod typed_key;
mod worker_process;

use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

pub use args::{Cli, Command};
pub use error::CliError;
pub use exit::Exit;

/// Reads a command line, the command's own name first.
///
/// # Errors
/// What clap says of it, requests for help and the version included.
pub fn parse<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(arguments)
}

/// Does what was asked and writes what it prints to `out`.
///
/// # Errors
/// A [`CliError`], whose message is for standard error and which [`Exit::of`] maps to a status.
pub fn run(cli: &Cli, out: &mut dyn Write) -> Result<Exit, CliError> {
    let exit = command::run(&cli.command, out)?;
    out.flush().map_err(CliError::Output)?;
    Ok(exit)
}

/// The whole command: arguments, standard output and standard error.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse_arguments(&error),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let exit = match run(&cli, &mut out) {
        Ok(exit) => exit,
        // Whoever read the output has seen enough.
        Err(CliError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            // What was printed before the failure belongs before its message.
            let _ = out.flush();
            complain(&error.to_string());
            Exit::of(&error)
        }
    };
    exit.into()
}

fn refuse_arguments(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    match error.kind() {
        DisplayHelp | DisplayVersion => {
            let _ = error.print();
            Exit::Done.into()
        }
        DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage.into()
        }
        _ => {
            complain(&one_line::usage_error(&error.render().to_string()));
            Exit::Usage.into()
        }
    }
}

fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "guira: {}", one_line::joined(message));
}
