//! How long after the death of a process its byte lock is free: the kernel unmaps its memory first.
//!
//! Until then the dead process counts as alive, and what it held stays held. Measured from the kill
//! to the first probe that finds the lock free, then to the end of the recovery, by the size of the
//! segment and by whether its pages were mapped.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guira_segment::{Segment, SegmentBuilder};
use guira_shm::file::{OpenRules, open_checked};
use guira_shm::lock::{ByteLocks, Probe, RECORD_LOCK_BASE};
use serde::Serialize;

use crate::experiment::ExperimentError;
use crate::median::median;
use crate::scratch::directory_in;
use crate::storm::Place;
use crate::summary::Summary;

/// The record of the holder: the first one is the observer's.
const HOLDER_RECORD: u64 = 1;
/// Longer than any release takes.
const PATIENCE: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;
/// The smallest segment by size; a smaller one is made of exact blocks.
const SMALLEST_BYTES: u64 = 8 * MIB;
const BLOCK_BYTES: u64 = 16 << 10;

/// One measurement, repeated.
#[derive(Clone, Debug, Serialize)]
pub struct Released {
    /// Where the segment lies.
    pub place: String,
    /// Bytes of its file.
    pub file_bytes: u64,
    /// Whether the holder had every page mapped.
    pub populated: bool,
    /// From the kill to the free lock, in order of size, ms.
    pub free_ms: Vec<f64>,
    /// From the free lock to the end of the recovery, in order of size, ms.
    pub recovered_ms: Vec<f64>,
}

/// The settings with which observer and holder open a segment of about `size_bytes`.
fn settings(size_bytes: u64) -> SegmentBuilder {
    let builder = Segment::builder();
    if size_bytes < SMALLEST_BYTES {
        // The rest is superblock, index and tables.
        builder.exact_blocks(BLOCK_BYTES, size_bytes * 7 / 8 / BLOCK_BYTES)
    } else {
        builder.size(size_bytes)
    }
}

/// Holds the segment at `path` until it is killed; says on stdout when it does.
///
/// # Errors
/// It cannot be opened.
pub fn hold(path: &Path, is_populated: bool) -> Result<Segment, ExperimentError> {
    Ok(Segment::builder().populate(is_populated).open(path)?)
}

/// Measures `repeats` times at one place and size; the holders are `program hold ..`.
///
/// # Errors
/// A segment or process cannot be made.
pub fn measure(
    program: &Path,
    place: &Place,
    size_bytes: u64,
    is_populated: bool,
    repeats: usize,
) -> Result<Released, ExperimentError> {
    let directory = directory_in(&place.path)?;
    let path = directory.path().join("held.guira");
    let segment = settings(size_bytes).create(&path)?;
    let rules = OpenRules {
        allow_group_write: false,
        writable: true,
    };
    let file_bytes = std::fs::metadata(&path)?.len();
    let observer = ByteLocks::new(open_checked(&path, &rules)?.map(4096)?.reopen()?);
    let mut released = Released {
        place: place.name.to_owned(),
        file_bytes,
        populated: is_populated,
        free_ms: Vec::new(),
        recovered_ms: Vec::new(),
    };
    for _ in 0..repeats {
        let mut holder = start_holder(program, &path, is_populated)?;
        if observer.probe(RECORD_LOCK_BASE + HOLDER_RECORD)? == Probe::Free {
            return Err(std::io::Error::other("the holder has another record than expected").into());
        }
        let killed_at = Instant::now();
        holder.kill()?;
        while observer.probe(RECORD_LOCK_BASE + HOLDER_RECORD)? == Probe::Held {
            if killed_at.elapsed() > PATIENCE {
                return Err(std::io::Error::other("the lock of a killed process stays held").into());
            }
            std::thread::yield_now();
        }
        let free_at = Instant::now();
        // Somebody who looks at the same moment may come first.
        segment.recover();
        let recovered_at = Instant::now();
        holder.wait()?;
        released.free_ms.push((free_at - killed_at).as_secs_f64() * 1e3);
        released
            .recovered_ms
            .push((recovered_at - free_at).as_secs_f64() * 1e3);
    }
    released.free_ms.sort_by(f64::total_cmp);
    released.recovered_ms.sort_by(f64::total_cmp);
    Ok(released)
}

/// What the ledger keeps. A lock that is not freed at all ends the measuring with an error.
#[must_use]
pub fn summary(all: &[Released], seed: u64, seconds: f64) -> Summary {
    let longest_us = |of: fn(&Released) -> &[f64]| {
        let longest_ms = all
            .iter()
            .flat_map(|released| of(released).last().copied())
            .fold(0.0, f64::max);
        (longest_ms * 1e3) as u64
    };
    let measurements: usize = all.iter().map(|released| released.free_ms.len()).sum();
    Summary::new("lock-release", seed, seconds, 0)
        .count("measurements", measurements as u64)
        .count("max_free_us", longest_us(|released| &released.free_ms))
        .count("max_recovered_us", longest_us(|released| &released.recovered_ms))
}

fn start_holder(
    program: &Path,
    path: &Path,
    is_populated: bool,
) -> Result<std::process::Child, ExperimentError> {
    let mut command = Command::new(program);
    command.arg("hold").arg("--path").arg(path);
    if is_populated {
        command.arg("--populated");
    }
    let mut holder = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(output) = holder.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    if line.trim_end() == HELD {
        return Ok(holder);
    }
    holder.kill()?;
    holder.wait()?;
    let path = PathBuf::from(path);
    Err(std::io::Error::other(format!("the holder of {} did not start", path.display())).into())
}

/// What a holder says.
pub const HELD: &str = "held";

impl fmt::Display for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spread = |sorted: &[f64]| {
            let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
            format!(
                "{:.2} ({:.2} .. {:.2})",
                median(sorted),
                at(0),
                at(sorted.len().saturating_sub(1))
            )
        };
        write!(
            f,
            "{:6} {:>8.1} MiB  {:9}  lock free after {:>24} ms, recovered {:>22} ms later, {} times",
            self.place,
            self.file_bytes as f64 / MIB as f64,
            if self.populated { "populated" } else { "untouched" },
            spread(&self.free_ms),
            spread(&self.recovered_ms),
            self.free_ms.len()
        )
    }
}
