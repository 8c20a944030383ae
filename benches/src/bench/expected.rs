//! What an honest reader must have seen: the sum over the values that a lap read.

use std::ops::{AddAssign, Range};

use super::{Operation, is_read};
use crate::workload::{Stream, Values, ends_of, fold};

/// What some operations read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) reads: u64,
    pub(crate) hits: u64,
    /// Over both ends of every value read.
    pub(crate) sum: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.reads += other.reads;
        self.hits += other.hits;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl Tally {
    #[inline]
    pub(crate) fn count(&mut self, hit: Option<u64>) {
        self.reads += 1;
        if let Some(sum) = hit {
            self.hits += 1;
            self.sum = self.sum.wrapping_add(sum);
        }
    }
}

/// The sum that reading the operations of `range` gives if every value is the one that was stored.
pub(crate) fn expected_sum(
    operation: Operation,
    stream: &Stream,
    (values, value_bytes): (&Values, usize),
    range: Range<usize>,
) -> u64 {
    let one = |at: usize| {
        let value = values.value(stream.index(at), value_bytes);
        match operation {
            Operation::Get | Operation::GetMany | Operation::TimedGet => fold(value),
            Operation::Ends => ends_of(value).map_or(0, |ends| u64::from(u16::from_le_bytes(ends))),
            Operation::Mix { reads_percent } if is_read(at, reads_percent) => fold(value),
            Operation::Mix { .. } | Operation::Put | Operation::PutOtherSize | Operation::TimedPut => 0,
        }
    };
    range.fold(0, |sum, at| sum.wrapping_add(one(at)))
}
