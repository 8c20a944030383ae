//! One module for each command: its arguments, what it does, what it prints.

pub(crate) mod agent;
pub(crate) mod bench;
pub(crate) mod broker;
pub(crate) mod bus;
pub(crate) mod completions;
pub(crate) mod create;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod dump;
pub(crate) mod files;
pub(crate) mod get;
pub(crate) mod invalidate;
pub(crate) mod keygen;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod lockouts;
pub(crate) mod man;
pub(crate) mod put;
pub(crate) mod rm;
pub(crate) mod stat;
pub(crate) mod verify;

use std::io::Write;

use crate::args::Command;
use crate::error::CliError;
use crate::exit::Exit;

/// Runs one command.
pub(crate) fn run(command: &Command, out: &mut dyn Write) -> Result<Exit, CliError> {
    match command {
        Command::Demo(args) => demo::run(args, out),
        Command::Create(args) => create::run(args, out),
        Command::Put(args) => put::run(args, out),
        Command::Get(args) => get::run(args, out),
        Command::Rm(args) => rm::run(args, out),
        Command::Invalidate(args) => invalidate::run(args, out),
        Command::Keys(args) => keys::run(args, out),
        Command::Lockouts(args) => lockouts::run(args, out),
        Command::Stat(args) => stat::run(args, out),
        Command::Verify(args) => verify::run(args, out),
        Command::Dump(args) => dump::run(args, out),
        Command::Load(args) => load::run(args, out),
        Command::Files(args) => files::run(args, out),
        Command::Bench(args) => bench::run(args, out),
        Command::Agent(args) => agent::run(args, out),
        Command::Broker(args) => broker::run(args, out),
        Command::Bus(args) => bus::run(args, out),
        Command::Keygen(args) => keygen::run(args, out),
        Command::Doctor(args) => doctor::run(args, out),
        Command::Completions(args) => completions::run(args, out),
        Command::Man(args) => man::run(args),
        Command::BenchWorker(args) => bench::run_worker(args, out),
        Command::DemoWorker(args) => demo::run_worker(args, out),
        Command::DemoBroker(args) => demo::run_broker(args, out),
    }
}
