//! What came of it, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use guira::coherence::CoherenceCounts;
use serde::Serialize;

use super::NetworkPlan;
use super::fault::{KINDS, Kind};
use super::healing::{Healing, LIMIT};
use super::worker::{ACCEPTED, APPLIED, COUNTED, FAILED, HITS, INVALIDATIONS, JUDGED};
use crate::board::{Board, ROW_KINDS, ROW_WRONG};
use crate::journal::first_lines;
use crate::summary::Summary;

/// Lines of the journal in a report.
const JOURNAL_LINES: usize = 20;

/// How many hosts were trusted while so many packets were lost, and nothing else was wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Packets lost, of a hundred.
    pub loss_percent: u64,
    /// Looks at a host.
    pub looks: u64,
    /// Of these, at a trusted one.
    pub trusted: u64,
}

impl Standing {
    pub(super) const fn of(loss_percent: u64) -> Self {
        Self {
            loss_percent,
            looks: 0,
            trusted: 0,
        }
    }

    pub(super) const fn add(&mut self, looks: u64, trusted: u64) {
        self.looks += looks;
        self.trusted += trusted;
    }

    fn percent(&self) -> f64 {
        self.trusted as f64 * 100.0 / self.looks.max(1) as f64
    }
}

/// How long it took to get over faults of a kind, ms.
#[derive(Clone, Debug, Serialize)]
pub struct Heals {
    /// The kind.
    pub kind: Kind,
    /// How many.
    pub count: u64,
    /// Half of them took no longer.
    pub median_ms: u64,
    /// The longest that ended.
    pub worst_ms: u64,
    /// Those that took longer than is allowed.
    pub late: u64,
}

/// What came of one laboratory.
#[derive(Clone, Debug, Serialize)]
pub struct LegReport {
    /// Hosts, workers of each, brokers, keys: for people.
    pub form: String,
    /// From start to end, s.
    pub seconds: f64,
    /// From the first start until all hosts were trusted, ms.
    pub started_ms: u64,
    /// What the workers did.
    pub counts: Vec<(String, u64)>,
    /// What the agents did.
    pub agents: Vec<(String, u64)>,
    /// Stale or wrong values.
    pub wrong: u64,
    /// Each fault.
    pub healings: Vec<Healing>,
    /// Trust by loss.
    pub standings: Vec<Standing>,
    /// Processes that ended by themselves.
    pub crashes: Vec<String>,
    /// The first lines of the workers' journal.
    pub journal: Vec<String>,
}

impl LegReport {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the report, in its order"
    )]
    pub(super) fn new(
        plan: &NetworkPlan,
        board: &Board,
        elapsed: Duration,
        started: Duration,
        healings: Vec<Healing>,
        standings: Vec<Standing>,
        crashes: Vec<String>,
        counts: &[CoherenceCounts],
    ) -> Self {
        let sum = |of: fn(&CoherenceCounts) -> u64| counts.iter().map(of).sum::<u64>();
        let agents = [
            ("records of others applied", sum(|counts| counts.applied)),
            (
                "times trust was missing at a hit",
                sum(|counts| counts.suspect_refused + counts.suspect_served),
            ),
            ("take-overs of the agent's role", sum(|counts| counts.take_overs)),
            ("reconnects", sum(|counts| counts.reconnects)),
            ("gaps that were filled", sum(|counts| counts.gaps)),
            ("floors raised", sum(|counts| counts.floors_raised)),
            ("journals overrun", sum(|counts| counts.overflows)),
            ("hosts refused", sum(|counts| counts.refusals)),
            ("bad frames", sum(|counts| counts.bad_frames)),
        ];
        let named = |(name, count): (&str, u64)| (name.to_owned(), count);
        Self {
            form: format!(
                "{} hosts of {} workers, {} broker{}{}",
                plan.hosts,
                plan.workers,
                plan.brokers.len(),
                if plan.brokers.len() == 1 { "" } else { "s" },
                if plan.has_keys { ", with keys" } else { "" }
            ),
            seconds: elapsed.as_secs_f64(),
            started_ms: started.as_millis() as u64,
            counts: COUNTED
                .iter()
                .enumerate()
                .map(|(index, &name)| (name.to_owned(), board.sum(ROW_KINDS + index)))
                .collect(),
            agents: agents.map(named).to_vec(),
            wrong: board.sum(ROW_WRONG),
            healings,
            standings,
            crashes,
            journal: first_lines(&plan.journal_path(), JOURNAL_LINES),
        }
    }

    fn count(&self, what: usize) -> u64 {
        self.counts.get(what).map_or(0, |(_, count)| *count)
    }

    fn late(&self) -> u64 {
        self.healings.iter().filter(|healing| healing.is_late()).count() as u64
    }

    /// By kind of fault.
    #[must_use]
    pub fn heals(&self) -> Vec<Heals> {
        heals(&self.healings)
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
        none(self.late(), "faults were not healed in time");
        none(self.crashes.len() as u64, "processes ended by themselves");
        none(self.count(FAILED), "calls failed");
        for what in [HITS, JUDGED, ACCEPTED, APPLIED] {
            if self.count(what) == 0 {
                // A run in which it never happened has proved nothing.
                found.push(format!("no {}", COUNTED.get(what).copied().unwrap_or_default()));
            }
        }
        found
    }
}

