//! Hits on recorded traces: informs eviction: what is admitted, what a second chance is worth.
//!
//! Beside exact S3-FIFO and LRU that are charged the same bytes, and beside peers that are charged
//! their own overhead.

mod peers;

use std::path::{Path, PathBuf};

use clap::Args;
use guira_segment::{Expiry, Segment};
use guira_trace::{Access, Capacity, HitCount, Lru, Policy, S3Fifo, Trace};

use crate::error::BenchError;
use crate::report::{print_goal, print_table, say};
use crate::workload::VALUE_BYTES;

/// What one entry takes of the log: a header of 36 bytes, a key of 8, the value, in steps of 16.
const ENTRY_BYTES: u64 = (36 + 8 + VALUE_BYTES as u64).next_multiple_of(16);
const FEWEST_BLOCKS: u64 = 256;
const SMALLEST_BLOCK_BYTES: u64 = 1024;
/// Below this, a block's rounding decides more than the policy: the row is shown, not judged.
const FEWEST_ENTRIES_PER_BLOCK: u64 = 8;
const CAPACITY_PERCENT: [u64; 4] = [1, 5, 10, 25];
/// The goal, in percentage points.
const FARTHEST_FROM_S3_FIFO: f64 = 0.5;

const TRACE_FILES: [(&str, &str); 3] = [
    ("oltp", "oltp.keys.zst"),
    ("web12", "web12.keys.zst"),
    ("cloudphysics", "cloudphysics.sized.zst"),
];

/// Hits on recorded traces.
#[derive(Debug, Args)]
pub(crate) struct HitRatioArguments {
    /// Folder with oltp.keys.zst, web12.keys.zst and cloudphysics.sized.zst; without it only the trace that
    /// ships is played
    #[arg(long, env = "GUIRA_TRACES", value_name = "FOLDER")]
    traces: Option<PathBuf>,
    /// A million accesses of each trace at most
    #[arg(long)]
    quick: bool,
    /// Where peers' files go: a file system in memory
    #[arg(long, default_value = "/dev/shm", value_name = "FOLDER")]
    directory: PathBuf,
}

/// Replays every trace at every capacity.
pub(crate) fn run(arguments: &HitRatioArguments) -> Result<(), BenchError> {
    let (guira_beyond, peers) = peers::charge(
        if arguments.quick { 100_000 } else { 1_000_000 },
        &arguments.directory,
    )?;
    let mut rows = Vec::new();
    let mut beside = Vec::new();
    let mut judged = Vec::new();
    for (name, trace) in traces(arguments.traces.as_deref())? {
        let trace = if arguments.quick {
            trace.prefix(1_000_000)
        } else {
            trace
        };
        for percent in CAPACITY_PERCENT {
            let world = World::nearest(trace.distinct_keys() as u64 * percent / 100 * ENTRY_BYTES);
            let outcome = world.play(trace.accesses())?;
            rows.push(outcome.row(name, percent, world));
            let mut hits = vec![outcome.guira];
            for peer in &peers {
                hits.push(peer.play(world.log_entries(), trace.accesses())?);
            }
            beside.push((name, percent, hits));
            if world.block_bytes / ENTRY_BYTES >= FEWEST_ENTRIES_PER_BLOCK {
                judged.push(outcome);
            }
        }
    }
    print_table(
        "Hits, % of accesses (get, and put on a miss)",
        &[
            "trace",
            "% of keys",
            "blocks",
            "entries/block",
            "guira",
            "S3-FIFO, log bytes",
            "difference",
            "S3-FIFO, file bytes",
            "LRU, log bytes",
            "judged",
        ],
        &rows,
    );
    if arguments.traces.is_none() {
        say("\nOnly the trace that ships was played; --traces FOLDER plays all four.");
    }
    conclude(&judged);
    print_beside(guira_beyond, &peers, &beside);
    Ok(())
}

/// The peers' hits beside Guira's, and the means of all rows.
fn print_beside(guira_beyond: f64, peers: &[peers::Charged], beside: &[(&str, u64, Vec<f64>)]) {
    let mut header = vec!["trace".to_owned(), "% of keys".to_owned()];
    header.push(format!("guira ({guira_beyond:.0} B)"));
    header.extend(
        peers
            .iter()
            .map(|charged| format!("{} ({:.0} B)", charged.peer.name(), charged.beyond_bytes)),
    );
    let shown = |hits: &[f64]| hits.iter().map(|hits| format!("{hits:.2}")).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = beside
        .iter()
        .map(|(name, percent, hits)| [vec![(*name).to_owned(), percent.to_string()], shown(hits)].concat())
        .collect();
    let means: Vec<f64> = (0..=peers.len())
        .map(|column| {
            beside.iter().map(|(_, _, hits)| hits[column]).sum::<f64>() / beside.len().max(1) as f64
        })
        .collect();
    rows.push([vec!["mean".to_owned(), String::new()], shown(&means)].concat());
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    print_table(
        "Hits, % of accesses, at equal bytes; in brackets what an entry costs beyond key and value",
        &header,
        &rows,
    );
    let best = means[1..].iter().copied().fold(0.0, f64::max);
    print_goal(
        "a mean above that of the best peer",
        &format!("{:.2} against {best:.2}", means[0]),
        means[0] > best,
    );
}

