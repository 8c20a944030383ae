//! The smallest file that keeps a million entries: what one costs beyond its key and value.

use clap::Args;
use guira_segment::{Expiry, OpenError, Segment};

use crate::error::BenchError;
use crate::report::{print_goal, print_table};
use crate::workload::{VALUE_BYTES, Values};

const KEY_BYTES: usize = 24;
const STEP_BYTES: u64 = 256 << 10;
/// The goal, in bytes beyond key and value.
const MOST_BYTES_BEYOND: f64 = 60.0;

/// Bytes an entry costs.
#[derive(Debug, Args)]
pub(crate) struct SpaceArguments {
    /// A hundred thousand entries instead of a million
    #[arg(long)]
    quick: bool,
}

/// Finds the smallest file for each way to size the index.
pub(crate) fn run(arguments: &SpaceArguments) -> Result<(), BenchError> {
    let entries = if arguments.quick { 100_000 } else { 1_000_000 };
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
        "at most 60 bytes beyond key and value, everything counted",
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
        let mut values = Values::new(VALUE_BYTES);
        for index in 0..self.entries {
            let value = values.make(index as usize, VALUE_BYTES);
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

fn key(index: u64) -> [u8; KEY_BYTES] {
    let mut key = [b'k'; KEY_BYTES];
    key[..8].copy_from_slice(&index.to_le_bytes());
    key
}
