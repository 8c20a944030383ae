//! What came of all runs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::run::{Job, Outcome};
use super::source::Coverage;
use super::survivors::SCRIPTS;
use super::victim::Task;
use crate::summary::Summary;
use crate::verdict::MutantVerdict;

/// Anomalies of each scene that a report tells.
const TOLD_OF_EACH: usize = 3;

/// The sums of all runs.
#[derive(Debug, Default)]
pub struct Report {
    /// Of every random choice.
    pub seed: u64,
    /// How long it all took.
    pub took: Duration,
    /// Every scene and point is in it: only then the lists of points can be judged.
    pub is_whole: bool,
    /// Scenes.
    pub scenes: usize,
    /// Points of all operations, each counted as often as it is passed.
    pub passes: usize,
    /// Runs.
    pub runs: u64,
    /// Victims that died at their point.
    pub kills: u64,
    /// Victims that were stopped at their point.
    pub stops: u64,
    /// Victims that came to the end of their operation before their point.
    pub missed: u64,
    /// Operations of survivors.
    pub operations: u64,
    /// The longest of them, us.
    pub longest_us: u64,
    /// Runs that could not be made or did not end.
    pub unmade: u64,
    /// Everything that must not be and was.
    pub anomalies: Vec<String>,
    /// Points of the source.
    pub coverage: Coverage,
}

impl Report {
    /// Takes in one run.
    pub fn add(&mut self, job: &Job, outcome: Outcome) {
        self.runs += 1;
        self.operations += outcome.operations;
        self.longest_us = self.longest_us.max(outcome.longest_us);
        self.unmade += u64::from(!outcome.is_made);
        for anomaly in outcome.anomalies {
            let (script, _) = SCRIPTS.get(job.script).copied().unwrap_or_default();
            let at = outcome.at.as_ref().map(ToString::to_string).unwrap_or_default();
            self.anomalies
                .push(format!("{anomaly}\n      [{:?} {at}; then: {script}]", job.task));
        }
        for point in &outcome.points {
            if job.task == Task::Count {
                self.coverage.count(point);
            } else {
                self.coverage.pass(point);
            }
        }
        match (job.task, outcome.at) {
            (Task::Count, _) => {}
            (Task::Kill(_), Some(at)) => {
                self.kills += 1;
                self.coverage.pass(&at);
                self.coverage.kill(&at);
            }
            (Task::Stop(_), Some(at)) => {
                self.stops += 1;
                self.coverage.pass(&at);
                self.coverage.stop(&at);
            }
            (Task::Kill(_) | Task::Stop(_), None) => self.missed += 1,
        }
    }

    /// Whether nothing was anomalous and every point of the source is accounted for.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.anomalies.is_empty() && (!self.is_whole || self.coverage.faults().is_empty())
    }

    /// Whether a broken engine was noticed by what was seen of it, not by runs that came to nothing.
    #[must_use]
    pub fn verdict_on(&self, mutant: &str) -> MutantVerdict {
        let told = if self.unmade > 0 {
            format!(
                "{} of {} runs could not be made or did not end",
                self.unmade, self.runs
            )
        } else {
            format!("{} anomalies in {} runs", self.anomalies.len(), self.runs)
        };
        MutantVerdict {
            mutant: mutant.to_owned(),
            is_noticed: self.unmade == 0 && !self.anomalies.is_empty(),
            told,
        }
    }

    /// Appends the summary to the file at `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn summarize(&self, path: &Path) -> std::io::Result<()> {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Summary::new(
            "kill",
            self.seed,
            self.took.as_secs_f64(),
            count(self.anomalies.len()),
        )
        .count("runs", self.runs)
        .count("kills", self.kills)
        .count("stops", self.stops)
        .count("operations", self.operations)
        .count("max_scenes", count(self.scenes))
        .count("max_points_in_source", count(self.coverage.total()))
        .count("max_points_exercised", count(self.coverage.exercised()))
        .count("max_points_unreachable", count(self.coverage.unreached().len()))
        .count("max_operation_us", self.longest_us)
        .append_to(path)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        writeln!(f, "seed               {}", self.seed)?;
        writeln!(
            f,
            "scenes             {}, which pass {} points",
            self.scenes, self.passes
        )?;
        writeln!(
            f,
            "runs               {} in {seconds:.1} s ({:.0} a second)",
            self.runs,
            self.runs as f64 / seconds.max(0.001)
        )?;
        writeln!(f, "kills              {}", self.kills)?;
        writeln!(f, "stops              {}", self.stops)?;
        writeln!(f, "ended before       {}", self.missed)?;
        writeln!(
            f,
            "survivors          {} operations, the longest {:.1} ms",
            self.operations,
            self.longest_us as f64 / 1e3
        )?;
        if self.is_whole && self.coverage.total() > 0 {
            let unreached = self.coverage.unreached();
            writeln!(
                f,
                "points in source   {}: {} with a kill and a stop, {} not reached",
                self.coverage.total(),
                self.coverage.exercised(),
                unreached.len()
            )?;
            for (point, reason) in unreached {
                writeln!(
                    f,
                    "    {}:{} {} in {}: {}",
                    point.file,
                    point.line,
                    point.what,
                    point.function,
                    reason.unwrap_or("NOT EXPLAINED")
                )?;
            }
        }
        if self.is_whole {
            for fault in self.coverage.faults() {
                writeln!(f, "  {fault}")?;
            }
        }
        write!(f, "anomalies          {}", self.anomalies.len())?;
        // A few of each scene: they tell more than many of one.
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        let mut left_out = 0;
        for anomaly in &self.anomalies {
            let scene = anomaly.split_once(": ").map_or("", |(scene, _)| scene);
            let count = told.entry(scene).or_default();
            *count += 1;
            if *count <= TOLD_OF_EACH {
                write!(f, "\n  {anomaly}")?;
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            write!(f, "\n  and {left_out} more of the same scenes")?;
        }
        Ok(())
    }
}
