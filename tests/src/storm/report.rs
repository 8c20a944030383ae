//! What a storm found, for people and as JSON.

use std::fmt;
use std::path::PathBuf;

use guira_segment::{Fault, FaultKind, Stats, Verified};
use serde::Serialize;

use crate::board::{
    Board, ROW_CONTENDED, ROW_DAEMONS, ROW_DELAYED, ROW_DISK, ROW_EXECS, ROW_FALSE_MISSES, ROW_FORKED_KILLS,
    ROW_FORKS, ROW_HITS, ROW_JOINS, ROW_KINDS, ROW_LONGEST_KIND, ROW_LONGEST_NS, ROW_LONGEST_OWN_KIND,
    ROW_LONGEST_OWN_NS, ROW_LONGEST_OWN_RAN_NS, ROW_LONGEST_RAN_NS, ROW_MISSES, ROW_NO_RUN, ROW_NO_SPACE,
    ROW_NOT_ATTACHED, ROW_OPERATIONS, ROW_REFUSED_JOINS, ROW_SLOW, ROW_STOPPED, ROW_SUPERSEDED, ROW_WRONG,
};
use crate::conductor::Conducted;
use crate::journal::first_lines;
use crate::stopwatch::quantile_ns;
use crate::storm::kind::{KINDS, kind_name};
use crate::storm::{Latencies, StormPlan};
use crate::summary::Summary;

/// Lines of the journal in a report.
const JOURNAL_LINES: usize = 30;

/// The segment after the storm.
#[derive(Debug, Default)]
pub struct After {
    /// The first check, right after the last worker ended.
    pub verified: Verified,
    /// The check after the segment was written over.
    pub verified_again: Verified,
    /// Faults that checks found while others worked.
    pub meanwhile: Vec<Fault>,
    /// Workers that were started in a pid namespace of their own.
    pub namespaced: u64,
    /// Live entries by the blocks' counts.
    pub counted: u64,
    /// Entries with a record.
    pub entries: u64,
    /// Of these, damaged.
    pub damaged: u64,
    /// Puts that were refused while the segment was written over.
    pub refused: u64,
    /// Figures at the very end.
    pub stats: Stats,
}

/// What a storm found.
#[derive(Clone, Debug, Serialize)]
pub struct StormReport {
    /// Where.
    pub directory: PathBuf,
    /// With this seed.
    pub seed: u64,
    /// Processes.
    pub workers: usize,
    /// Threads of each.
    pub threads: usize,
    /// From start to end, s.
    pub seconds: f64,
    /// Operations that were completed and timed.
    pub operations: u64,
    /// Of each kind.
    pub operations_by_kind: Vec<(String, u64)>,
    /// Reads that found a value, every one of which was checked.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Misses of keys whose value was there before and after.
    pub false_misses: u64,
    /// Writes that were superseded.
    pub superseded: u64,
    /// Workers killed.
    pub kills: u64,
    /// Of these, while stopped.
    pub kills_of_stopped: u64,
    /// Threads of killed workers by what they were in the middle of.
    pub kills_during: Vec<(String, u64)>,
    /// Stops.
    pub stops: u64,
    /// Children that workers forked.
    pub forks: u64,
    /// Of these, killed.
    pub forked_kills: u64,
    /// Programs replaced by exec without detaching.
    pub execs: u64,
    /// Handles opened.
    pub joins: u64,
    /// Handles refused because every record or line was taken.
    pub refused_joins: u64,
    /// Operations refused in forked children for the same reason.
    pub not_attached: u64,
    /// Processes that closed every descriptor.
    pub daemons: u64,
    /// Workers in a pid namespace of their own.
    pub namespaced: u64,
    /// Dead processes whose belongings were given back.
    pub recoveries: u64,
    /// Wrong values, torn values, values that came back, lost increments, unexpected errors.
    pub wrong: u64,
    /// Workers that stood still.
    pub hangs: Vec<String>,
    /// Workers that ended by themselves.
    pub crashes: Vec<String>,
    /// Operations of workers that were not stopped, over 100 ms beyond any wait for a processor.
    pub slow: u64,
    /// Operations over 100 ms because their thread waited for a processor.
    pub delayed: u64,
    /// Operations over 100 ms because the kernel kept them waiting, mostly for a disk.
    pub disk: u64,
    /// Operations over 100 ms because their own process was stopped.
    pub stopped: u64,
    /// The longest operation of a worker that was not stopped meanwhile.
    pub longest: Longest,
    /// The same less the wait for a processor.
    pub longest_own: Longest,
    /// Half of all operations took at most, us.
    pub p50_us: f64,
    /// 99.99 % of all operations took at most, us.
    pub p9999_us: f64,
    /// Writes refused because no block could be freed.
    pub no_space: u64,
    /// Writes of large values refused because no run of blocks could be freed.
    pub no_run: u64,
    /// Writes that gave up against others of the same key.
    pub contended: u64,
    /// Live entries after the storm.
    pub entries: u64,
    /// The same by the blocks' counts, which miss what killed processes had not counted yet.
    pub entries_counted: u64,
    /// Of these, damaged.
    pub damaged_entries: u64,
    /// Blocks and pins that stayed lost.
    pub leaked: usize,
    /// What verify found, during the storm, right after it and after all was written over.
    pub faults: Vec<String>,
    /// Puts refused when the segment was written over afterwards.
    pub refused_afterwards: u64,
    /// Live entries that were evicted.
    pub evictions: u64,
    /// Damage the engine met.
    pub damage_met: u64,
    /// The first lines of the workers' journal.
    pub journal: Vec<String>,
    /// Durations, if they were asked for.
    #[serde(skip)]
    pub latencies: Latencies,
}

