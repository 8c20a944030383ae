//! `guira-benches`: the figures the project promises, each measured beside a limit or a peer.

#![forbid(unsafe_code)]

mod error;
mod get;
mod hit_ratio;
mod open;
mod peers;
mod raw;
mod report;
mod rounds;
mod space;
mod worker;
mod workload;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures a figure and prints it as a table.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// How fast another process reads, beside the raw loop, quick_cache and memcached
    Get(get::GetArguments),
    /// Bytes an entry costs beyond its key and value, in a cache that keeps a million of them
    Space(space::SpaceArguments),
    /// Hits on recorded traces, beside exact S3-FIFO and LRU with the same bytes
    HitRatio(hit_ratio::HitRatioArguments),
    /// How long opening takes, and what creating does to everyone else
    Open(open::OpenArguments),
    /// A process that is measured; started by `get`
    #[command(hide = true)]
    Worker(worker::WorkerArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().question {
        Question::Get(arguments) => get::run(&arguments),
        Question::Space(arguments) => space::run(&arguments),
        Question::HitRatio(arguments) => hit_ratio::run(&arguments),
        Question::Open(arguments) => open::run(&arguments),
        Question::Worker(arguments) => worker::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
