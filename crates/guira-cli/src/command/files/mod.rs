//! `guira files`: a directory of large values, its keys and figures.

mod create;
mod get;
mod keys;
mod place;
mod purge;
mod put;
mod rm;
mod stat;
mod verify;

use std::io::Write;

use clap::{Args, Subcommand};

pub(super) use place::open_files;

use crate::error::CliError;
use crate::exit::Exit;

/// Use and look at a files cache: a directory of large values that processes share
#[derive(Clone, Debug, Args)]
pub struct FilesArgs {
    /// What to do
    #[command(subcommand)]
    pub command: FilesCommand,
}

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub enum FilesCommand {
    Create(create::CreateArgs),
    Put(put::PutArgs),
    Get(get::GetArgs),
    Rm(rm::RmArgs),
    Keys(keys::KeysArgs),
    Stat(stat::StatArgs),
    Verify(verify::VerifyArgs),
    Purge(purge::PurgeArgs),
}

pub(crate) fn run(args: &FilesArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    match &args.command {
        FilesCommand::Create(args) => create::run(args, out),
        FilesCommand::Put(args) => put::run(args, out),
        FilesCommand::Get(args) => get::run(args, out),
        FilesCommand::Rm(args) => rm::run(args, out),
        FilesCommand::Keys(args) => keys::run(args, out),
        FilesCommand::Stat(args) => stat::run(args, out),
        FilesCommand::Verify(args) => verify::run(args, out),
        FilesCommand::Purge(args) => purge::run(args, out),
    }
}
