//! One comparison: some subjects in the same rounds, loaded several times.

use std::path::Path;

use guira_segment::Segment;

use super::fleet::Fleet;
use super::places::Places;
use super::records::{Kept, Record, Records};
use crate::bench::{Room, Workers, Workload};
use crate::error::BenchError;
use crate::peers::Subject;
use crate::rounds::interleave;
use crate::worker::{WorkerPlan, file_name};

/// How many times longer a crowd's laps are.
const CROWD_LAPS: u64 = 10;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub(super) rounds: usize,
    pub(super) loads: usize,
    pub(super) lap_ms: u64,
    pub(super) keys: usize,
}

/// What is measured beside each other.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) workload: Workload,
    pub(super) workers: Workers,
    /// The raw loop first.
    pub(super) subjects: Vec<Subject>,
}

impl Cell {
    /// Loads and measures as often as `effort` says. One load is one placement of memory, which alone
    /// can make a fifth of a difference; each load is in another order.
    pub(super) fn run(&self, effort: &Effort, root: &Path) -> Result<Records, BenchError> {
        let mut records = Records::default();
        for load in 0..effort.loads {
            let mut subjects = self.subjects.clone();
            let count = subjects.len();
            subjects.rotate_left(load % count);
            self.load(load, &subjects, effort, root, &mut records)?;
        }
        Ok(records)
    }

    fn load(
        &self,
        load: usize,
        subjects: &[Subject],
        effort: &Effort,
        root: &Path,
        records: &mut Records,
    ) -> Result<(), BenchError> {
        let holding = self.workload.holding(effort.keys);
        let places = Places::make(root, self.workload, holding, subjects)?;
        let processes: u64 = if self.workers == Workers::Processes { 2 } else { 1 };
        let plans: Vec<WorkerPlan> = (0..processes)
            .map(|process| WorkerPlan {
                workload: self.workload,
                workers: self.workers,
                keys: effort.keys,
                seed: load as u64 * processes + process + 1,
                directory: places.path().to_owned(),
                subjects: subjects.to_vec(),
            })
            .collect();
        let mut fleet = Fleet::start(&plans)?;
        let mut order: Vec<(Subject, bool)> = subjects.iter().map(|&subject| (subject, false)).collect();
        if self.workers != Workers::One {
            // Nobody's two laps follow each other: the second would find its data in the processor's cache.
            order.extend(subjects.iter().map(|&subject| (subject, true)));
        }
        let outcomes = interleave(effort.rounds, &order, load, |(subject, is_pair)| {
            let (few, all) = self.workers.threads();
            match (is_pair, self.workers) {
                (true, Workers::Processes) => fleet.lap_together(subject, effort.lap_ms),
                // Long enough for each of a crowd to have several turns.
                (_, Workers::Crowd) => {
                    let lap_ms = CROWD_LAPS * effort.lap_ms;
                    fleet.lap(subject, lap_ms, if is_pair { all } else { few })
                }
                (true, _) => fleet.lap(subject, effort.lap_ms, all),
                (false, _) => fleet.lap(subject, effort.lap_ms, few),
            }
        })?;
        for (&(subject, is_pair), outcomes) in order.iter().zip(outcomes) {
            for (round, outcome) in outcomes.into_iter().enumerate() {
                records.laps.push(Record {
                    beside: self.subjects.last().copied().unwrap_or(subject),
                    subject,
                    is_pair,
                    load,
                    round,
                    outcome,
                });
            }
        }
        self.probe(&mut fleet, subjects, records)?;
        self.note_stats(&places, subjects, load, records)
    }

    /// What is still there after all writes: everything, or about what there is room for.
    fn probe(
        &self,
        fleet: &mut Fleet,
        subjects: &[Subject],
        records: &mut Records,
    ) -> Result<(), BenchError> {
        let spec = self.workload.spec();
        if !spec.operation.writes() && spec.room != Room::Tenth {
            return Ok(());
        }
        for &subject in subjects.iter().filter(|subject| !subject.is_raw()) {
            let share = fleet.kept_share(subject)?;
            records.kept.push(Kept { subject, share });
        }
        Ok(())
    }
    /// Says what Guira's log did, and what it lost where every entry was to be kept.
    fn note_stats(
        &self,
        places: &Places,
        subjects: &[Subject],
        load: usize,
        records: &mut Records,
    ) -> Result<(), BenchError> {
        if !self.workload.spec().operation.writes() {
            return Ok(());
        }
        for &subject in subjects {
            if let Subject::Guira { .. } = subject {
                let kept = records.kept.iter().rev().find(|kept| kept.subject == subject);
                let kept = kept.map_or(0.0, |kept| kept.share);
                let path = places.path().join(file_name(subject));
                let stats = Segment::builder().open(path)?.stats();
                records.notes.push(format!(
                    "{} in load {load} beside {}: {:.2} survivors a store, {} evictions, {} stores refused, {:.3} % of \
                     the keys kept",
                    subject.name(),
                    self.subjects.last().copied().unwrap_or(subject).name(),
                    stats.survivors as f64 / stats.stores.max(1) as f64,
                    stats.evictions,
                    stats.no_space,
                    kept * 100.0,
                ));
            }
        }
        Ok(())
    }
}
