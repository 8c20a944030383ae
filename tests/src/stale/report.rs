//! What a hunt for stale reads found, for people and as JSON.

use std::fmt;

use guira_segment::{Stats, Verified};
use serde::Serialize;

use crate::board::{Board, ROW_KINDS, ROW_OPERATIONS, ROW_WRONG};
use crate::conductor::Conducted;
use crate::journal::first_lines;
use crate::stale::StalePlan;
use crate::stale::worker::COUNTED;
use crate::summary::Summary;

/// Lines of the journal in a report.
const JOURNAL_LINES: usize = 30;

/// What a hunt found.
#[derive(Clone, Debug, Serialize)]
pub struct StaleReport {
    /// With this seed.
    pub seed: u64,
    /// Processes.
    pub workers: usize,
    /// Threads of each.
    pub threads: usize,
    /// From start to end, s.
    pub seconds: f64,
    /// Operations.
    pub operations: u64,
    /// What they were and came to.
    pub counts: Vec<(String, u64)>,
    /// Stale reads, and values nobody wrote.
    pub wrong: u64,
    /// Workers killed.
    pub kills: u64,
    /// Stops.
    pub stops: u64,
    /// Workers that stood still.
    pub hangs: Vec<String>,
    /// Workers that ended by themselves.
    pub crashes: Vec<String>,
    /// Entries evicted.
    pub evictions: u64,
    /// Damage the engine met.
    pub damage_met: u64,
    /// What verify found.
    pub faults: Vec<String>,
    /// The first lines of the workers' journal.
    pub journal: Vec<String>,
}

impl StaleReport {
    pub(super) fn new(
        plan: &StalePlan,
        board: &Board,
        conducted: Conducted,
        verified: &Verified,
        stats: &Stats,
    ) -> Self {
        Self {
            seed: plan.world.seed,
            workers: plan.world.workers,
            threads: plan.world.threads,
            seconds: conducted.elapsed.as_secs_f64(),
            operations: board.sum(ROW_OPERATIONS),
            counts: COUNTED
                .iter()
                .enumerate()
                .map(|(index, &name)| (name.to_owned(), board.sum(ROW_KINDS + index)))
                .collect(),
            wrong: board.sum(ROW_WRONG),
            kills: conducted.kills,
            stops: conducted.stops,
            hangs: conducted.hangs,
            crashes: conducted.crashes,
            evictions: stats.evictions,
            damage_met: stats.damaged,
            faults: verified
                .faults
                .iter()
                .map(|fault| format!("{:?} at {:#x}", fault.kind, fault.offset))
                .collect(),
            journal: first_lines(&plan.world.journal_path(), JOURNAL_LINES),
        }
    }

    /// What must not have happened, one sentence each; empty if all is well.
    #[must_use]
    pub fn anomalies(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut none = |count: u64, what: &str| {
            if count != 0 {
                found.push(format!("{count} {what}"));
            }
        };
        none(self.wrong, "stale or wrong values");
        none(self.hangs.len() as u64, "hangs");
        none(self.crashes.len() as u64, "crashes");
        none(self.damage_met, "times damage met by the engine");
        none(self.faults.len() as u64, "faults");
        for (name, count) in &self.counts {
            // A hunt in which something never happened has proved less than it says.
            if *count == 0 && self.operations > 1_000_000 && !name.contains("refused") {
                found.push(format!("no {name}"));
            }
        }
        if self.evictions == 0 {
            found.push("nothing was evicted".to_owned());
        }
        found
    }
}

impl StaleReport {
    /// What the ledger keeps.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let summary = Summary::new("stale", self.seed, self.seconds, self.anomalies().len() as u64)
            .count("operations", self.operations)
            .count("kills", self.kills)
            .count("stops", self.stops);
        let judged = self
            .counts
            .iter()
            .filter(|(name, _)| name.starts_with("reads of"));
        summary.count("reads_judged", judged.map(|(_, count)| count).sum())
    }
}

impl fmt::Display for StaleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "stale reads, seed {}: {} workers of {} threads, {:.1} s",
            self.seed, self.workers, self.threads, self.seconds
        )?;
        writeln!(
            f,
            "  {} operations, {} kills, {} stops, {} evictions",
            self.operations, self.kills, self.stops, self.evictions
        )?;
        for (name, count) in &self.counts {
            writeln!(f, "    {count} {name}")?;
        }
        writeln!(f, "  {} stale or wrong values", self.wrong)?;
        for line in self
            .faults
            .iter()
            .chain(&self.hangs)
            .chain(&self.crashes)
            .chain(&self.journal)
        {
            writeln!(f, "  ! {line}")?;
        }
        let anomalies = self.anomalies();
        if anomalies.is_empty() {
            write!(f, "  all is well")
        } else {
            write!(f, "  ANOMALIES: {}", anomalies.join("; "))
        }
    }
}
