//! The models: the engine's own code under the checker loom, and the mutants that it must catch.
//!
//! They are tests of `guira-segment` in a build of their own; each reports a line of JSON.

mod names;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Instant;

use serde::Deserialize;

use crate::cargo::{cargo, run as run_command, shown};
use crate::error::XtaskError;
use crate::proof::ledger::{Summary, parse_lines};
use names::Names;

/// What `cargo xtask model` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only models or mutants with this in their name
    name: Option<String>,
    /// Names the models and the mutants that each must catch, and runs none
    #[arg(long)]
    list: bool,
    /// What CI has time for: no more preemptions than each model asks for, 20 seconds each
    #[arg(long)]
    quick: bool,
    /// Only the mutants
    #[arg(long)]
    mutants: bool,
    /// Preemptions beyond what each model asks for; 1, or 0 with --quick
    #[arg(long)]
    more_preemptions: Option<u32>,
    /// Seconds for each; 600, or 20 with --quick
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Noted in the summary: a model is explored in the same order whatever it is
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Append a line of JSON with the sums to this file
    #[arg(long)]
    summary: Option<PathBuf>,
}

/// What makes a build one with models.
const FLAGS: &str = "--cfg guira_model";

/// What a model reports.
#[derive(Debug, Deserialize)]
struct Row {
    model: String,
    /// Empty for a model of the engine as it is.
    mutant: String,
    threads: usize,
    executions: u64,
    seconds: f64,
    preemptions: u32,
    complete: bool,
    /// What the last execution failed with, or nothing.
    failed: String,
}

impl Row {
    fn is_mutant(&self) -> bool {
        !self.mutant.is_empty()
    }

    /// A mutant must fail, a model must not.
    fn is_good(&self) -> bool {
        self.failed.is_empty() != self.is_mutant()
    }

    fn verdict(&self) -> String {
        match (self.is_mutant(), self.is_good()) {
            (true, true) => format!("caught: {}", self.failed),
            (true, false) => "SURVIVED".into(),
            (false, false) => format!("FAILED: {}", self.failed),
            (false, true) if self.complete => "holds, complete".into(),
            (false, true) => "holds, capped".into(),
        }
    }
}

/// Builds the models and runs them, models and mutants side by side.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), XtaskError> {
    let names = Names::read(root)?;
    if options.list {
        println!("{names}");
        return Ok(());
    }
    if let Some(name) = options
        .name
        .as_ref()
        .filter(|name| !names.has(name, options.mutants))
    {
        return Err(XtaskError::NoModel { name: name.clone() });
    }
    let begin = Instant::now();
    let mut build = tests(root);
    build.arg("--no-run");
    run_command(build)?;

    let directory = tempfile::tempdir().map_err(|source| XtaskError::Write {
        path: std::env::temp_dir(),
        source,
    })?;
    let kinds: &[&str] = if options.mutants {
        &["mutants"]
    } else {
        &["models", "mutants"]
    };
    let mut started = Vec::new();
    for kind in kinds {
        let report = directory.path().join(kind);
        let mut command = tests(root);
        command.args(["--quiet", "models::", "--", "--test-threads=1"]);
        command.env("GUIRA_MODEL_WHICH", kind);
        command.env("GUIRA_MODEL_REPORT", &report);
        set_bounds(&mut command, options);
        started.push((start(&mut command)?, shown(&command), report));
    }
    let mut rows = Vec::new();
    let mut outcome = Ok(());
    for (mut child, command, report) in started {
        let status = child.wait().map_err(|source| XtaskError::Start {
            command: command.clone(),
            source,
        })?;
        if !status.success() {
            outcome = Err(XtaskError::Command { command, status });
        }
        if report.exists() {
            let text = std::fs::read_to_string(&report).map_err(|source| XtaskError::Read {
                path: report.clone(),
                source,
            })?;
            rows.extend(parse_lines::<Row>(&text, &report)?);
        }
    }
    show(&mut rows);
    if let Some(path) = &options.summary {
        append_summary(
            path,
            options.seed,
            begin.elapsed().as_secs_f64(),
            &rows,
            outcome.is_err(),
        )?;
    }
    let bad = rows.iter().filter(|row| !row.is_good()).count();
    match (&options.name, bad) {
        (_, 1..) => Err(XtaskError::Models { count: bad }),
        (Some(name), 0) if rows.is_empty() => Err(XtaskError::NoModel { name: name.clone() }),
        _ => outcome,
    }
}

/// Clippy for what only a build with models has.
pub(crate) fn lint(root: &Path) -> Result<(), XtaskError> {
    let mut command = cargo(root, &["clippy", "-p", "guira-segment"]);
    command
        .args(["--lib", "--tests", "--", "-D", "warnings"])
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", target_folder(root));
    run_command(command)
}

