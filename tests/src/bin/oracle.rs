//! Random sequences of every operation against a plain map, as many as wanted.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: the report goes to stdout, what was wrong to stderr"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use guira_tests::oracle::describe;
use guira_tests::oracle::run::{Report, Run, run};
use guira_tests::summary::{Summary, fresh_seed};

/// Random sequences of every operation against a plain map with a clock that the test moves.
#[derive(Debug, Parser)]
#[command(name = "oracle")]
struct Arguments {
    /// Sequences, as 1e6 or 1000000
    #[arg(long, default_value = "20000", value_parser = parse_count)]
    sequences: u64,
    /// Of every random choice; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Number of the first sequence: to see one again
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Sequences at once; by default one for each processor
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    threads: Option<usize>,
    /// Ends after so many seconds, however many sequences were run
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Appends the figures to this file, as a line of JSON
    #[arg(long)]
    summary: Option<PathBuf>,
}

fn parse_count(text: &str) -> Result<u64, String> {
    let count: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if (1.0..=1e15).contains(&count) {
        Ok(count as u64)
    } else {
        Err("it must be between 1 and 1e15".to_owned())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(fresh_seed);
    let plan = Run {
        seed,
        sequences: arguments.sequences,
        first: arguments.first,
        threads: arguments
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        time: arguments.seconds.map(Duration::from_secs),
    };
    println!("oracle: seed {seed}, {} sequences", plan.sequences);
    let began = Instant::now();
    let report = run(&plan);
    let seconds = began.elapsed().as_secs_f64();
    let anomalies = show(&report, seed, seconds);
    if let Some(path) = &arguments.summary
        && let Err(error) = Summary::new("oracle", seed, seconds, anomalies)
            .count("sequences", report.sequences)
            .count("operations", report.tally.operations())
            .append_to(path)
    {
        eprintln!("oracle: {error}");
        return ExitCode::FAILURE;
    }
    if anomalies == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn show(report: &Report, seed: u64, seconds: f64) -> u64 {
    for (outcome, count) in report.tally.outcomes() {
        println!("  {count:>12}  {outcome}");
    }
    println!(
        "{} sequences, {} operations in {seconds:.1} s",
        report.sequences,
        report.tally.operations()
    );
    for failure in &report.failures {
        eprintln!(
            "\nsequence {} (--seed {seed} --first {} --sequences 1): {}\n{:?}\n{}",
            failure.sequence,
            failure.sequence,
            failure.message,
            failure.world,
            describe(&failure.numbers)
        );
    }
    let mut anomalies = report.failed;
    if report.sequences == 0 {
        eprintln!("nothing was done");
        anomalies += 1;
    }
    for outcome in report.tally.never_met(report.sequences) {
        eprintln!("never met: {outcome}");
        anomalies += 1;
    }
    println!("anomalies: {anomalies}");
    anomalies
}
