//! GET: informs the read path: how entries lie, what a hit writes, and which copy routine serves which
//! length. `get-copied` is the figure that decides whether one can move from a cache inside the process.

use std::ops::Range;

use super::{Operation, Room, Scratch, Spec, Tally};
use crate::error::BenchError;
use crate::peers::Cache;
use crate::workload::{Popularity, Stream, VALUE_BYTES, fold};

pub(super) const COPIED: Spec = Spec {
    title: "GET, Zipf 0.99, 100 B copied out",
    popularity: Popularity::Zipf,
    value_bytes: VALUE_BYTES,
    operation: Operation::Get,
    room: Room::Ample,
    is_paired: true,
};

pub(super) const UNIFORM: Spec = Spec {
    title: "GET, uniform, 100 B copied out",
    popularity: Popularity::Uniform,
    ..COPIED
};

pub(super) const BORROWED: Spec = Spec {
    title: "GET, Zipf 0.99, both ends of 100 B read in place",
    operation: Operation::Ends,
    is_paired: false,
    ..COPIED
};

pub(super) const KIB: Spec = Spec {
    title: "GET, Zipf 0.99, 1 KiB copied out",
    value_bytes: 1 << 10,
    is_paired: false,
    ..COPIED
};

pub(super) const KIB_64: Spec = Spec {
    title: "GET, uniform, 64 KiB copied out",
    popularity: Popularity::Uniform,
    value_bytes: 64 << 10,
    is_paired: false,
    ..COPIED
};

pub(super) const MIB: Spec = Spec {
    title: "GET, uniform, 1 MiB copied out",
    value_bytes: 1 << 20,
    ..KIB_64
};

/// Copies values out.
pub(crate) fn copied<C: Cache>(
    cache: &mut C,
    stream: &Stream,
    scratch: &mut Scratch,
    range: Range<usize>,
) -> Result<Tally, BenchError> {
    let mut tally = Tally::default();
    for at in range {
        let is_hit = cache.get(stream.key(at), &mut scratch.copy)?;
        tally.count(is_hit.then(|| fold(&scratch.copy)));
    }
    Ok(tally)
}

/// Reads the first and the last byte where they lie.
pub(crate) fn borrowed<C: Cache>(
    cache: &mut C,
    stream: &Stream,
    range: Range<usize>,
) -> Result<Tally, BenchError> {
    let mut tally = Tally::default();
    for at in range {
        let ends = cache.ends(stream.key(at))?;
        tally.count(ends.map(|ends| u64::from(u16::from_le_bytes(ends))));
    }
    Ok(tally)
}