fn traces(folder: Option<&Path>) -> Result<Vec<(&'static str, Trace)>, BenchError> {
    let mut traces = vec![("orm-busy", Trace::orm_busy())];
    if let Some(folder) = folder {
        for (name, file) in TRACE_FILES {
            traces.push((name, Trace::read(folder.join(file))?));
        }
    }
    Ok(traces)
}

fn conclude(judged: &[Outcome]) {
    let farthest = judged
        .iter()
        .map(|outcome| outcome.above_s3_fifo().abs())
        .fold(0.0, f64::max);
    print_goal(
        "within 0.5 points of exact S3-FIFO charged with the log's bytes, at 8 entries a block and more",
        &format!("{farthest:.2} at most, {} cases", judged.len()),
        farthest <= FARTHEST_FROM_S3_FIFO,
    );
    let above_lru = judged
        .iter()
        .map(|outcome| outcome.guira - outcome.lru)
        .sum::<f64>()
        / judged.len().max(1) as f64;
    print_goal(
        "above LRU on the average",
        &format!("{above_lru:+.2} points"),
        above_lru > 0.0,
    );
}

/// A segment's log: as near to the wanted bytes as blocks allow.
#[derive(Clone, Copy, Debug)]
struct World {
    block_bytes: u64,
    blocks: u64,
}

impl World {
    fn nearest(arena_bytes: u64) -> Self {
        let at_most = (arena_bytes / FEWEST_BLOCKS).max(SMALLEST_BLOCK_BYTES);
        let block_bytes = 1 << at_most.ilog2();
        let blocks = (arena_bytes + block_bytes / 2) / block_bytes;
        Self {
            block_bytes,
            blocks: blocks.max(4),
        }
    }

    fn log_entries(self) -> u64 {
        self.block_bytes * self.blocks / ENTRY_BYTES
    }

    fn play(self, accesses: &[Access]) -> Result<Outcome, BenchError> {
        let segment = Segment::builder()
            .exact_blocks(self.block_bytes, self.blocks)
            .private()?;
        let guira = percent(replay(&segment, accesses)?);
        let stats = segment.stats();
        let log_entries = Capacity::Entries(self.log_entries());
        let file_entries = Capacity::Entries(stats.size_bytes / ENTRY_BYTES);
        Ok(Outcome {
            guira,
            s3_fifo: percent(S3Fifo::new(log_entries).replay(accesses)),
            s3_fifo_whole_file: percent(S3Fifo::new(file_entries).replay(accesses)),
            lru: percent(Lru::new(log_entries).replay(accesses)),
        })
    }
}

/// Get, and put on a miss.
fn replay(segment: &Segment, accesses: &[Access]) -> Result<HitCount, BenchError> {
    let value = [0x5a; VALUE_BYTES];
    let mut copy = Vec::with_capacity(VALUE_BYTES);
    let mut count = HitCount::default();
    for access in accesses {
        let key = access.key.to_le_bytes();
        count.accesses += 1;
        if segment.get_into(&key, &mut copy) {
            count.hits += 1;
        } else {
            segment.put(&key, &value, Expiry::never())?;
        }
    }
    Ok(count)
}

fn percent(count: HitCount) -> f64 {
    count.ratio() * 100.0
}

/// Hits in percent.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    guira: f64,
    s3_fifo: f64,
    s3_fifo_whole_file: f64,
    lru: f64,
}

impl Outcome {
    fn above_s3_fifo(&self) -> f64 {
        self.guira - self.s3_fifo
    }

    fn row(&self, name: &str, percent: u64, world: World) -> Vec<String> {
        let entries_per_block = world.block_bytes / ENTRY_BYTES;
        let is_judged = entries_per_block >= FEWEST_ENTRIES_PER_BLOCK;
        vec![
            name.to_owned(),
            percent.to_string(),
            world.blocks.to_string(),
            entries_per_block.to_string(),
            format!("{:.2}", self.guira),
            format!("{:.2}", self.s3_fifo),
            format!("{:+.2}", self.above_s3_fifo()),
            format!("{:.2}", self.s3_fifo_whole_file),
            format!("{:.2}", self.lru),
            if is_judged { "yes" } else { "no" }.to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_has_256_blocks_or_more_and_nearly_the_wanted_bytes() {
        for entries in [2_000, 2_448, 3_817, 7_634, 19_087, 46_720, 1_000_000] {
            let wanted = entries * ENTRY_BYTES;
            let world = World::nearest(wanted);
            assert!(world.blocks >= FEWEST_BLOCKS, "{world:?}");
            let error = (world.block_bytes * world.blocks).abs_diff(wanted);
            assert!(error <= world.block_bytes / 2, "{world:?} for {wanted}");
        }
    }
}
