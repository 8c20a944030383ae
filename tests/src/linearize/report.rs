//! What a run found, for people and as JSON.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::linearize::judge::Violation;
use crate::summary::Summary;
use crate::verdict::MutantVerdict;

/// A violation and where its whole history is.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The history's number in the run.
    pub history: u64,
    /// What is wrong.
    pub violation: Violation,
    /// Where the history was saved.
    pub file: Option<PathBuf>,
}

/// The report of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LinearizeReport {
    /// Of every random choice.
    pub seed: u64,
    /// Histories that were judged.
    pub histories: u64,
    /// Of these, while nothing was or could be evicted: there a miss needs a reason.
    pub strict_histories: u64,
    /// Operations, an operation on several keys counted once for each.
    pub operations: u64,
    /// Operations that were cut off by a kill.
    pub cut_off: u64,
    /// Workers killed.
    pub kills: u64,
    /// Workers stopped.
    pub stops: u64,
    /// Reads that missed without reason and left the value there.
    pub momentary_misses: u64,
    /// The histories of such reads.
    pub momentary: Vec<Found>,
    /// Keys' histories that were given up because of too many possibilities.
    pub undecided: u64,
    /// What has no order.
    pub violations: Vec<Found>,
    /// Workers that hung or crashed.
    pub mishaps: Vec<String>,
    /// Pairs of state and operations under way that the checker looked at.
    pub explored: u64,
    /// Entries evicted meanwhile.
    pub evictions: u64,
    /// Entries that reclaim moved meanwhile.
    pub survivors: u64,
    /// Index slots moved meanwhile.
    pub displaced: u64,
    /// Writes that others made try again meanwhile.
    pub retries: u64,
    /// Dead processes recovered from.
    pub recoveries: u64,
    /// The whole run.
    pub seconds: f64,
}

/// As often as this a read may miss without reason and be the known defect, which is rarer by far.
const OPERATIONS_PER_MISS: u64 = 1_000_000;
/// Momentary misses of which the histories are shown.
const SHOWN_MOMENTARY: usize = 5;

impl LinearizeReport {
    /// Whether there are no more momentary misses than the known defect makes.
    #[must_use]
    pub const fn misses_are_rare(&self) -> bool {
        self.momentary_misses <= self.operations.div_ceil(OPERATIONS_PER_MISS)
    }

    /// Whether a broken engine was noticed: by answers without order, not by workers that crashed.
    #[must_use]
    pub fn verdict_on(&self, mutant: &str) -> MutantVerdict {
        MutantVerdict {
            mutant: mutant.to_owned(),
            is_noticed: !self.violations.is_empty(),
            told: format!(
                "{} violations and {} momentary misses in {} histories, {:.1} s",
                self.violations.len(),
                self.momentary_misses,
                self.histories,
                self.seconds
            ),
        }
    }

    /// What must not be.
    #[must_use]
    pub fn anomalies(&self) -> u64 {
        self.violations.len() as u64 + self.undecided + self.mishaps.len() as u64 + self.momentary_misses
    }
}

impl LinearizeReport {
    /// Appends the counts to `file`, as one line of JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append_summary(&self, file: &Path) -> io::Result<()> {
        Summary::new("linearize", self.seed, self.seconds, self.anomalies())
            .count("histories", self.histories)
            .count("strict_histories", self.strict_histories)
            .count("operations", self.operations)
            .count("kills", self.kills)
            .count("stops", self.stops)
            .count("cut_off", self.cut_off)
            .count("explored", self.explored)
            .count("violations", self.violations.len() as u64)
            .count("momentary_misses", self.momentary_misses)
            .append_to(file)
    }
}

impl fmt::Display for LinearizeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let violations = self.violations.iter().map(|found| ("VIOLATION", found));
        let momentary = self.momentary.iter().map(|found| ("MISS WITHOUT REASON", found));
        for (what, found) in violations.chain(momentary.take(SHOWN_MOMENTARY)) {
            writeln!(
                f,
                "{what} in history {} of seed {}, key {}: no order explains",
                found.history, self.seed, found.violation.key
            )?;
            for line in found.violation.lines() {
                writeln!(f, "  {line}")?;
            }
            if let Some(file) = &found.file {
                writeln!(f, "  the whole history: {}", file.display())?;
            }
        }
        for mishap in &self.mishaps {
            writeln!(f, "MISHAP {mishap}")?;
        }
        writeln!(f, "seed               {}", self.seed)?;
        writeln!(
            f,
            "histories          {} ({} of them without eviction)",
            self.histories, self.strict_histories
        )?;
        writeln!(
            f,
            "operations         {} ({} cut off by a kill)",
            self.operations, self.cut_off
        )?;
        writeln!(f, "kills, stops       {}, {}", self.kills, self.stops)?;
        writeln!(
            f,
            "the engine         evicted {}, moved {}, displaced {} slots, retried {}, recovered {}",
            self.evictions, self.survivors, self.displaced, self.retries, self.recoveries
        )?;
        writeln!(f, "states explored    {}", self.explored)?;
        writeln!(f, "violations         {}", self.violations.len())?;
        writeln!(f, "momentary misses   {}", self.momentary_misses)?;
        writeln!(f, "undecided          {}", self.undecided)?;
        writeln!(f, "hangs and crashes  {}", self.mishaps.len())?;
        write!(f, "seconds            {:.1}", self.seconds)
    }
}
