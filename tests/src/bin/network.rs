//! `network`: hosts that agree over a real network in which everything goes wrong.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: the report goes to stdout, what went wrong to stderr"
)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use guira_tests::network::{self, Form, KINDS, Kind, Lab, Mistake, NetworkError, NetworkReport, Wish};
use guira_tests::summary::fresh_seed;
use guira_tests::verdict::MutantVerdict;

/// Hosts with caches, and brokers between them, in network namespaces: packets are lost, hosts and brokers cut off,
/// processes killed and stopped, and no trusted hit may be older than was promised.
#[derive(Debug, Parser)]
#[command(name = "network", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// How long in all
    #[arg(long, default_value_t = 5.0, value_parser = clap::value_parser!(f64))]
    minutes: f64,
    /// Hosts, each with a segment of its own
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    hosts: u8,
    /// Worker processes of each host
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: u8,
    /// Brokers, with and without keys; one laboratory after the other
    #[arg(long, value_delimiter = ',', default_value = "1,1+keys,3+keys", value_parser = parse_form)]
    brokers: Vec<Form>,
    /// Packets lost, of a hundred: chosen from these
    #[arg(long, value_delimiter = ',', default_value = "1,10,30", value_parser = clap::value_parser!(u64).range(0..=90))]
    loss: Vec<u64>,
    /// The longest fault, ms; 0 for no faults
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(0..=5_000))]
    longest_ms: u64,
    /// Only faults of these kinds; by default all
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    only: Vec<Kind>,
    /// How old a trusted hit may be, ms
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=1_500))]
    bound_ms: u64,
    /// Makes this mistake on purpose, and succeeds if it is noticed; may be repeated
    #[arg(long, value_name = "NAME")]
    mistake: Vec<Mistake>,
    /// Where no network can be made, say so and succeed
    #[arg(long)]
    if_possible: bool,
    /// Of every random choice; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// The report as JSON
    #[arg(long)]
    json: bool,
    /// Appends a line of JSON with the counts to this file
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Works on a host; what this command starts
    #[command(hide = true)]
    Worker {
        #[arg(long)]
        plan: String,
        #[arg(long)]
        worker: usize,
        #[arg(long)]
        incarnation: u64,
    },
    /// `guira broker` that ends with this command
    #[command(hide = true)]
    Broker {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        passed_on: Vec<OsString>,
    },
}

/// No network can be made here.
const NOT_POSSIBLE: u8 = 2;

fn parse_form(text: &str) -> Result<Form, String> {
    let (count, has_keys) = match text.strip_suffix("+keys") {
        Some(count) => (count, true),
        None => (text, false),
    };
    match count.parse() {
        Ok(brokers @ 1..=16) => Ok(Form { brokers, has_keys }),
        _ => Err("it must be a number of brokers from 1 to 16, as 1 or 3+keys".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.task {
        None => arguments.run.run(),
        Some(Task::Worker {
            plan,
            worker,
            incarnation,
        }) => die_with_parent()
            .and_then(|()| network::work(&plan, worker, incarnation))
            .map(|()| ExitCode::SUCCESS),
        Some(Task::Broker { passed_on }) => die_with_parent().map(|()| {
            let words = ["guira", "broker"].map(OsString::from);
            guira_cli::main(words.into_iter().chain(passed_on))
        }),
    };
    result.unwrap_or_else(|error| {
        eprintln!("network: {error}");
        ExitCode::FAILURE
    })
}

/// A process whose conductor is gone has nobody to end it.
fn die_with_parent() -> Result<(), NetworkError> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(std::io::Error::from)?;
    Ok(())
}

impl RunArguments {
    fn run(&self) -> Result<ExitCode, NetworkError> {
        if let Err(error) = Lab::probe() {
            if self.if_possible {
                println!("left out: {error}");
                return Ok(ExitCode::SUCCESS);
            }
            eprintln!("network: {error}");
            return Ok(ExitCode::from(NOT_POSSIBLE));
        }
        if !self.mistake.is_empty() {
            return self.make_mistakes();
        }
        let report = self.all_forms(None)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            println!("{report}");
        }
        if let Some(path) = &self.summary {
            report.summary().append_to(path)?;
        }
        Ok(if report.anomalies().is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn make_mistakes(&self) -> Result<ExitCode, NetworkError> {
        let mut are_noticed = true;
        for &mistake in &self.mistake {
            let report = self.all_forms(Some(mistake))?;
            let wrong: u64 = report.legs.iter().map(|leg| leg.wrong).sum();
            let verdict = MutantVerdict {
                mutant: format!("{mistake:?}"),
                is_noticed: wrong > 0,
                told: format!("{wrong} stale hits"),
            };
            println!("{verdict}");
            for line in report.legs.iter().filter_map(|leg| leg.journal.first()) {
                println!("  {line}");
            }
            are_noticed &= verdict.is_noticed;
        }
        Ok(if are_noticed {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn all_forms(&self, mistake: Option<Mistake>) -> Result<NetworkReport, NetworkError> {
        let seed = self.seed.unwrap_or_else(fresh_seed);
        // This program, even if its file is replaced while it runs; started by another, which has a self of its own.
        let program = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
        let mut legs = Vec::new();
        for (number, &form) in self.brokers.iter().enumerate() {
            let wish = Wish {
                hosts: usize::from(self.hosts),
                workers: usize::from(self.workers),
                bound_ms: self.bound_ms,
                loss_percent: self.loss.clone(),
                longest_ms: self.longest_ms,
                kinds: if self.only.is_empty() {
                    KINDS.to_vec()
                } else {
                    self.only.clone()
                },
                seconds: self.minutes * 60.0 / self.brokers.len() as f64,
                seed: seed.wrapping_add(number as u64),
                mistake,
            };
            eprintln!("{form:?}: {:.0} s, seed {}", wish.seconds, wish.seed);
            legs.push(network::run(&program, form, &wish)?);
        }
        Ok(NetworkReport { seed, legs })
    }
}
