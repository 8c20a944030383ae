//! The ledger: a file of JSON lines, one for each run of a proof. Lines are only ever appended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::XtaskError;

/// Where it lies, from the root.
pub(crate) const LEDGER: &str = "docs/proof-runs.jsonl";

/// What a proof says of its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) proof: String,
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) counts: BTreeMap<String, u64>,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// When it ended, UTC.
    pub(crate) date: String,
    pub(crate) engine: String,
    pub(crate) command: String,
    #[serde(flatten)]
    pub(crate) summary: Summary,
}

impl Run {
    pub(crate) fn told(&self) -> String {
        let counts: Vec<String> = self
            .summary
            .counts
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        format!(
            "{} of seed {}, {:.1} s: {}",
            self.summary.proof,
            self.summary.seed,
            self.summary.seconds,
            counts.join(", ")
        )
    }
}

/// The lines of `text`; `path` is named in errors.
pub(crate) fn parse_lines<T: DeserializeOwned>(text: &str, path: &Path) -> Result<Vec<T>, XtaskError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|source| XtaskError::Line {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        })
        .collect()
}

/// The runs of a ledger; an error says which line is to be mended.
pub(crate) fn parse_runs(text: &str, path: &Path) -> Result<Vec<Run>, XtaskError> {
    parse_lines(text, path).map_err(|error| match error {
        XtaskError::Line { path, line, source } => XtaskError::Ledger { path, line, source },
        other => other,
    })
}

/// A ledger that can be read and appended to.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// The ledger at `path`, which is made if need be. Fails if no run could be kept there.
    pub(crate) fn open(path: &Path) -> Result<Self, XtaskError> {
        let ledger = Self {
            path: path.to_owned(),
        };
        let mut text = String::new();
        let read = ledger.file().and_then(|mut file| file.read_to_string(&mut text));
        read.map_err(|source| XtaskError::NoLedger {
            path: path.to_owned(),
            source,
        })?;
        parse_runs(&text, path)?;
        Ok(ledger)
    }

    fn file(&self) -> io::Result<File> {
        File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&self.path)
    }

    /// Appends one run, on a line of its own whatever the last one ends with. What cannot be written is in
    /// the error, so that it is not lost.
    pub(crate) fn append(&self, run: &Run) -> Result<(), XtaskError> {
        let line = serde_json::to_string(run).map_err(|source| XtaskError::Write {
            path: self.path.clone(),
            source: source.into(),
        })?;
        let append = || -> io::Result<()> {
            let mut file = self.file()?;
            let end = if ends_within_a_line(&mut file)? { "\n" } else { "" };
            file.write_all(format!("{end}{line}\n").as_bytes())
        };
        append().map_err(|source| XtaskError::NotKept {
            path: self.path.clone(),
            source,
            line: line.clone(),
        })
    }
}

fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            date: "2026-01-01T00:00:00Z".into(),
            engine: "a+b".into(),
            command: "cargo xtask storm --seed 9".into(),
            summary: Summary {
                proof: "storm".into(),
                seed: 9,
                seconds: 1.5,
                counts: BTreeMap::from([("kills".into(), 3)]),
            },
        }
    }

    #[test]
    fn a_run_is_read_back_as_it_was_appended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runs.jsonl");
        let ledger = Ledger::open(&path).unwrap();
        ledger.append(&run()).unwrap();
        ledger.append(&run()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(parse_runs(&text, &path).unwrap(), [run(), run()]);
    }

    #[test]
    fn a_run_is_never_glued_to_a_last_line_without_an_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runs.jsonl");
        std::fs::write(&path, serde_json::to_string(&run()).unwrap()).unwrap();
        Ledger::open(&path).unwrap().append(&run()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(parse_runs(&text, &path).unwrap(), [run(), run()]);
    }

    #[test]
    fn a_line_that_is_no_run_is_named_before_anything_is_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runs.jsonl");
        std::fs::write(&path, "\n{}\n").unwrap();
        let error = Ledger::open(&path).unwrap_err().to_string();
        assert!(error.contains("runs.jsonl:2"), "{error}");
        assert!(error.contains("delete that line"), "{error}");
    }

    #[test]
    fn a_ledger_that_cannot_be_written_is_refused_and_a_run_that_cannot_be_kept_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let error = Ledger::open(directory.path()).unwrap_err();
        assert!(matches!(error, XtaskError::NoLedger { .. }), "{error}");
        let path = directory.path().join("runs.jsonl");
        let ledger = Ledger::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let error = ledger.append(&run()).unwrap_err().to_string();
        assert!(error.contains(&serde_json::to_string(&run()).unwrap()), "{error}");
    }
}
