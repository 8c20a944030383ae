//! The segments on which histories are made.

use std::path::{Path, PathBuf};

use guira_segment::{OpenError, Segment, SegmentBuilder};
use serde::{Deserialize, Serialize};

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Room {
    /// More than all histories on one segment write: nothing may be missed.
    Roomy,
    /// A small index, nearly full of cold keys, so that slots are moved; the log is roomy.
    Crowded,
    /// Some blocks of a page, of which every history fills many, and generations of three bits:
    /// entries are evicted and blocks reused all the time.
    Tiny,
}

/// Every kind.
pub const ROOMS: [Room; 3] = [Room::Roomy, Room::Crowded, Room::Tiny];

/// What a worker must know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    /// Where tape and segments are.
    pub directory: PathBuf,
    /// How much room there is.
    pub room: Room,
    /// Keys whose operations are recorded, at most 8.
    pub keys: u8,
    /// Processes.
    pub workers: usize,
    /// Threads of each.
    pub threads: usize,
    /// Of every random choice.
    pub seed: u64,
    /// The mutant of the engine, in builds that have them.
    pub mutant: Option<String>,
    /// In builds with points: threads are delayed at one point in so many.
    pub delay_one_in: Option<u32>,
}

/// The namespace of the odd keys.
pub(crate) const SIDE: &str = "side";

impl World {
    pub(crate) fn tape_path(&self) -> PathBuf {
        self.directory.join("tape")
    }

    pub(crate) fn segment_path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number}.guira"))
    }

    fn builder(&self) -> SegmentBuilder {
        let builder = Segment::builder().max_processes(64).max_threads(256);
        match self.room {
            Room::Roomy => builder.exact_blocks(32 << 10, 512).index_entries(10_000),
            Room::Crowded => builder.exact_blocks(32 << 10, 512).index_entries(400),
            Room::Tiny => builder
                .exact_blocks(4 << 10, 24)
                .index_entries(200)
                .generation_bits(self.generation_bits()),
        }
    }

    /// So few that they wrap all the time; but with delays as many as there are by default. An operation that
    /// sleeps while a block is reused as often as its generations differ may take an entry for an older one,
    /// and eight times are a few milliseconds here (`docs/proof.md`, "What is not covered").
    const fn generation_bits(&self) -> u64 {
        if self.delay_one_in.is_none() { 3 } else { 12 }
    }

    /// Makes segment `number` with its namespace.
    pub(crate) fn create(&self, number: u64) -> Result<Segment, OpenError> {
        self.builder().create(self.segment_path(number))
    }

    pub(crate) fn open(&self, path: &Path) -> Result<Segment, OpenError> {
        self.builder().open(path)
    }

    /// Keys that are not recorded, and how many operations in a hundred are on them.
    pub(crate) const fn cold(&self) -> (u64, u64) {
        match self.room {
            Room::Roomy => (64, 3),
            Room::Crowded => (400, 40),
            Room::Tiny => (400, 40),
        }
    }

    /// Longest filling of a chunk, bytes.
    pub(crate) const fn max_filling_bytes(&self) -> u64 {
        match self.room {
            Room::Roomy | Room::Crowded => 60,
            Room::Tiny => 150,
        }
    }

    /// Whether key `key` is a counter.
    pub(crate) const fn is_counter(key: u8) -> bool {
        key % 4 == 3
    }

    /// Whether key `key` lies in the other namespace.
    pub(crate) const fn is_side(key: u8) -> bool {
        key % 2 == 1
    }
}
