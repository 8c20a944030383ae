//! SET: informs the write path and reclaim: the order of prefetches, how much slack a log needs, and
//! what an eviction costs. Every log has turned over before anything is measured.

use std::ops::Range;

use super::{Operation, Room, Scratch, Spec, Tally, get, other_size};
use crate::error::BenchError;
use crate::peers::Cache;
use crate::workload::{Popularity, Stream};

pub(super) const UNIFORM: Spec = Spec {
    title: "SET, uniform, 100 B as before, every entry kept, slack 25 %",
    popularity: Popularity::Uniform,
    operation: Operation::Put,
    room: Room::Slack { percent: 25 },
    ..get::COPIED
};

pub(super) const UNIFORM_ROOMY: Spec = Spec {
    title: "SET, uniform, 100 B as before, every entry kept, slack 100 %",
    room: Room::Slack { percent: 100 },
    is_paired: false,
    ..UNIFORM
};

pub(super) const OTHER_SIZE: Spec = Spec {
    title: "SET, uniform, 50 to 150 B, every entry kept, slack 25 %",
    operation: Operation::PutOtherSize,
    is_paired: false,
    ..UNIFORM
};

pub(super) const EVICTING: Spec = Spec {
    title: "SET, uniform, 100 B, room for a tenth",
    room: Room::Tenth,
    ..UNIFORM
};

/// Stores values as long as those that they replace.
pub(crate) fn same_size<C: Cache>(
    cache: &mut C,
    stream: &Stream,
    scratch: &mut Scratch,
    range: Range<usize>,
) -> Result<Tally, BenchError> {
    let bytes = scratch.value_bytes;
    for at in range {
        cache.put(stream.key(at), scratch.values.value(stream.index(at), bytes))?;
    }
    Ok(Tally::default())
}

/// Stores values of half to one and a half times the usual length.
pub(crate) fn other_sizes<C: Cache>(
    cache: &mut C,
    stream: &Stream,
    scratch: &mut Scratch,
    range: Range<usize>,
) -> Result<Tally, BenchError> {
    for at in range {
        let bytes = other_size(at, scratch.value_bytes);
        cache.put(stream.key(at), scratch.values.value(stream.index(at), bytes))?;
    }
    Ok(Tally::default())
}
