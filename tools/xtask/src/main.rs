//! `cargo xtask`: every check of the workspace is one of its subcommands, and CI runs nothing else.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: its progress goes to stdout, what is wrong to stderr"
)]

mod bench;
mod cargo;
mod doc;
mod error;
mod experiment;
mod fuzz;
mod gate;
mod kill;
mod lint;
mod model;
mod proof;
mod sanitize;
mod steps;
mod test_run;
mod tidy;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

use crate::error::XtaskError;
use crate::steps::Steps;

/// The checks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Lint, test and doc: what a change must pass
    Check,
    /// Formatting, clippy and the tidy rules
    Lint,
    /// The rules of the house that no compiler checks
    Tidy,
    /// What the tests need, then `cargo test --workspace`
    #[command(disable_help_flag = true)]
    Test {
        /// Passed to cargo as they are; with -p, only that package is tested
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "CARGO_TEST_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// The documentation, with warnings denied
    Doc,
    /// Worker processes are killed and stopped while they do every operation (--help for more; `storm files`: on
    /// the files cache, whose directory is measured)
    #[command(disable_help_flag = true)]
    Storm {
        /// Passed to the experiment as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "STORM_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// What kills and stops cost the operations of others, by kind (--help for more)
    #[command(disable_help_flag = true)]
    Latency {
        /// Passed to the experiment as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "LATENCY_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// How long after its death a process's lock is free, by the size of the segment (--help for more)
    #[command(disable_help_flag = true)]
    LockRelease {
        /// Passed to the experiment as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "LOCK_RELEASE_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// Fills, puts and invalidations race, and no read may be stale (--help for more)
    #[command(disable_help_flag = true)]
    Stale {
        /// Passed to the experiment as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "STALE_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// Invalidations race computations through the public interface, and no call may give a stale value
    /// (--help for more)
    #[command(disable_help_flag = true)]
    Races {
        /// Passed to the experiment as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "RACES_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// Every interleaving of small worlds, by a model checker, and the mutants it must catch
    Model(model::Options),
    /// A process dies, or stops, at each change that each operation makes to shared memory
    /// (--help for more; `kill files`: that the files cache and what uses it makes; --check-absent looks for traces of it in the
    /// released command)
    #[command(disable_help_flag = true)]
    Kill {
        /// Passed to the runs as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "KILL_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// Random sequences of every operation against a plain map (--help for more)
    #[command(disable_help_flag = true)]
    Oracle {
        /// Passed to the oracle as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ORACLE_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// Segments are damaged at rest and under load, then repaired (--help for more)
    #[command(disable_help_flag = true)]
    Corrupt {
        /// Passed to the experiment as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "CORRUPT_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// Bytes that a fuzzer makes up: superblocks, images, command lines, traces, frames, dumps
    Fuzz(fuzz::FuzzArgs),
    /// Histories of several processes must have an order, key by key (--help for more)
    #[command(disable_help_flag = true)]
    Linearize {
        /// Passed to the experiment as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "LINEARIZE_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// Hosts agree over a network in namespaces that loses packets, is cut, and whose processes are killed
    /// (--help for more)
    #[command(disable_help_flag = true)]
    Network {
        /// Passed to the experiment as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "NETWORK_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// Hosts and brokers on a network in which everything goes wrong (--help for more)
    #[command(disable_help_flag = true)]
    Simulate {
        /// Passed to the simulation as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "SIMULATE_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// The tests under sanitizers, and under Miri
    Sanitize(sanitize::SanitizeArguments),
    /// Runs a proof and keeps what it found in the ledger, or sums up the ledger
    Proof {
        #[command(subcommand)]
        action: ProofAction,
    },
    /// Measurements beside peers and the physical limit (--help for more)
    #[command(disable_help_flag = true)]
    Bench {
        /// Passed to the measurements as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "BENCH_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
}

#[derive(Debug, Subcommand)]
enum ProofAction {
    /// Runs a task of this command with another seed and appends its summary to docs/proof-runs.jsonl
    Run {
        /// The task; fuzz-open runs `fuzz open`
        #[arg(value_parser = PossibleValuesParser::new(proof::request::PROOFS))]
        name: String,
        /// Passed to the task as they are
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "PROOF_ARGUMENTS"
        )]
        passed_on: Vec<OsString>,
    },
    /// Brings the table in docs/proof.md up to date
    Table {
        /// Sum up from the first run of this engine on, instead of the one that the document names
        #[arg(long, value_name = "ENGINE")]
        since: Option<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.task) {
        Ok(steps) => steps.conclude(),
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<Steps, XtaskError> {
    let root = cargo::workspace_root()?;
    let mut steps = Steps::default();
    match task {
        Task::Check => {
            lint::run(&root, &mut steps);
            test_step(&root, &[], &mut steps);
            doc::run(&root, &mut steps);
        }
        Task::Lint => lint::run(&root, &mut steps),
        Task::Tidy => lint::tidy_step(&root, &mut steps),
        Task::Test { passed_on } => {
            let passed_on = with_separator(passed_on, std::env::args_os());
            test_step(&root, &passed_on, &mut steps);
        }
        Task::Doc => doc::run(&root, &mut steps),
        Task::Storm { passed_on } if passed_on.first().is_some_and(|first| first == "files") => {
            steps.run("storm files", || experiment::files_storm(&root, &passed_on[1..]));
        }
        Task::Storm { passed_on } => {
            steps.run("storm", || experiment::run(&root, "storm", &passed_on));
        }
        Task::Latency { passed_on } => {
            steps.run("latency", || experiment::run(&root, "latency", &passed_on));
        }
        Task::LockRelease { passed_on } => {
            steps.run("lock-release", || {
                experiment::run(&root, "lock-release", &passed_on)
            });
        }
        Task::Stale { passed_on } => {
            steps.run("stale", || experiment::run(&root, "stale", &passed_on));
        }
        Task::Races { passed_on } => {
            steps.run("races", || experiment::run(&root, "races", &passed_on));
        }
        Task::Proof { action } => match action {
            ProofAction::Run { name, passed_on } => {
                steps.run("proof", || proof::run(&root, &name, &passed_on));
            }
            ProofAction::Table { since } => {
                steps.run("proof table", || proof::refresh_table(&root, since.as_deref()));
            }
        },
        Task::Sanitize(arguments) => sanitize::run(&root, &arguments, &mut steps),
        Task::Model(options) => {
            steps.run("model", || model::run(&root, &options));
        }
        Task::Kill { passed_on } => {
            steps.run("kill", || kill::run(&root, &passed_on));
        }
        Task::Oracle { passed_on } => {
            steps.run("oracle", || experiment::oracle(&root, &passed_on));
        }
        Task::Simulate { passed_on } => {
            steps.run("simulate", || experiment::simulate(&root, &passed_on));
        }
        Task::Corrupt { passed_on } => {
            steps.run("corrupt", || experiment::corrupt(&root, &passed_on));
        }
        Task::Fuzz(args) => steps.run("fuzz", || fuzz::run(&root, &args)),
        Task::Linearize { passed_on } => {
            steps.run("linearize", || experiment::linearize(&root, &passed_on));
        }
        Task::Network { passed_on } => {
            steps.run("network", || experiment::network(&root, &passed_on));
        }
        Task::Bench { passed_on } if passed_on.first().is_some_and(|first| first == "--gate") => {
            steps.run("gate", || gate::run(&root, &passed_on));
        }
        Task::Bench { passed_on } => {
            steps.run("bench", || bench::run(&root, &passed_on));
        }
    }
    Ok(steps)
}

fn test_step(root: &Path, passed_on: &[OsString], steps: &mut Steps) {
    steps.run("test", || test_run::run(root, passed_on));
}

/// Puts back the `--` of `xtask test -- ..`: clap takes a leading one for its own.
fn with_separator(
    mut passed_on: Vec<OsString>,
    mut command_line: impl Iterator<Item = OsString>,
) -> Vec<OsString> {
    let after_task = command_line.nth(2);
    let is_separator = after_task.is_some_and(|argument| argument == "--");
    if is_separator && passed_on.first().is_none_or(|first| first != "--") {
        passed_on.insert(0, "--".into());
    }
    passed_on
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_on(line: &str) -> String {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let Task::Test { passed_on } = Arguments::parse_from(&words).task else {
            panic!("not the test task: {line}");
        };
        let passed_on = with_separator(passed_on, words.into_iter());
        passed_on.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn arguments_of_test_reach_cargo_as_they_are() {
        for rest in [
            "",
            "some_filter",
            "-p guira-shm --release",
            "-p guira-shm -- --nocapture",
            "-- --list",
            "--help",
        ] {
            assert_eq!(passed_on(&format!("xtask test {rest}")), rest);
        }
    }
}
