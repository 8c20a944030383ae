//! What an entry costs beyond its key and value: informs the header's size, rounding and tables.
//!
//! For Guira the smallest file that keeps every entry, everything in it counted; for peers what their
//! process or file grew by.

pub(crate) mod footprint;

use std::path::PathBuf;

use clap::Args;
use guira_segment::{Expiry, OpenError, Segment};
use rand::Rng;

use crate::error::BenchError;
use crate::peers::{Peer, installed, named_or_all};
use crate::report::{print_goal, print_table};
use crate::workload::{VALUE_BYTES, Values, random};

const KEY_BYTES: usize = 24;
const STEP_BYTES: u64 = 256 << 10;
/// The goal, in bytes beyond key and value.
const MOST_BYTES_BEYOND: f64 = 54.0;

/// Bytes an entry costs.
#[derive(Debug, Args)]
pub(crate) struct SpaceArguments {
    /// A hundred thousand entries instead of a million
    #[arg(long)]
    quick: bool,
    /// Beside whom; everybody, if nobody is named
    #[arg(long, value_enum, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Where files and sockets go: a file system in memory
    #[arg(long, default_value = "/dev/shm", value_name = "FOLDER")]
    directory: PathBuf,
}

/// Finds the smallest file for each way to size the index, then fills the peers.
pub(crate) fn run(arguments: &SpaceArguments) -> Result<(), BenchError> {
    let entries = if arguments.quick { 100_000 } else { 1_000_000 };
    guira(entries)?;
    let mut rows = Vec::new();
    for peer in installed(&named_or_all(&arguments.peers))? {
        let bytes = footprint::bytes_per_entry(peer, entries as usize, &arguments.directory)?;
        rows.push(vec![
            peer.name().to_owned(),
            format!("{bytes:.1}"),
            format!("{:.1}", footprint::beyond(bytes)),
        ]);
    }
    print_table(
        &format!("What {entries} entries of {KEY_BYTES} + {VALUE_BYTES} bytes take of memory"),
        &["peer", "bytes an entry", "beyond key and value"],
        &rows,
    );
    Ok(())
}

/// Bytes that an entry of Guira takes at best, everything in the file counted.
pub(crate) fn guira_bytes_per_entry(entries: u64) -> Result<f64, BenchError> {
    let plan = Plan {
        entries,
        index_entries: Some(entries),
    };
    Ok(plan.smallest()?.size_bytes as f64 / entries as f64)
}

fn guira(entries: u64) -> Result<(), BenchError> {
    let mut rows = Vec::new();
    let mut best = f64::INFINITY;
    for (name, index_entries) in [
        ("by default", None),
        ("for the entries", Some(entries)),
        ("for 88 % of them", Some(entries * 88 / 100)),
    ] {
        let plan = Plan {
            entries,
            index_entries,
        };
        let smallest = plan.smallest()?;
        let payload = (entries * (KEY_BYTES + VALUE_BYTES) as u64) as f64;
        let beyond = (smallest.size_bytes as f64 - payload) / entries as f64;
        best = best.min(beyond);
        rows.push(vec![
            name.to_owned(),
            smallest.size_bytes.to_string(),
            format!("{:.2}", beyond),
            format!("{:.1}", smallest.arena_bytes as f64 / entries as f64),
            format!(
                "{:.1}",
                (smallest.size_bytes - smallest.arena_bytes) as f64 / entries as f64
            ),
            format!("{:.1}", smallest.index_load() * 100.0),
            format!(
                "{:.2}",
                smallest.bytes_used as f64 / smallest.arena_bytes as f64 * 100.0
            ),
        ]);
    }
    print_table(
        &format!("The smallest file that keeps {entries} entries of {KEY_BYTES} + {VALUE_BYTES} bytes"),
        &[
            "index made",
            "bytes of the file",
            "bytes beyond key and value",
            "log bytes an entry",
            "other bytes an entry",
            "index load, %",
            "log in use, %",
        ],
        &rows,
    );
    print_goal(
        &format!("at most {MOST_BYTES_BEYOND} bytes beyond key and value, everything counted"),
        &format!("{best:.2}"),
        best <= MOST_BYTES_BEYOND,
    );
    Ok(())
}

/// What is to be kept, and for how many entries the index is made.
#[derive(Clone, Copy, Debug)]
struct Plan {
    entries: u64,
    index_entries: Option<u64>,
}

impl Plan {
    /// The figures of the smallest segment, to 256 KiB, that keeps every entry.
    ///
    /// Block sizes and table sizes step with powers of two, so keeping is not quite monotonous in the
    /// size: bisection ends near a boundary, and the sizes just below it are tried one by one.
    fn smallest(&self) -> Result<guira_segment::Stats, BenchError> {
        let payload_bytes = self.entries * (KEY_BYTES + VALUE_BYTES) as u64;
        let mut fails = payload_bytes / STEP_BYTES;
        let mut keeps = payload_bytes * 2 / STEP_BYTES;
        let mut best = self.try_size(keeps)?.ok_or(BenchError::NeverFits {
            up_to_bytes: keeps * STEP_BYTES,
        })?;
        while keeps - fails > 1 {
            let middle = fails.midpoint(keeps);
            match self.try_size(middle)? {
                Some(stats) => (keeps, best) = (middle, stats),
                None => fails = middle,
            }
        }
        for size in (keeps.saturating_sub(8)..keeps).rev() {
            if let Some(stats) = self.try_size(size)? {
                best = stats;
            }
        }
        Ok(best)
    }

    /// The segment's figures if it keeps every entry.
    fn try_size(&self, steps: u64) -> Result<Option<guira_segment::Stats>, BenchError> {
        let mut builder = Segment::builder().size(steps * STEP_BYTES);
        if let Some(entries) = self.index_entries {
            builder = builder.index_entries(entries);
        }
        let segment = match builder.private() {
            Ok(segment) => segment,
            // A log of a size that leaves no room for the tables.
            Err(OpenError::Options { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let values = Values::new(VALUE_BYTES);
        for index in 0..self.entries {
            let value = values.value(index as usize, VALUE_BYTES);
            segment.put(&key(index), value, Expiry::never())?;
            if index % 4096 == 0 && segment.stats().evictions > 0 {
                return Ok(None);
            }
        }
        let mut copy = Vec::new();
        let keeps_all = (0..self.entries).all(|index| {
            segment.get_into(&key(index), &mut copy) && values.is_value_of(index as usize, &copy)
        });
        Ok(keeps_all.then(|| segment.stats()))
    }
}

/// A printable key, as servers want it, in no order: pages of a sorted table are then half full at times.
fn key(index: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    let text = format!("{:016x}{index:08}", random(index).next_u64());
    key.copy_from_slice(text.as_bytes());
    key
}
