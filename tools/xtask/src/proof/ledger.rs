//! The ledger: a file of JSON lines, one for each run of a proof. Lines are only ever appended.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

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
            serde_json::from_str(line).map_err(|source| XtaskError::Ledger {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        })
        .collect()
}

/// Appends one run.
pub(crate) fn append(path: &Path, run: &Run) -> Result<(), XtaskError> {
    let unwritable = |source| XtaskError::Write {
        path: path.to_owned(),
        source,
    };
    let mut line = serde_json::to_string(run).map_err(|source| unwritable(source.into()))?;
    line.push('\n');
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(unwritable)?;
    file.write_all(line.as_bytes()).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_back_as_it_was_appended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runs.jsonl");
        let run = Run {
            date: "2026-01-01T00:00:00Z".into(),
            engine: "a+b".into(),
            command: "cargo xtask storm --seed 9".into(),
            summary: Summary {
                proof: "storm".into(),
                seed: 9,
                seconds: 1.5,
                counts: BTreeMap::from([("kills".into(), 3)]),
            },
        };
        append(&path, &run).unwrap();
        append(&path, &run).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(parse_lines::<Run>(&text, &path).unwrap(), [run.clone(), run]);
    }

    #[test]
    fn a_line_that_is_no_run_is_named() {
        let error = parse_lines::<Run>("\n{}\n", Path::new("runs.jsonl")).unwrap_err();
        assert!(error.to_string().contains("runs.jsonl:2"), "{error}");
    }
}
