//! The hunt for stale reads: fills, puts and invalidations of a few hot keys race, while cold keys
//! keep eviction busy and workers are stopped and killed. After an invalidation returned, no read may
//! give a value that was computed, or whose put began, before.
//!
//! # How a stale read is proved
//!
//! Each hot key has three words on the board:
//!
//! * `source`: the version of the truth. An invalidator adds one *before* it calls the segment.
//! * `published`: the highest version whose invalidation *returned*.
//! * `published_ms`: the latest time at which an invalidation that has returned was about to begin.
//!
//! A reader takes both published words *before* its read begins. Then:
//!
//! * A **filled** value holds the version that its filler read from `source` after it took its token.
//!   If that is below `published`, the token was taken before the source had the published version,
//!   so before the invalidation began that has returned: stale. What was appended to such a value,
//!   or swapped for it, holds the same version and is judged the same: it was derived from a value
//!   that was gone.
//! * A **put** value has no version that says when its put began: what was read before the call is
//!   older than the begin, what is read after it is too late. But the engine itself reads the clock
//!   inside the put, to turn a lifetime into a deadline, and a reader sees the deadline: the time to
//!   live that a guard gives, plus the time at which the reader had the guard, less the lifetime, is
//!   at or after the moment at which the put looked at the clock. If that is below `published_ms`,
//!   the put had begun before the invalidation began that has returned: stale.
//!
//! Only a put and a swap make deadlines on keys that are put. A `touch` would not do: it takes the
//! time before it finds what it touches, which may be a newer value.
//!
//! Both judge only one way: what began while the invalidation ran passes, whether rightly or not. A
//! value that they call stale is stale. Whole milliseconds make the second a bit blunter; workers
//! that are stopped in the middle of a put make up for it.

mod report;
mod worker;

use std::path::Path;

use guira_segment::Segment;
use serde::{Deserialize, Serialize};

use crate::board::{Board, ROW_OPERATIONS};
use crate::conductor::{conduct, worker_command};
use crate::experiment::{Assignment, ExperimentError, Plan, World};
use crate::journal::Journal;
use crate::random::Random;
use worker::Hunter;

pub use report::StaleReport;

/// A hunt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StalePlan {
    /// Where and with whom; kills and stops are spread over its seconds, again and again.
    pub world: World,
    /// Operations after which it ends.
    pub operations: u64,
    /// Keys that everybody fights over.
    pub hot_keys: u64,
    /// Keys that only fill the segment.
    pub cold_keys: u64,
}

/// Words of the board for each hot key.
const WORDS_PER_KEY: usize = 8;

/// Runs a hunt whose workers are `program worker ..`, and judges it.
///
/// # Errors
/// The experiment could not be made; what it found is in the report.
pub fn run(program: &Path, plan: &StalePlan) -> Result<StaleReport, ExperimentError> {
    let world = &plan.world;
    let segment = world.create_segment()?;
    let extra_words = plan.hot_keys as usize * WORDS_PER_KEY;
    let board = Board::create(&world.board_path(), world.rows(), 0, extra_words)?;
    let told = serde_json::to_string(&Plan::Stale(plan.clone()))?;
    let conducted = conduct(
        &board,
        &world.schedule(),
        |worker, incarnation| worker_command(program, &told, worker, incarnation).spawn(),
        |_| board.sum(ROW_OPERATIONS) >= plan.operations,
    )?;
    let verified = segment.verify();
    Ok(StaleReport::new(
        plan,
        &board,
        conducted,
        &verified,
        &segment.stats(),
    ))
}

/// Works until the board says that it is over.
pub(crate) fn work(
    plan: &StalePlan,
    board: &Board,
    segment: &Segment,
    assignment: Assignment,
    thread: usize,
) -> Result<(), ExperimentError> {
    let row = assignment.worker * plan.world.threads + thread;
    let writer = (row as u64) << 32 | assignment.incarnation;
    let mut hunter = Hunter {
        segment,
        board,
        row,
        writer,
        hot_keys: plan.hot_keys,
        cold_keys: plan.cold_keys,
        random: Random::new(plan.world.seed, writer),
        journal: Journal::open(&plan.world.journal_path(), board, row, writer)?,
        clock: guira_segment::Clock::system(),
        sequence: 0,
        counts: [0; worker::COUNTS],
        buffer: Vec::new(),
    };
    hunter.run();
    Ok(())
}
