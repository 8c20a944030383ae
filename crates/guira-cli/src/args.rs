//! The command line: what can be asked for. The arguments of each command are in its module.

use clap::{CommandFactory, Parser, Subcommand};

use crate::command::agent::AgentArgs;
use crate::command::bench::{BenchArgs, BenchWorkerArgs};
use crate::command::broker::BrokerArgs;
use crate::command::bus::BusArgs;
use crate::command::completions::CompletionsArgs;
use crate::command::create::CreateArgs;
use crate::command::demo::{DemoArgs, DemoBrokerArgs, DemoWorkerArgs};
use crate::command::doctor::DoctorArgs;
use crate::command::dump::DumpArgs;
use crate::command::files::FilesArgs;
use crate::command::get::GetArgs;
use crate::command::invalidate::InvalidateArgs;
use crate::command::keygen::KeygenArgs;
use crate::command::keys::KeysArgs;
use crate::command::load::LoadArgs;
use crate::command::lockouts::LockoutsArgs;
use crate::command::man::ManArgs;
use crate::command::put::PutArgs;
use crate::command::rm::RmArgs;
use crate::command::stat::StatArgs;
use crate::command::verify::VerifyArgs;

/// One cache for all worker processes of a machine, in a file that they map.
#[derive(Clone, Debug, Parser)]
#[command(name = "guira", version, max_term_width = 100, after_help = EXIT_STATUS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The command as people know it: without what it only calls itself.
pub(crate) fn public_command() -> clap::Command {
    let whole = Cli::command();
    let public = whole
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .cloned();
    clap::Command::new("guira")
        .version(env!("CARGO_PKG_VERSION"))
        .about(whole.get_about().cloned().unwrap_or_default())
        .after_help(EXIT_STATUS)
        .subcommand_required(true)
        .subcommands(public)
}

const EXIT_STATUS: &str = "\
Sizes read as 64M or 2G, durations as 250ms or 5m. Keys, values and tags are bytes.

Exit status: 0 done; 1 a miss, or nothing found; 2 wrong usage; 3 the segment is missing, damaged, \
foreign, of another version, or refused; 4 anything else.";

/// What can be asked for.
#[derive(Clone, Debug, Subcommand)]
#[expect(missing_docs, reason = "the help text of each command is on its arguments")]
pub enum Command {
    Demo(DemoArgs),
    Create(CreateArgs),
    Put(PutArgs),
    Get(GetArgs),
    Rm(RmArgs),
    Invalidate(InvalidateArgs),
    Keys(KeysArgs),
    Lockouts(LockoutsArgs),
    Stat(StatArgs),
    Verify(VerifyArgs),
    Dump(DumpArgs),
    Load(LoadArgs),
    Files(FilesArgs),
    Bench(BenchArgs),
    Agent(AgentArgs),
    Broker(BrokerArgs),
    Bus(BusArgs),
    Keygen(KeygenArgs),
    Doctor(DoctorArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    #[command(hide = true)]
    BenchWorker(BenchWorkerArgs),
    #[command(hide = true)]
    DemoWorker(DemoWorkerArgs),
    #[command(hide = true)]
    DemoBroker(DemoBrokerArgs),
}
