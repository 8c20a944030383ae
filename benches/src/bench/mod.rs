//! The workloads: what each does, and which decision its figures inform.

mod expected;
pub(crate) mod get;
pub(crate) mod latency;
pub(crate) mod mix;
pub(crate) mod multi_get;
pub(crate) mod set;
mod workload;

pub(crate) use expected::{Tally, expected_sum};
pub(crate) use workload::{Operation, Room, Spec, Workers, Workload};

use crate::workload::Values;

/// What a worker needs beside the cache and the stream: made once, so that no lap allocates.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) copy: Vec<u8>,
    pub(crate) values: Values,
    pub(crate) value_bytes: usize,
}

/// A number from 0 to below `bound` that follows from the operation's place in the stream.
#[inline]
fn draw(operation: usize, bound: usize) -> usize {
    let bits = (operation as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    ((bits * bound as u64) >> 32) as usize
}

/// The bytes of the value that `operation` stores, half to one and a half times the usual.
#[inline]
fn other_size(operation: usize, value_bytes: usize) -> usize {
    value_bytes / 2 + draw(operation, value_bytes + 1)
}

/// Whether `operation` of a mix reads.
#[inline]
fn is_read(operation: usize, reads_percent: usize) -> bool {
    draw(operation, 100) < reads_percent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_reads_are_spread_as_asked_for() {
        let sizes: Vec<usize> = (0..10_000).map(|operation| other_size(operation, 100)).collect();
        assert_eq!(sizes.iter().min(), Some(&50));
        assert_eq!(sizes.iter().max(), Some(&150));
        let mean = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
        assert!((mean - 100.0).abs() < 1.0, "{mean}");
        let reads = (0..10_000).filter(|&operation| is_read(operation, 95)).count();
        assert!((9_450..=9_550).contains(&reads), "{reads}");
    }
}