fn tests(root: &Path) -> Command {
    let mut command = cargo(root, &["test", "--release", "-p", "guira-segment", "--lib"]);
    command.env("RUSTFLAGS", FLAGS);
    command.env("CARGO_TARGET_DIR", target_folder(root));
    command
}

/// Beside what other builds make, so that none is built anew for the other.
fn target_folder(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("model")
}

fn set_bounds(command: &mut Command, options: &Options) {
    let (preemptions, seconds) = if options.quick { (0, 20) } else { (1, 600) };
    let preemptions = options.more_preemptions.unwrap_or(preemptions);
    let seconds = options.seconds.unwrap_or(seconds);
    command.env("GUIRA_MODEL_MORE_PREEMPTIONS", preemptions.to_string());
    command.env("GUIRA_MODEL_SECONDS", seconds.to_string());
    if let Some(name) = &options.name {
        command.env("GUIRA_MODEL_ONLY", name);
    }
}

fn start(command: &mut Command) -> Result<Child, XtaskError> {
    command.spawn().map_err(|source| XtaskError::Start {
        command: shown(command),
        source,
    })
}

fn show(rows: &mut [Row]) {
    rows.sort_by(|one, other| {
        let key = |row: &Row| (row.is_mutant(), row.model.clone(), row.mutant.clone());
        key(one).cmp(&key(other))
    });
    println!(
        "\n{:<26} {:<32} {:>7} {:>10} {:>8} {:>11}  verdict",
        "model", "mutant", "threads", "executions", "seconds", "preemptions"
    );
    for row in rows.iter() {
        println!(
            "{:<26} {:<32} {:>7} {:>10} {:>8.1} {:>11}  {}",
            row.model,
            row.mutant,
            row.threads,
            row.executions,
            row.seconds,
            row.preemptions,
            row.verdict()
        );
    }
    let models = rows.iter().filter(|row| !row.is_mutant());
    let executions: u64 = models.clone().map(|row| row.executions).sum();
    let mutants: Vec<&Row> = rows.iter().filter(|row| row.is_mutant()).collect();
    println!(
        "\n{} models, {executions} executions; {} of {} mutants caught",
        models.count(),
        mutants.iter().filter(|row| row.is_good()).count(),
        mutants.len()
    );
}

fn append_summary(
    path: &Path,
    seed: u64,
    seconds: f64,
    rows: &[Row],
    has_failed: bool,
) -> Result<(), XtaskError> {
    let count = |wanted: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).count() as u64;
    let anomalies = count(&|row| !row.is_good()).max(u64::from(has_failed));
    let summary = Summary {
        proof: "model".into(),
        seed,
        seconds: (seconds * 10.0).round() / 10.0,
        counts: BTreeMap::from([
            ("anomalies".into(), anomalies),
            ("max_models".into(), count(&|row| !row.is_mutant())),
            (
                "max_complete".into(),
                count(&|row| !row.is_mutant() && row.complete),
            ),
            (
                "max_mutants_caught".into(),
                count(&|row| row.is_mutant() && row.is_good()),
            ),
            ("executions".into(), rows.iter().map(|row| row.executions).sum()),
        ]),
    };
    let unwritable = |source| XtaskError::Write {
        path: path.to_owned(),
        source,
    };
    let line = serde_json::to_string(&summary).map_err(|source| unwritable(source.into()))?;
    std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| writeln!(file, "{line}"))
        .map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(mutant: &str, failed: &str) -> Row {
        Row {
            model: "move-read".into(),
            mutant: mutant.into(),
            threads: 2,
            executions: 7,
            seconds: 0.1,
            preemptions: 2,
            complete: true,
            failed: failed.into(),
        }
    }

    #[test]
    fn a_mutant_must_fail_and_a_model_must_not() {
        assert!(row("", "").is_good());
        assert!(!row("", "two values").is_good());
        assert!(row("move-without-bump", "a miss").is_good());
        assert!(!row("move-without-bump", "").is_good());
    }

    #[test]
    fn a_summary_counts_survivors_and_failures_as_anomalies() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("summary");
        let rows = [row("", ""), row("", "two values"), row("mutant", "")];
        append_summary(&path, 3, 1.25, &rows, false).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let [summary] = &parse_lines::<Summary>(&text, &path).unwrap()[..] else {
            panic!("one line: {text}")
        };
        assert_eq!(summary.counts["anomalies"], 2);
        assert_eq!(summary.counts["executions"], 21);
    }
}
