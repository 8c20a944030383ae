//! `guira-bench`: what Guira costs and keeps, measured beside a limit and its peers in the same run.

#![forbid(unsafe_code)]

mod bench;
mod error;
mod flights;
mod hit_ratio;
mod memoized;
mod open;
mod peers;
mod recovery;
mod report;
mod rounds;
mod space;
mod suite;
mod worker;
mod workload;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures Guira beside its peers and the physical limit, in the same rounds.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench",
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    question: Option<Question>,
    #[command(flatten)]
    suite: suite::SuiteArguments,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Bytes an entry costs beyond its key and value, in a cache that keeps a million of them
    Space(space::SpaceArguments),
    /// Hits on recorded traces, beside exact S3-FIFO and LRU with the same bytes
    HitRatio(hit_ratio::HitRatioArguments),
    /// How long opening takes, and what creating does to everyone else
    Open(open::OpenArguments),
    /// A memoized call and typed reads beside a read of the same bytes
    Memoized(memoized::MemoizedArguments),
    /// What a kill costs those who survive it, and those who come after it
    Recovery(recovery::RecoveryArguments),
    /// From the end of a computation to the answers of many who wait for it
    Wake(flights::WakeArguments),
    /// From the death of one that computes to the answers of many who wait for it
    Takeover(flights::TakeoverArguments),
    /// A process whose threads wait; started by `wake` and `takeover`
    #[command(hide = true)]
    Waiters(flights::WaitersArguments),
    /// A process that fills a peer; started by `space`
    #[command(hide = true)]
    Footprint(space::footprint::FootprintArguments),
    /// A process that is measured; started by the comparison
    #[command(hide = true)]
    Worker(worker::WorkerArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.question {
        None => suite::run(&arguments.suite),
        Some(Question::Space(arguments)) => space::run(&arguments),
        Some(Question::HitRatio(arguments)) => hit_ratio::run(&arguments),
        Some(Question::Open(arguments)) => open::run(&arguments),
        Some(Question::Memoized(arguments)) => memoized::run(&arguments),
        Some(Question::Recovery(arguments)) => recovery::run(&arguments),
        Some(Question::Wake(arguments)) => flights::run_wake(&arguments),
        Some(Question::Takeover(arguments)) => flights::run_takeover(&arguments),
        Some(Question::Waiters(arguments)) => flights::run_waiters(&arguments),
        Some(Question::Footprint(arguments)) => space::footprint::run(&arguments),
        Some(Question::Worker(arguments)) => worker::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
