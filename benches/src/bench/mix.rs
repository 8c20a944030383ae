//! Gets and puts in turn: informs what writes cost the reads between them: stamps, counters and lanes
//! that others write to, and whether two processes gain over one.

use std::ops::Range;

use super::{Operation, Room, Scratch, Spec, Tally, get, is_read};
use crate::error::BenchError;
use crate::peers::Cache;
use crate::workload::{Stream, fold};

pub(super) const READS_95: Spec = Spec {
    title: "95 % GET, 5 % SET, Zipf 0.99, 100 B, slack 25 %",
    operation: Operation::Mix { reads_percent: 95 },
    room: Room::Slack { percent: 25 },
    ..get::COPIED
};

pub(super) const READS_50: Spec = Spec {
    title: "50 % GET, 50 % SET, Zipf 0.99, 100 B, slack 25 %",
    operation: Operation::Mix { reads_percent: 50 },
    ..READS_95
};

/// Reads `reads_percent` of the operations and stores the others.
pub(crate) fn mixed<C: Cache>(
    cache: &mut C,
    stream: &Stream,
    scratch: &mut Scratch,
    range: Range<usize>,
    reads_percent: usize,
) -> Result<Tally, BenchError> {
    let bytes = scratch.value_bytes;
    let mut tally = Tally::default();
    for at in range {
        if is_read(at, reads_percent) {
            let is_hit = cache.get(stream.key(at), &mut scratch.copy)?;
            tally.count(is_hit.then(|| fold(&scratch.copy)));
        } else {
            cache.put(stream.key(at), scratch.values.value(stream.index(at), bytes))?;
        }
    }
    Ok(tally)
}
