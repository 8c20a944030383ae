//! Recorded histories of several processes, judged: `cargo xtask linearize` runs it.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: the report goes to stdout, what went wrong to stderr"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use guira_tests::experiment::ExperimentError;
use guira_tests::linearize::{LinearizePlan, LinearizeReport, MUTANTS, Room, World, check_file, run, work};
use guira_tests::summary::fresh_seed;

/// Makes histories with several processes and looks for an order of each key's operations.
#[derive(Debug, Parser)]
#[command(
    name = "linearize",
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    /// Histories
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    histories: u64,
    /// Operations of each, at least
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    operations: u64,
    /// Histories in a hundred in which a worker is killed
    #[arg(long, default_value_t = 15, value_parser = percent())]
    kill_percent: u64,
    /// Histories in a hundred in which a worker is stopped; with those of kills at most 100
    #[arg(long, default_value_t = 20, value_parser = percent())]
    stop_percent: u64,
    /// Only worlds of one kind
    #[arg(long, value_enum)]
    room: Option<RoomName>,
    /// With delays before one in so many changes of shared memory (needs a build with points)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    delay_one_in: Option<u32>,
    /// With one check of the engine left out: succeeds if that is noticed (needs a build with points)
    #[arg(long)]
    mutant: Option<String>,
    /// Every mutant, until it is rejected; fails if one is not
    #[arg(long, conflicts_with = "mutant")]
    mutants: bool,
    /// Momentary misses, a known defect, are counted but do not fail the run while they are rare: one in
    /// a million operations
    #[arg(long)]
    misses_are_known: bool,
    /// Judges a history that was saved, and nothing else
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Where the segments are made, in a directory of their own
    #[arg(long, default_value = "/dev/shm")]
    path: PathBuf,
    /// Where histories with violations are saved
    #[arg(long, default_value = "target/linearize")]
    findings: PathBuf,
    /// Of every random choice; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// The report as JSON
    #[arg(long)]
    json: bool,
    /// A line of JSON with the counts is appended to this file
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

fn percent() -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(0..=100)
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoomName {
    Roomy,
    Crowded,
    Tiny,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Starts a worker; the command does
    #[command(hide = true)]
    Worker {
        #[arg(long)]
        world: String,
        #[arg(long)]
        first_row: usize,
        #[arg(long)]
        after: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let [kills, stops] = [arguments.kill_percent, arguments.stop_percent];
    if kills + stops > 100 {
        let told = format!("kills in {kills} and stops in {stops} histories of 100 are more than there are");
        Arguments::command()
            .error(ErrorKind::ValueValidation, told)
            .exit();
    }
    match execute(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("linearize: {error}");
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: Arguments) -> Result<ExitCode, ExperimentError> {
    if let Some(Task::Worker {
        world,
        first_row,
        after,
    }) = arguments.task
    {
        // A worker whose conductor is gone has nobody to end it.
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(std::io::Error::from)?;
        let world: World = serde_json::from_str(&world)?;
        work(&world, first_row, after)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(file) = &arguments.check {
        return show(&check_file(file)?, &arguments);
    }
    if arguments.mutants {
        return mutants(&arguments);
    }
    let program = std::env::current_exe()?;
    let report = run(&program, &plan(&arguments, arguments.mutant.clone()))?;
    let exit_code = show(&report, &arguments)?;
    let Some(mutant) = &arguments.mutant else {
        return Ok(exit_code);
    };
    let verdict = report.verdict_on(mutant);
    if arguments.json {
        eprintln!("{verdict}");
    } else {
        println!("{verdict}");
    }
    Ok(verdict.exit_code())
}

fn plan(arguments: &Arguments, mutant: Option<String>) -> LinearizePlan {
    LinearizePlan {
        directory: arguments.path.clone(),
        findings: match &mutant {
            None => arguments.findings.clone(),
            Some(name) => arguments.findings.join("mutants").join(name),
        },
        histories: arguments.histories,
        operations: arguments.operations,
        kill_percent: arguments.kill_percent,
        stop_percent: arguments.stop_percent,
        is_ended_by_violation: mutant.is_some(),
        room: arguments.room.map(|room| match room {
            RoomName::Roomy => Room::Roomy,
            RoomName::Crowded => Room::Crowded,
            RoomName::Tiny => Room::Tiny,
        }),
        mutant,
        delay_one_in: arguments.delay_one_in,
        seed: arguments.seed.unwrap_or_else(fresh_seed),
    }
}

/// Every mutant must be rejected.
fn mutants(arguments: &Arguments) -> Result<ExitCode, ExperimentError> {
    let program = std::env::current_exe()?;
    let mut survivors = 0;
    for name in MUTANTS {
        let report = run(&program, &plan(arguments, Some((*name).to_owned())))?;
        let verdict = report.verdict_on(name);
        println!("{verdict}");
        if !verdict.is_noticed {
            survivors += 1;
        } else {
            for line in report
                .violations
                .iter()
                .chain(&report.momentary)
                .take(1)
                .flat_map(|found| found.violation.lines())
            {
                println!("    {line}");
            }
        }
    }
    Ok(if survivors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(report: &LinearizeReport, arguments: &Arguments) -> Result<ExitCode, ExperimentError> {
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("{report}");
    }
    if let Some(file) = &arguments.summary {
        report.append_summary(file)?;
    }
    let known = if arguments.misses_are_known && report.misses_are_rare() {
        report.momentary_misses
    } else {
        0
    };
    Ok(if report.anomalies() == known {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
