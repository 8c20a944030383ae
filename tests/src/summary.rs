//! What a run of a proof adds to the ledger: one line of JSON, the same shape for every proof.
//!
//! `cargo xtask proof run` gives each proof a file to write it to and keeps what it finds there.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// One run of one proof. Runs of other seeds add up: counts are summed, except that of a name that
/// begins with `max_` the largest is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The proof's name, as in `cargo xtask proof run NAME`.
    pub proof: String,
    /// Of every random choice.
    pub seed: u64,
    /// How long it took, s.
    pub seconds: f64,
    /// What was done and found, by name; `anomalies` is always among them.
    pub counts: BTreeMap<String, u64>,
}

impl Summary {
    /// The summary of a run that found so many anomalies.
    #[must_use]
    pub fn new(proof: &str, seed: u64, seconds: f64, anomalies: u64) -> Self {
        Self {
            proof: proof.to_owned(),
            seed,
            seconds: (seconds * 10.0).round() / 10.0,
            counts: BTreeMap::from([("anomalies".to_owned(), anomalies)]),
        }
    }

    /// With one more count.
    #[must_use]
    pub fn count(mut self, name: &str, count: u64) -> Self {
        self.counts.insert(name.to_owned(), count);
        self
    }

    /// Appends the line to the file at `path`, which is made if need be.
    ///
    /// # Errors
    /// The file cannot be written; the error names it.
    pub fn append_to(&self, path: &Path) -> io::Result<()> {
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| {
                let told = format!("{}: {error}; the figures were not kept", path.display());
                io::Error::new(error.kind(), told)
            })
    }
}

/// A seed for a run that was not given one: another each time.
#[must_use]
pub fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stream = u64::from(std::process::id());
    // Below 2^48: readable, and exact in every reader of JSON.
    crate::random::Random::new(now.as_nanos() as u64, stream).below(1 << 48)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_appended_a_line_each() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("runs");
        for seed in [1, 2] {
            let summary = Summary::new("kill", seed, 0.26, 1).count("kills", 3);
            summary.append_to(&path).expect("written");
        }
        let text = std::fs::read_to_string(&path).expect("the file");
        let read: Vec<Summary> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a summary"))
            .collect();
        assert_eq!(read.iter().map(|run| run.seed).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(read[0].counts["anomalies"], 1);
        assert_eq!(read[1].counts["kills"], 3);
        assert!((read[0].seconds - 0.3).abs() < 1e-9);
    }
}
