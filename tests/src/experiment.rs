//! What all experiments with processes have in common: where things lie, and how a worker finds them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use guira_segment::{OpenError, Segment, SegmentBuilder};
use guira_shm::file::FileError;
use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::conductor::Schedule;
use crate::races::RacesPlan;
use crate::stale::StalePlan;
use crate::storm::StormPlan;

/// The segment of an experiment and who works on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    /// Where segment, board and journal are made.
    pub directory: PathBuf,
    /// Bytes of the segment.
    pub size_bytes: u64,
    /// Blocks of exactly so many bytes, and how many, instead of a size.
    pub exact_blocks: Option<(u64, u64)>,
    /// Entries that the index is made for.
    pub index_entries: Option<u64>,
    /// Processes that can attach at once, and threads with a line of their own.
    pub room: Option<Room>,
    /// Bits of a generation that are compared.
    pub generation_bits: u64,
    /// Whether values carry checks that every read compares.
    pub checked_values: bool,
    /// Processes.
    pub workers: usize,
    /// Threads of each.
    pub threads: usize,
    /// Kills, at random times.
    pub kills: u64,
    /// Stops, at random times.
    pub stops: u64,
    /// The longest stop, ms.
    pub max_stop_ms: u64,
    /// The time over which kills and stops are spread, s.
    pub seconds: f64,
    /// Of every random choice.
    pub seed: u64,
}

/// How many there is room for in the segment; with less than come, some are refused.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Room {
    /// Attach records.
    pub processes: u64,
    /// Thread lines.
    pub threads: u64,
}

/// An experiment, as a worker is told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Plan {
    /// See [`crate::storm`].
    Storm(StormPlan),
    /// See [`crate::stale`].
    Stale(StalePlan),
    /// See [`crate::races`].
    Races(RacesPlan),
}

/// Why an experiment could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// A process could not be started or signalled, or a file not written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A directory in which parts of the experiment were to work is none.
    #[error("nothing can be made in {path}: {source}; name another directory by {named_by}", path = path.display())]
    NoPlace {
        /// The directory.
        path: PathBuf,
        /// What names it.
        named_by: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The board could not be made or opened.
    #[error(transparent)]
    Board(#[from] FileError),
    /// The segment could not be made or opened.
    #[error(transparent)]
    Segment(#[from] OpenError),
    /// A namespace could not be had.
    #[error(transparent)]
    Namespace(#[from] guira_segment::NamespaceError),
    /// The plan that a worker was given is not one.
    #[error("the plan is not one: {0}; the conductor passes it, do not write it by hand")]
    Plan(#[from] serde_json::Error),
}

/// Which worker a process is.
#[derive(Clone, Copy, Debug)]
pub struct Assignment {
    /// Its number.
    pub worker: usize,
    /// How often it was started before.
    pub incarnation: u64,
}

impl World {
    /// A world in `directory` with the defaults of a short test.
    #[must_use]
    pub fn new(directory: &Path, seed: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            size_bytes: 16 << 20,
            exact_blocks: None,
            index_entries: None,
            room: None,
            generation_bits: 12,
            checked_values: false,
            workers: 3,
            threads: 1,
            kills: 20,
            stops: 20,
            max_stop_ms: 100,
            seconds: 3.0,
            seed,
        }
    }

    /// The segment.
    #[must_use]
    pub fn segment_path(&self) -> PathBuf {
        self.directory.join("storm.guira")
    }

    /// The board.
    #[must_use]
    pub fn board_path(&self) -> PathBuf {
        self.directory.join("board")
    }

    /// The journal of what was wrong.
    #[must_use]
    pub fn journal_path(&self) -> PathBuf {
        self.directory.join("journal.txt")
    }

    /// Rows of the board.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.workers * self.threads
    }

    /// What the conductor does.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule {
            workers: self.workers,
            threads: self.threads,
            kills: self.kills,
            stops: self.stops,
            max_stop_ms: self.max_stop_ms,
            window: Duration::from_secs_f64(self.seconds),
            aims: Vec::new(),
            seed: self.seed,
        }
    }

    fn builder(&self) -> SegmentBuilder {
        let mut builder = Segment::builder()
            .size(self.size_bytes)
            .generation_bits(self.generation_bits)
            .checked_values(self.checked_values)
            .verify_values(self.checked_values);
        if let Some(entries) = self.index_entries {
            builder = builder.index_entries(entries);
        }
        if let Some(room) = self.room {
            builder = builder.max_processes(room.processes).max_threads(room.threads);
        }
        if let Some((block_bytes, blocks)) = self.exact_blocks {
            builder = builder.exact_blocks(block_bytes, blocks);
        }
        builder
    }

    /// Makes the segment.
    ///
    /// # Errors
    /// As [`SegmentBuilder::create`].
    pub fn create_segment(&self) -> Result<Segment, OpenError> {
        self.builder().create(self.segment_path())
    }

    /// Opens the segment.
    ///
    /// # Errors
    /// As [`SegmentBuilder::open`].
    pub fn open_segment(&self) -> Result<Segment, OpenError> {
        self.builder().open(self.segment_path())
    }
}

impl Plan {
    const fn world(&self) -> &World {
        match self {
            Self::Storm(plan) => &plan.world,
            Self::Stale(plan) => &plan.world,
            Self::Races(plan) => &plan.world,
        }
    }

    /// Works as `assignment` says until the board says that it is over.
    ///
    /// # Errors
    /// What could not be opened.
    pub fn work(&self, assignment: Assignment) -> Result<(), ExperimentError> {
        let world = self.world();
        let board = Board::open(&world.board_path())?;
        match self {
            Self::Storm(plan) => crate::storm::live(self, plan, &board, assignment),
            Self::Stale(plan) => {
                let segment = world.open_segment()?;
                world.on_threads(|thread| crate::stale::work(plan, &board, &segment, assignment, thread))
            }
            Self::Races(plan) => {
                let segment = world.open_segment()?;
                let board = Arc::new(board);
                world.on_threads(|thread| crate::races::work(plan, &board, &segment, assignment, thread))
            }
        }
    }
}

impl World {
    /// Runs `part` on every thread of a worker.
    pub(crate) fn on_threads(
        &self,
        part: impl Fn(usize) -> Result<(), ExperimentError> + Sync,
    ) -> Result<(), ExperimentError> {
        std::thread::scope(|scope| {
            let part = &part;
            let threads: Vec<_> = (0..self.threads)
                .map(|thread| scope.spawn(move || part(thread)))
                .collect();
            for thread in threads {
                thread.join().expect("a worker's thread does not panic")?;
            }
            Ok(())
        })
    }
}