/// A long operation.
#[derive(Clone, Debug, Serialize)]
pub struct Longest {
    /// What it did.
    pub kind: String,
    /// How long it took, ms.
    pub took_ms: f64,
    /// Of that, at most this was spent on a processor, ms.
    pub ran_ms: f64,
}

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:.1} ms ({:.1} ms running)",
            self.kind, self.took_ms, self.ran_ms
        )
    }
}

impl StormReport {
    pub(super) fn new(plan: &StormPlan, board: &Board, conducted: Conducted, after: &After) -> Self {
        let faults = |faults: &[Fault], when: &str| -> Vec<String> {
            faults
                .iter()
                .take(20)
                .map(|fault| format!("{when}: {:?} at {:#x}", fault.kind, fault.offset))
                .collect()
        };
        let both = || after.verified.faults.iter().chain(&after.verified_again.faults);
        let longest = |fields| {
            let [ns, kind, ran_ns] = board.largest(fields).unwrap_or_default();
            Longest {
                kind: kind_name(kind),
                took_ms: ns as f64 / 1e6,
                ran_ms: ran_ns as f64 / 1e6,
            }
        };
        let mut all_faults = faults(&after.meanwhile, "meanwhile");
        all_faults.extend(faults(&after.verified.faults, "after the storm"));
        all_faults.extend(faults(&after.verified_again.faults, "after writing over"));
        Self {
            directory: plan.world.directory.clone(),
            seed: plan.world.seed,
            workers: plan.world.workers,
            threads: plan.world.threads,
            seconds: conducted.elapsed.as_secs_f64(),
            operations: board.sum(ROW_OPERATIONS),
            operations_by_kind: KINDS
                .iter()
                .map(|&kind| (format!("{kind:?}"), board.sum(ROW_KINDS + kind as usize)))
                .collect(),
            hits: board.sum(ROW_HITS),
            misses: board.sum(ROW_MISSES),
            false_misses: board.sum(ROW_FALSE_MISSES),
            superseded: board.sum(ROW_SUPERSEDED),
            kills: conducted.kills,
            kills_of_stopped: conducted.kills_of_stopped,
            kills_during: conducted
                .kills_during
                .iter()
                .map(|(&current, &kills)| match current.checked_sub(1) {
                    Some(kind) => (kind_name(kind), kills),
                    None => ("between operations".to_owned(), kills),
                })
                .collect(),
            stops: conducted.stops,
            forks: board.sum(ROW_FORKS),
            forked_kills: board.sum(ROW_FORKED_KILLS),
            execs: board.sum(ROW_EXECS),
            joins: board.sum(ROW_JOINS),
            refused_joins: board.sum(ROW_REFUSED_JOINS),
            not_attached: board.sum(ROW_NOT_ATTACHED),
            daemons: board.sum(ROW_DAEMONS),
            namespaced: after.namespaced,
            recoveries: after.stats.recoveries,
            wrong: board.sum(ROW_WRONG),
            hangs: conducted.hangs,
            crashes: conducted.crashes,
            slow: board.sum(ROW_SLOW),
            delayed: board.sum(ROW_DELAYED),
            disk: board.sum(ROW_DISK),
            stopped: board.sum(ROW_STOPPED),
            longest: longest([ROW_LONGEST_NS, ROW_LONGEST_KIND, ROW_LONGEST_RAN_NS]),
            longest_own: longest([ROW_LONGEST_OWN_NS, ROW_LONGEST_OWN_KIND, ROW_LONGEST_OWN_RAN_NS]),
            p50_us: quantile_ns(board, 0.5) as f64 / 1e3,
            p9999_us: quantile_ns(board, 0.9999) as f64 / 1e3,
            no_space: board.sum(ROW_NO_SPACE),
            no_run: board.sum(ROW_NO_RUN),
            contended: board.sum(ROW_CONTENDED),
            entries: after.verified.entries,
            entries_counted: after.counted,
            damaged_entries: after.damaged,
            leaked: both()
                .filter(|fault| matches!(fault.kind, FaultKind::BlockLeaked | FaultKind::PinLeaked))
                .count(),
            faults: all_faults,
            refused_afterwards: after.refused,
            evictions: after.stats.evictions,
            damage_met: after.stats.damaged,
            journal: first_lines(&plan.world.journal_path(), JOURNAL_LINES),
            latencies: Latencies::default(),
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
        none(self.wrong, "wrong, torn or returned values");
        none(self.hangs.len() as u64, "hangs");
        none(self.crashes.len() as u64, "crashes");
        none(self.slow, WAITED);
        none(self.leaked as u64, "lost blocks or pins");
        none(self.faults.len() as u64, "faults");
        none(self.damaged_entries, "damaged entries after the storm");
        none(self.damage_met, "times damage met by the engine");
        none(self.refused_afterwards, "puts refused after the storm");
        if self.operations == 0 || self.hits == 0 {
            found.push("nothing was done".to_owned());
        }
        found
    }
}

/// What an operation is said to have done that slept over 100 ms without an excuse.
pub(super) const WAITED: &str = "operations that waited 100 ms for somebody else";

impl StormReport {
    /// What the ledger keeps.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::new("storm", self.seed, self.seconds, self.anomalies().len() as u64)
            .count("operations", self.operations)
            .count("values_checked", self.hits)
            .count("kills", self.kills)
            .count("stops", self.stops)
            .count("forks", self.forks)
            .count("kills_of_forked", self.forked_kills)
            .count("execs", self.execs)
            .count("joins", self.joins)
            .count("refused_joins", self.refused_joins)
            .count("daemons", self.daemons)
            .count("in_pid_namespaces", self.namespaced)
            .count("recoveries", self.recoveries)
    }
}

