//! `cargo xtask proof`: runs of the proofs, kept in a ledger, and their sums in the documentation.
//!
//! A proof is a task of this command that takes `--seed N` and `--summary FILE`, and appends a line of
//! JSON to that file: `{"proof":"storm","seed":1,"seconds":2.5,"counts":{"anomalies":0,"kills":9}}`.
//! Runs of other seeds add up; a run that found something is kept like any other.

mod date;
mod engine;
pub(crate) mod ledger;
pub(crate) mod request;
pub(crate) mod table;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::cargo::{run as run_command, shown};
use crate::error::XtaskError;
use date::now_utc;
use engine::engine_of;
use ledger::{LEDGER, Ledger, Run, Summary, parse_runs};

/// Runs one proof with a fresh seed and appends what it found to the ledger. What would keep a run out of
/// the ledger is looked for before the run.
pub(crate) fn run(root: &Path, name: &str, passed_on: &[OsString]) -> Result<(), XtaskError> {
    let arguments = request::arguments(name, passed_on)?;
    let ledger = Ledger::open(&root.join(LEDGER))?;
    // Before the run: whoever edits the engine meanwhile does not change what was built.
    let engine = engine_of(root)?;
    let temporary = tempfile::NamedTempFile::new().map_err(|source| XtaskError::Write {
        path: std::env::temp_dir(),
        source,
    })?;
    let program = std::env::current_exe().map_err(|source| XtaskError::Start {
        command: "cargo xtask".to_owned(),
        source,
    })?;
    let mut command = Command::new(program);
    command.args(arguments);
    let told = format!("cargo {}", shown(&command));
    println!("{told}");
    command.arg("--summary").arg(temporary.path());
    let outcome = run_command(command);

    let written = read(temporary.path())?;
    let summaries = ledger::parse_lines::<Summary>(&written, Path::new("--summary"))?;
    if summaries.is_empty() {
        outcome?;
        return Err(XtaskError::NoSummary {
            proof: name.to_owned(),
        });
    }
    for summary in summaries {
        let run = Run {
            date: now_utc(),
            engine: engine.clone(),
            command: told.clone(),
            summary,
        };
        ledger.append(&run)?;
        println!("{LEDGER}: {}", run.told());
    }
    outcome
}

/// Renders the table of the ledger's sums into the document; `since` names the engine from which on
/// runs are summed, by default the one that the document names.
pub(crate) fn refresh_table(root: &Path, since: Option<&str>) -> Result<(), XtaskError> {
    let path = root.join(table::DOCUMENT);
    let document = read(&path)?;
    let runs = parse_runs(&read(&root.join(LEDGER))?, Path::new(LEDGER))?;
    let refreshed = table::refreshed(&document, &runs, since).ok_or(XtaskError::NoTable {
        path: table::DOCUMENT.into(),
    })?;
    if let Some(table) = table::shown_in(&refreshed) {
        println!("{table}");
    }
    if refreshed != document {
        std::fs::write(&path, refreshed).map_err(|source| XtaskError::Write { path, source })?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, XtaskError> {
    std::fs::read_to_string(path).map_err(|source| XtaskError::Read {
        path: path.to_owned(),
        source,
    })
}
