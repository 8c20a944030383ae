//! What a storm is made of: how long, how much, which keys, how large their values are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use guira_files::{Files, FilesBuilder};

use crate::value::Random;

/// Four processes, ten times the data that there is room for, kills and stops.
#[derive(Clone, Debug, Parser)]
#[command(name = "storm files")]
pub(crate) struct Arguments {
    /// How long it goes on
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// What the directory may take on the disk, in MiB
    #[arg(long, default_value_t = 128)]
    limit_mib: u64,
    /// Where the directory is made, in one of its own
    #[arg(long, default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Of every random choice but the scheduler's
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// A line of JSON that tells the sums is appended to this file
    #[arg(long)]
    pub(crate) summary: Option<PathBuf>,
}

/// Who works.
pub(crate) const WORKERS: u64 = 4;
/// Largest value.
pub(crate) const LARGEST_BYTES: u64 = 4 << 20;
const SMALLEST_BYTES: u64 = 1 << 10;
/// Values are so many times what the directory may take.
const TIMES_THE_LIMIT: u64 = 10;
/// Table and index take no tenth of the limit.
const INDEX_BYTES: u64 = 8 << 20;
const FILES: u64 = 2048;

/// A storm's figures, the same for all its processes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) duration: Duration,
    pub(crate) limit_bytes: u64,
    pub(crate) seed: u64,
    /// Bytes of each key's value.
    pub(crate) sizes: Vec<u64>,
    pub(crate) room: PathBuf,
}

impl Plan {
    pub(crate) fn new(arguments: &Arguments, room: &Path) -> Self {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let fresh = clock.map_or(0, |it| it.as_micros() as u64) & ((1 << 48) - 1);
        let seed = arguments.seed.unwrap_or(fresh);
        let limit_bytes = arguments.limit_mib << 20;
        let mut random = Random::new(seed);
        let (mut sizes, mut sum) = (Vec::new(), 0);
        while sum < limit_bytes * TIMES_THE_LIMIT {
            let size = random.size(SMALLEST_BYTES, LARGEST_BYTES);
            sizes.push(size);
            sum += size;
        }
        Self {
            duration: Duration::from_secs_f64((arguments.minutes * 60.0).clamp(0.1, 1e7)),
            limit_bytes,
            seed,
            sizes,
            room: room.to_path_buf(),
        }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.room.join("cache")
    }

    pub(crate) fn builder(&self) -> FilesBuilder {
        Files::builder()
            .limit_bytes(self.limit_bytes)
            .index_bytes(INDEX_BYTES)
            .max_files(FILES)
    }

    /// What the values of all keys take together.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.sizes.iter().sum()
    }
}