fn heals(healings: &[Healing]) -> Vec<Heals> {
    let of_kind = |&kind: &Kind| {
        let of_kind = healings.iter().filter(|healing| healing.kind == kind);
        let late = of_kind.clone().filter(|healing| healing.is_late()).count() as u64;
        let mut times_ms: Vec<u64> = of_kind.clone().filter_map(|healing| healing.healed_ms).collect();
        times_ms.sort_unstable();
        Heals {
            kind,
            count: of_kind.count() as u64,
            median_ms: times_ms.get(times_ms.len() / 2).copied().unwrap_or(0),
            worst_ms: times_ms.last().copied().unwrap_or(0),
            late,
        }
    };
    KINDS
        .iter()
        .map(of_kind)
        .filter(|heals| heals.count > 0)
        .collect()
}

/// What came of all of them.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkReport {
    /// Of every random choice.
    pub seed: u64,
    /// One for each form.
    pub legs: Vec<LegReport>,
}

impl NetworkReport {
    /// What must not have happened, one sentence each; empty if all is well.
    #[must_use]
    pub fn anomalies(&self) -> Vec<String> {
        let of_leg = |leg: &LegReport| {
            let form = leg.form.clone();
            leg.anomalies()
                .into_iter()
                .map(move |anomaly| format!("{form}: {anomaly}"))
        };
        self.legs.iter().flat_map(of_leg).collect()
    }

    /// What the ledger keeps.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let seconds = self.legs.iter().map(|leg| leg.seconds).sum();
        let sum = |what: usize| self.legs.iter().map(|leg| leg.count(what)).sum();
        let healings = || self.legs.iter().flat_map(|leg| &leg.healings);
        let worst_ms = healings().filter_map(|healing| healing.healed_ms).max();
        let agents = |name: &str| {
            let of_legs = self.legs.iter().flat_map(|leg| &leg.agents);
            of_legs
                .filter(|(of, _)| of == name)
                .map(|(_, count)| count)
                .sum::<u64>()
        };
        Summary::new("network", self.seed, seconds, self.anomalies().len() as u64)
            .count("trusted_hits", sum(HITS))
            .count("hits_judged", sum(JUDGED))
            .count("invalidations", sum(INVALIDATIONS))
            .count("promises", sum(ACCEPTED) + sum(APPLIED))
            .count("suspect_hits", agents("times trust was missing at a hit"))
            .count("take_overs", agents("take-overs of the agent's role"))
            .count("stale", self.legs.iter().map(|leg| leg.wrong).sum())
            .count("faults", healings().count() as u64)
            .count("late_heals", self.legs.iter().map(LegReport::late).sum())
            .count("max_heal_ms", worst_ms.unwrap_or(0))
    }
}

impl fmt::Display for LegReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {:.1} s, trusted {} ms after the start",
            self.form, self.seconds, self.started_ms
        )?;
        let happened: BTreeMap<bool, Vec<String>> =
            self.counts
                .iter()
                .chain(&self.agents)
                .fold(BTreeMap::new(), |mut by, (name, count)| {
                    by.entry(*count > 0).or_default().push(format!("{count} {name}"));
                    by
                });
        for line in happened.get(&true).into_iter().flatten() {
            writeln!(f, "    {line}")?;
        }
        for standing in &self.standings {
            writeln!(
                f,
                "  {} % of packets lost: hosts trusted {:.1} % of the time",
                standing.loss_percent,
                standing.percent()
            )?;
        }
        for heals in self.heals() {
            writeln!(
                f,
                "  {:?}: {} healed in {} ms, at worst {} ms, {} later than {} ms",
                heals.kind,
                heals.count,
                heals.median_ms,
                heals.worst_ms,
                heals.late,
                LIMIT.as_millis()
            )?;
        }
        for late in self.healings.iter().filter(|healing| healing.is_late()) {
            writeln!(
                f,
                "  ! {:?} of {} ms with {} % of packets lost: trusted after {:?} ms, healed after {:?} ms; at the limit {}",
                late.kind, late.fault_ms, late.loss_percent, late.trusted_ms, late.healed_ms, late.missing
            )?;
        }
        for line in self.crashes.iter().chain(&self.journal) {
            writeln!(f, "  ! {line}")?;
        }
        write!(f, "  {} stale or wrong values", self.wrong)
    }
}

impl fmt::Display for NetworkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "network, seed {}", self.seed)?;
        for leg in &self.legs {
            writeln!(f, "{leg}")?;
        }
        let anomalies = self.anomalies();
        if anomalies.is_empty() {
            write!(f, "all is well")
        } else {
            write!(f, "ANOMALIES: {}", anomalies.join("; "))
        }
    }
}
