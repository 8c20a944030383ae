//! `guira completions`: what a shell needs to complete this command.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

use crate::args::public_command;
use crate::error::CliError;
use crate::exit::Exit;

/// Print a shell's completion script
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    // The generator panics where it cannot write: a buffer takes everything.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut public_command(), "guira", &mut script);
    out.write_all(&script).map_err(CliError::Output)?;
    Ok(Exit::Done)
}
