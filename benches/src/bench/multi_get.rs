//! Multi-GET: informs how a batch is staged: prefetching slots, then entries, then copying. Its limit
//! is a raw loop that prefetches too.

use std::ops::Range;

use super::{Operation, Scratch, Spec, Tally, get};
use crate::error::BenchError;
use crate::peers::Cache;
use crate::workload::{Stream, fold};

/// Keys of one call.
pub(crate) const KEYS: usize = 100;

pub(super) const HUNDRED: Spec = Spec {
    title: "multi-GET of 100 keys, Zipf 0.99, 100 B copied out, for each key",
    operation: Operation::GetMany,
    is_paired: false,
    ..get::COPIED
};

/// Looks the keys of `range` up in batches; `range` is a multiple of `KEYS` long.
pub(crate) fn batches<C: Cache>(
    cache: &mut C,
    stream: &Stream,
    scratch: &mut Scratch,
    range: Range<usize>,
) -> Result<Tally, BenchError> {
    let mut tally = Tally::default();
    let mut keys: [&[u8]; KEYS] = [&[]; KEYS];
    for first in range.step_by(KEYS) {
        for (at, key) in (first..).zip(&mut keys) {
            *key = stream.key(at);
        }
        let (mut hits, mut sum) = (0, 0_u64);
        cache.get_many(&keys, &mut scratch.copy, |value| {
            hits += 1;
            sum = sum.wrapping_add(fold(value));
        })?;
        tally += Tally {
            reads: KEYS as u64,
            hits,
            sum,
        };
    }
    Ok(tally)
}
