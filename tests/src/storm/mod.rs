//! The storm: worker processes that are killed and stopped at random times while they do every kind
//! of operation, on a segment that holds a tenth of their keys.
//!
//! What must not happen: a value that nobody wrote for its key, an own value that comes back after
//! it was replaced or invalidated, a lost increment, a worker that waits for one that was killed or
//! stopped, a block or pin that stays lost, an index or block that does not verify.

mod counter;
mod counting;
mod guest;
mod history;
mod kind;
mod legs;
mod life;
mod reading;
mod report;
mod worker;
mod writing;

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use guira_segment::{Expiry, Fault, Segment};
use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::conductor::{Schedule, conduct, worker_command};
use crate::experiment::{ExperimentError, Plan, World};
use crate::histogram::{self, Histogram};
use crate::namespaces;
use crate::random::Random;
use crate::record::read_value;
use crate::stopwatch::WORDS_PER_KIND;
use counter::COUNTERS;
use kind::{KINDS, Kind};
use worker::{key_bytes, key_of};

pub use guest::visit;
pub use legs::{Leg, LegsReport, Place, legs, places};
pub(crate) use life::live;
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
    /// What workers do besides.
    pub customs: Customs,
    /// Whether durations are counted by kind, see [`Latencies`].
    pub latency: bool,
}

impl StormPlan {
    /// The board's first extra word with the durations of a worker's thread.
    fn latency_words(&self, row: usize) -> Option<usize> {
        let is_worker = row < self.world.rows();
        (self.latency && is_worker).then_some(COUNTERS as usize + row * KINDS.len() * WORDS_PER_KIND)
    }
}

/// Durations of each kind of operation.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// By kind: its name, whole durations, durations without waits for a processor.
    pub kinds: Vec<(String, Histogram, Histogram)>,
}

impl Latencies {
    fn read(plan: &StormPlan, board: &Board) -> Self {
        let of_kind = |kind: usize, first: usize| {
            let mut histogram = Histogram::default();
            for row in 0..plan.world.rows() {
                if let Some(words) = plan.latency_words(row) {
                    let begin = words + kind * WORDS_PER_KIND + first;
                    histogram.add(|word| board.extra_word(begin + word));
                }
            }
            histogram
        };
        let kinds = KINDS.iter().enumerate().map(|(kind, name)| {
            let name = format!("{name:?}");
            (name, of_kind(kind, 0), of_kind(kind, histogram::WORDS))
        });
        Self {
            kinds: kinds.collect(),
        }
    }
}

/// What workers do besides operations on a segment that they opened once.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub struct Customs {
    /// They fork children, which use the segment or not, are killed, or leave without detaching.
    pub fork: bool,
    /// They replace their program by exec without detaching.
    pub exec: bool,
    /// Some attach and detach all the time.
    pub come_and_go: bool,
    /// Some close every descriptor. Not together with `namespaces`: the lock alone tells the death of a
    /// process of another namespace, and closing its descriptor gives the lock up.
    pub daemons: bool,
    /// Some live in a pid namespace of their own, half of them with a `/proc` of it.
    pub namespaces: bool,
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
    let board = Board::create(
        &world.board_path(),
        world.rows(),
        world.workers,
        COUNTERS as usize
            + if plan.latency {
                world.rows() * KINDS.len() * WORDS_PER_KIND
            } else {
                0
            },
    )?;
    let told = serde_json::to_string(&Plan::Storm(plan.clone()))?;
    let namespaced = Cell::new(0);
    let window = Duration::from_secs_f64(world.seconds);
    let (conducted, meanwhile) = std::thread::scope(|scope| {
        let (over, is_over) = channel::<()>();
        let inspector = scope.spawn({
            let segment = &segment;
            move || verify_meanwhile(segment, &is_over)
        });
        let conducted = conduct(
            &board,
            &Schedule {
                aims: vec![Kind::Open as usize, Kind::Detach as usize, Kind::Recover as usize],
                ..world.schedule()
            },
            |worker, incarnation| {
                let mut command = worker_command(program, &told, worker, incarnation);
                start(&mut command, plan, worker, incarnation, &namespaced)
            },
            |so_far| so_far.elapsed >= window && so_far.kills >= world.kills && so_far.stops >= world.stops,
        );
        drop(over);
        let meanwhile = inspector.join().expect("the inspector does not panic");
        conducted.map(|conducted| (conducted, meanwhile))
    })?;
    let after = After {
        meanwhile,
        namespaced: namespaced.get(),
        ..look_after(&segment)?
    };
    Ok(StormReport {
        latencies: Latencies::read(plan, &board),
        ..StormReport::new(plan, &board, conducted, &after)
    })
}

/// Starts a worker, in a namespace of its own if it falls to it.
fn start(
    command: &mut Command,
    plan: &StormPlan,
    worker: usize,
    incarnation: u64,
    namespaced: &Cell<u64>,
) -> io::Result<Child> {
    let mut random = Random::new(plan.world.seed ^ incarnation, worker as u64 | 1 << 40);
    if !plan.customs.namespaces || !random.one_in(3) {
        return command.spawn();
    }
    command
        .arg("--proc")
        .arg(if random.one_in(2) { "own" } else { "foreign" });
    namespaced.set(namespaced.get() + 1);
    namespaces::spawn(command)
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
