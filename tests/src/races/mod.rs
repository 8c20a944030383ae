//! Invalidations race computations through the public interface: no call may give a value that was computed from a
//! source older than the one before whose change's invalidation returned before the call began.
//!
//! Several processes call [`guira::Cache`], [`guira::Memoized`] and [`guira::store::Decoded`] on a few keys of one
//! segment. The source of each key is a word of the board. A *round* is an invalidation and the calls around it:
//!
//! * The source is raised *before* the invalidation (by key, tag, function, of everything, or by a write guard
//!   around the change) begins, and *published* after it returned.
//! * A caller takes what is published *before* its call. What it gets was computed from a source that is in the
//!   value: if that is older than what was published, its computation read the source before the invalidation began
//!   that has returned. It is stale, whatever the order of all else.
//!
//! Values that are put, not computed, are for the hunt of [`crate::stale`]. Computations dawdle at times between the
//! source and the end, so that they are overtaken; workers are stopped and killed, so that flights are taken over;
//! a stream of cold values turns the segment over.

mod report;
mod worker;

use std::path::Path;
use std::sync::Arc;

use guira_segment::Segment;
use serde::{Deserialize, Serialize};

use crate::board::{Board, ROW_OPERATIONS};
use crate::conductor::{conduct, worker_command};
use crate::experiment::{Assignment, ExperimentError, Plan, World};
use crate::journal::Journal;
use crate::mutants::switch_on;
use crate::random::Random;
use worker::{Doors, Racer};

pub use report::RacesReport;

/// Mutants that this proof is to notice.
pub const MUTANTS: &[&str] = &["stamp-blind-fill", "landing-for-all", "watch-not-looked-at"];

/// A race.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RacesPlan {
    /// Where and with whom; kills and stops are spread over its seconds, again and again.
    pub world: World,
    /// Rounds after which it ends.
    pub rounds: u64,
    /// Keys of each door that everybody fights over.
    pub keys: u64,
    /// What is broken on purpose.
    pub mutant: Option<String>,
}

/// Words of the board for each key of each door: source, published.
const WORDS_PER_KEY: u64 = 8;
/// The cache and the memoized function, whose keys are apart.
const DOORS: u64 = 2;

/// Races, and judges what came of it. Workers are `program worker ..`.
///
/// # Errors
/// The experiment could not be made; what it found is in the report.
pub fn run(program: &Path, plan: &RacesPlan) -> Result<RacesReport, ExperimentError> {
    let world = &plan.world;
    let segment = world.create_segment()?;
    let extra_words = (DOORS * plan.keys * WORDS_PER_KEY) as usize;
    let board = Board::create(&world.board_path(), world.rows(), 0, extra_words)?;
    let told = serde_json::to_string(&Plan::Races(plan.clone()))?;
    let conducted = conduct(
        &board,
        &world.schedule(),
        |worker, incarnation| worker_command(program, &told, worker, incarnation).spawn(),
        |_| board.sum(ROW_OPERATIONS) >= plan.rounds,
    )?;
    let verified = segment.verify();
    Ok(RacesReport::new(
        plan,
        &board,
        conducted,
        &verified,
        &segment.stats(),
    ))
}

/// Works until the board says that it is over.
pub(crate) fn work(
    plan: &RacesPlan,
    board: &Arc<Board>,
    segment: &Segment,
    assignment: Assignment,
    thread: usize,
) -> Result<(), ExperimentError> {
    switch_on(plan.mutant.as_deref())?;
    let row = assignment.worker * plan.world.threads + thread;
    let writer = (row as u64) << 32 | assignment.incarnation;
    let mut racer = Racer {
        doors: Doors::new(segment, board, plan.keys),
        board,
        row,
        random: Random::new(plan.world.seed, writer),
        journal: Journal::open(&plan.world.journal_path(), board, row, writer)?,
        counts: [0; worker::COUNTS],
    };
    racer.run();
    Ok(())
}
