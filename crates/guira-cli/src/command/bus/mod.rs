//! `guira bus`: what hosts and brokers of a cluster say of themselves and of each other.

mod ask;
mod audit;
mod brokers;
mod guest;
mod ping;
mod probe;
mod status;
mod tables;
#[cfg(test)]
mod tests;

use std::io::Write;

use clap::{Args, Subcommand};

pub(crate) use tables::{millis, show_trust, unaccepted};

use crate::error::CliError;
use crate::exit::Exit;

/// See where a host and its cluster stand
#[derive(Clone, Debug, Args)]
pub struct BusArgs {
    /// What to ask
    #[command(subcommand)]
    pub command: BusCommand,
}

/// What can be asked.
#[derive(Clone, Debug, Subcommand)]
pub enum BusCommand {
    Status(status::StatusArgs),
    Ping(ping::PingArgs),
    Audit(audit::AuditArgs),
}

pub(crate) fn run(args: &BusArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    match &args.command {
        BusCommand::Status(args) => status::run(args, out),
        BusCommand::Ping(args) => ping::run(args, out),
        BusCommand::Audit(args) => audit::run(args, out),
    }
}
