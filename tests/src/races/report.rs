//! What races came to, for people and as JSON.

use std::fmt;

use guira_segment::{Stats, Verified};
use serde::Serialize;

use crate::board::{Board, ROW_KINDS, ROW_OPERATIONS, ROW_WRONG};
use crate::conductor::Conducted;
use crate::journal::first_lines;
use crate::races::RacesPlan;
use crate::races::worker::COUNTED;
use crate::summary::Summary;

/// Lines of the journal in a report.
const JOURNAL_LINES: usize = 30;
/// Rounds in which everything that is counted happens.
const ENOUGH_ROUNDS: u64 = 200_000;

/// What races came to.
#[derive(Clone, Debug, Serialize)]
pub struct RacesReport {
    /// With this seed.
    pub seed: u64,
    /// Processes.
    pub workers: usize,
    /// Threads of each.
    pub threads: usize,
    /// From start to end, s.
    pub seconds: f64,
    /// Rounds.
    pub rounds: u64,
    /// What happened in them.
    pub counts: Vec<(String, u64)>,
    /// Stale values, values of other keys, calls that failed.
    pub wrong: u64,
    /// Workers killed.
    pub kills: u64,
    /// Stops.
    pub stops: u64,
    /// Entries evicted.
    pub evictions: u64,
    /// Damage that the engine met.
    pub damage_met: u64,
    /// Workers that stood still, or ended by themselves, and what `verify` found.
    pub faults: Vec<String>,
    /// The first lines of the workers' journal.
    pub journal: Vec<String>,
}

impl RacesReport {
    pub(super) fn new(
        plan: &RacesPlan,
        board: &Board,
        conducted: Conducted,
        verified: &Verified,
        stats: &Stats,
    ) -> Self {
        let found = verified
            .faults
            .iter()
            .map(|fault| format!("{:?} at {:#x}", fault.kind, fault.offset));
        Self {
            seed: plan.world.seed,
            workers: plan.world.workers,
            threads: plan.world.threads,
            seconds: conducted.elapsed.as_secs_f64(),
            rounds: board.sum(ROW_OPERATIONS),
            counts: COUNTED
                .iter()
                .enumerate()
                .map(|(index, &name)| (name.to_owned(), board.sum(ROW_KINDS + index)))
                .collect(),
            wrong: board.sum(ROW_WRONG),
            kills: conducted.kills,
            stops: conducted.stops,
            evictions: stats.evictions,
            damage_met: stats.damaged,
            faults: found.chain(conducted.hangs).chain(conducted.crashes).collect(),
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
        none(self.damage_met, "times damage met by the engine");
        none(self.faults.len() as u64, "faults, hangs or crashes");
        if self.rounds >= ENOUGH_ROUNDS {
            // Races in which something never happened have proved less than they say.
            let never = self.counts.iter().filter(|(_, count)| *count == 0);
            found.extend(never.map(|(name, _)| format!("no {name}")));
            if self.evictions == 0 {
                found.push("nothing was evicted".to_owned());
            }
        }
        found
    }

    /// What the ledger keeps.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let count = |name: &str| {
            let of = self.counts.iter().find(|(counted, _)| counted == name);
            of.map_or(0, |(_, count)| *count)
        };
        let calls = ["calls of", "reads of", "refreshes"];
        let is_call = |name: &str| calls.iter().any(|call| name.starts_with(call));
        let judged: u64 = self
            .counts
            .iter()
            .filter(|(name, _)| is_call(name))
            .map(|(_, count)| count)
            .sum();
        Summary::new("races", self.seed, self.seconds, self.anomalies().len() as u64)
            .count("rounds", self.rounds)
            .count("calls_judged", judged - count("misses"))
            .count("superseded", count("computations that were superseded"))
            .count("stale", self.wrong)
            .count("kills", self.kills)
            .count("stops", self.stops)
    }
}

impl fmt::Display for RacesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "races, seed {}: {} workers of {} threads, {:.1} s",
            self.seed, self.workers, self.threads, self.seconds
        )?;
        writeln!(
            f,
            "  {} rounds, {} kills, {} stops, {} evictions",
            self.rounds, self.kills, self.stops, self.evictions
        )?;
        for (name, count) in &self.counts {
            writeln!(f, "    {count} {name}")?;
        }
        writeln!(f, "  {} stale or wrong values", self.wrong)?;
        for line in self.faults.iter().chain(&self.journal) {
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
