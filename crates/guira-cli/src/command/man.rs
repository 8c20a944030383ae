//! `guira man`: the manual pages.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use crate::args::public_command;
use crate::error::CliError;
use crate::exit::Exit;

/// Write the manual pages, one for each command
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// The directory, made if it is missing
    pub dir: PathBuf,
}

pub(crate) fn run(args: &ManArgs) -> Result<Exit, CliError> {
    fs::create_dir_all(&args.dir).map_err(CliError::io("make the directory", &args.dir))?;
    clap_mangen::generate_to(public_command(), &args.dir)
        .map_err(CliError::io("write manual pages to", &args.dir))?;
    Ok(Exit::Done)
}