impl fmt::Display for StormReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "storm of seed {} in {}: {} workers of {} threads, {:.1} s",
            self.seed,
            self.directory.display(),
            self.workers,
            self.threads,
            self.seconds
        )?;
        writeln!(
            f,
            "  {} operations, {} hits checked, {} misses, {} superseded, {} evictions",
            self.operations, self.hits, self.misses, self.superseded, self.evictions
        )?;
        writeln!(
            f,
            "  {} kills ({} of stopped workers), {} stops, {} recoveries",
            self.kills, self.kills_of_stopped, self.stops, self.recoveries
        )?;
        writeln!(
            f,
            "  {} joins ({} refused), {} forked ({} of them killed, {} operations of unattached ones refused), {} execs, {} daemons, {} in pid namespaces",
            self.joins,
            self.refused_joins,
            self.forks,
            self.forked_kills,
            self.not_attached,
            self.execs,
            self.daemons,
            self.namespaced
        )?;
        let during: Vec<String> = self
            .kills_during
            .iter()
            .map(|(kind, kills)| format!("{kind} {kills}"))
            .collect();
        writeln!(f, "  killed during: {}", during.join(", "))?;
        writeln!(
            f,
            "  {} wrong values, {} hangs, {} crashes, {} false misses, {} refused for space, {} for lack of a run, {} contended",
            self.wrong,
            self.hangs.len(),
            self.crashes.len(),
            self.false_misses,
            self.no_space,
            self.no_run,
            self.contended
        )?;
        writeln!(
            f,
            "  longest operation: {}; without waits for a processor: {}; p50 {:.1} us, p99.99 {:.0} us",
            self.longest, self.longest_own, self.p50_us, self.p9999_us
        )?;
        writeln!(
            f,
            "  over 100 ms: {} without excuse, {} for lack of a processor, {} for the disk, {} in a stopped process",
            self.slow, self.delayed, self.disk, self.stopped
        )?;
        writeln!(
            f,
            "  afterwards: {} entries ({} by count), {} lost blocks and pins, {} faults, {} damaged, {} puts refused",
            self.entries,
            self.entries_counted,
            self.leaked,
            self.faults.len(),
            self.damaged_entries,
            self.refused_afterwards
        )?;
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
