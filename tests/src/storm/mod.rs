//! The storm: worker processes that are killed and stopped at random times while they do every kind
//! of operation, on a segment that holds a tenth of their keys.
//!
//! What must not happen: a value that nobody wrote for its key, an own value that comes back after
//! it was replaced or invalidated, a lost increment, a worker that waits for one that was killed or
//! stopped, a block or pin that stays lost, an index or block that does not verify.

mod counter;
mod counting;
mod history;
mod kind;
mod reading;
mod report;
mod worker;
mod writing;

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use guira_segment::{Expiry, Fault, Segment};
use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::conductor::{conduct, worker_command};
use crate::experiment::{Assignment, ExperimentError, Plan, World};
use crate::journal::Journal;
use crate::random::Random;
use crate::record::read_value;
use crate::stopwatch::Stopwatch;
use counter::{COUNTERS, Field};
use history::History;
use kind::Kind;
use worker::{Hand, key_bytes, key_of};

pub use report::{After, Longest, StormReport};

/// A storm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StormPlan {
    /// Where and with whom.
    pub world: World,
    /// Keys; the segment should hold about a tenth of them.
    pub keys: u64,
    /// Whether some values take runs of blocks.
    pub large_values: bool,
}

const SIDE: &str = "side";
/// Between checks while the storm goes on.
const VERIFY_PERIOD: Duration = Duration::from_millis(700);

/// Runs a storm whose workers are `program worker ..`, and judges it.
///
/// # Errors
/// The experiment could not be made; what it found is in the report.
pub fn run(program: &Path, plan: &StormPlan) -> Result<StormReport, ExperimentError> {
    let world = &plan.world;
    let segment = world.create_segment()?;
    segment.namespace(SIDE)?;
    let board = Board::create(&world.board_path(), world.rows(), COUNTERS as usize)?;
    let told = serde_json::to_string(&Plan::Storm(plan.clone()))?;
    let window = Duration::from_secs_f64(world.seconds);
    let (conducted, meanwhile) = std::thread::scope(|scope| {
        let (over, is_over) = channel::<()>();
        let inspector = scope.spawn({
            let segment = &segment;
            move || verify_meanwhile(segment, &is_over)
        });
        let conducted = conduct(
            &board,
            &world.schedule(),
            |worker, incarnation| worker_command(program, &told, worker, incarnation),
            |so_far| so_far.elapsed >= window && so_far.kills >= world.kills && so_far.stops >= world.stops,
        );
        drop(over);
        let meanwhile = inspector.join().expect("the inspector does not panic");
        conducted.map(|conducted| (conducted, meanwhile))
    })?;
    let after = After {
        meanwhile,
        ..look_after(&segment)?
    };
    Ok(StormReport::new(plan, &board, conducted, &after))
}

/// Verifies now and then while others work: what moves or goes meanwhile is no fault.
fn verify_meanwhile(segment: &Segment, is_over: &Receiver<()>) -> Vec<Fault> {
    let mut faults = Vec::new();
    while is_over.recv_timeout(VERIFY_PERIOD) == Err(RecvTimeoutError::Timeout) {
        faults.extend(segment.verify().faults);
    }
    faults
}

/// What is left when everybody is gone: everything verifies, every value is intact, and all of the
/// segment can be written again.
fn look_after(segment: &Segment) -> Result<After, ExperimentError> {
    let mut after = After {
        verified: segment.verify(),
        counted: segment.stats().entries,
        ..After::default()
    };
    for namespace in [segment.clone(), segment.namespace(SIDE)?] {
        for entry in namespace.entries() {
            let Some(key) = key_of(&entry.key) else {
                continue;
            };
            let value = namespace.get(&entry.key);
            after.entries += 1;
            after.damaged += u64::from(value.is_some_and(|value| read_value(&value, key).is_err()));
        }
    }
    let room = segment.stats().arena_bytes;
    let value = [0; 200];
    for key in 0..2 * room / 256 {
        after.refused += u64::from(segment.put(&key_bytes(key), &value, Expiry::never()).is_err());
    }
    after.stats = segment.stats();
    after.verified_again = segment.verify();
    Ok(after)
}

/// Opens the segment as a worker does, timed.
pub(crate) fn open(
    plan: &StormPlan,
    board: &Board,
    assignment: Assignment,
) -> Result<Segment, ExperimentError> {
    let row = assignment.worker * plan.world.threads;
    let mut stopwatch = Stopwatch::new(board, row, row);
    let running = stopwatch.begin(Kind::Open as usize);
    let segment = plan.world.open_segment()?;
    stopwatch.end(running);
    Ok(segment)
}

/// Works until the board says that it is over.
pub(crate) fn work(
    plan: &StormPlan,
    board: &Board,
    segment: &Segment,
    assignment: Assignment,
    thread: usize,
) -> Result<(), ExperimentError> {
    let worker_row = assignment.worker * plan.world.threads;
    let row = worker_row + thread;
    let writer = (row as u64) << 32 | assignment.incarnation;
    let side = segment.namespace(SIDE)?;
    let block_bytes = segment.stats().block_bytes;
    let mut hand = Hand {
        segment,
        side: &side,
        board,
        row,
        writer,
        keys: plan.keys,
        large_bytes: if plan.large_values { 2 * block_bytes } else { 0 },
        random: Random::new(plan.world.seed, writer),
        stopwatch: Stopwatch::new(board, row, worker_row),
        journal: Journal::open(&plan.world.journal_path(), board, row, writer)?,
        history: History::new(writer),
        field: Field::new(row),
        reserved: HashMap::new(),
        sequence: 0,
        guards: VecDeque::new(),
    };
    hand.run();
    Ok(())
}
