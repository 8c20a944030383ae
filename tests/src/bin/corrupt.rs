//! Segments whose bytes somebody else changes: see `guira_tests::corrupt`.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: the report goes to stdout, what went wrong to stderr"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, Subcommand};
use guira_tests::corrupt::{self, CorruptError, CorruptPlan, Theme};
use guira_tests::scratch::directory_in;
use guira_tests::summary::fresh_seed;

/// Segments are damaged at rest and while processes use them; then they are repaired
#[derive(Debug, Parser)]
#[command(name = "cargo xtask corrupt", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    /// Images
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    images: u64,
    /// Image n of a run is the first of a run with seed + n; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Images at once; each takes three processes
    #[arg(long, default_value = "2", value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    lanes: usize,
    /// One kind of damage instead of all, such as "Slots"
    #[arg(long, value_parser = parse_theme)]
    theme: Option<Theme>,
    /// Where the segments are made, in a directory of its own
    #[arg(long, default_value = "/dev/shm")]
    path: PathBuf,
    /// Where images are kept that something was wrong with
    #[arg(long, default_value = "target/corrupt")]
    keep_in: PathBuf,
    /// Append a line of JSON to this file
    #[arg(long)]
    summary: Option<PathBuf>,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// A process that works on images; the driver starts them
    #[command(hide = true)]
    Hand,
}

fn parse_theme(name: &str) -> Result<Theme, String> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("corrupt: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, CorruptError> {
    if let Some(Task::Hand) = arguments.task {
        // A process whose driver is gone has nobody to end it.
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(std::io::Error::from)?;
        corrupt::serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    let directory = directory_in(&arguments.path)?;
    let plan = CorruptPlan {
        images: arguments.images,
        seed: arguments.seed.unwrap_or_else(fresh_seed),
        lanes: arguments.lanes,
        theme: arguments.theme,
        directory: directory.path().to_owned(),
        keep_in: arguments.keep_in.clone(),
        program: std::env::current_exe()?,
    };
    let report = corrupt::run(&plan)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    if let Some(path) = &arguments.summary {
        report.summary().append_to(path)?;
    }
    Ok(if report.anomalies() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
