//! Counters that show every lost increment: each of four workers counts in a field of its own.
//!
//! A counter is a number of 63 bits: an epoch, and four fields of 12 bits. Worker `w` adds one to
//! field `w` only, so it knows what the field holds: one more after each of its increments, and the
//! same at every read, as long as the epoch is the same. A counter that was evicted or removed begins
//! with a new epoch, which the board numbers.

use std::collections::HashMap;

/// Workers that increment.
pub(super) const COUNTING_WORKERS: usize = 4;
/// Counters.
pub(super) const COUNTERS: u64 = 300;
const FIELD_BITS: u32 = 12;
const EPOCH_SHIFT: u32 = FIELD_BITS * COUNTING_WORKERS as u32;
const EPOCHS: u64 = 1 << 15;
/// A field that reached this is about to overflow into the next: the counter is removed.
const FULL: u64 = (1 << FIELD_BITS) - 200;

/// What one thread knows of its field in every counter.
#[derive(Debug)]
pub(super) struct Field {
    worker: usize,
    known: HashMap<u64, Known>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Known {
    epoch: u64,
    count: u64,
}

/// The number that begins epoch `epoch`.
#[must_use]
pub(super) const fn initial(epoch: u64) -> i64 {
    ((epoch % EPOCHS) << EPOCH_SHIFT).cast_signed()
}

impl Field {
    /// The field of worker `worker`.
    #[must_use]
    pub(super) fn new(worker: usize) -> Self {
        Self {
            worker,
            known: HashMap::new(),
        }
    }

    /// For one that only reads.
    #[must_use]
    pub(super) fn reader() -> Self {
        Self::new(usize::MAX)
    }

    /// Whether this worker has a field; others may only read.
    #[must_use]
    pub(super) const fn counts(&self) -> bool {
        self.worker < COUNTING_WORKERS
    }

    /// What this worker adds.
    #[must_use]
    pub(super) const fn one(&self) -> i64 {
        1 << (FIELD_BITS * self.worker as u32)
    }

    fn split(&self, number: i64) -> Known {
        let bits = number.cast_unsigned();
        Known {
            epoch: bits >> EPOCH_SHIFT,
            count: (bits >> (FIELD_BITS * self.worker as u32)) & ((1 << FIELD_BITS) - 1),
        }
    }

    /// An increment of `counter` by [`Field::one`] returned `sum`; `began` is the number it would
    /// have begun with. Returns what is wrong.
    pub(super) fn incremented(&mut self, counter: u64, sum: i64, began: i64) -> Result<(), String> {
        let now = self.split(sum);
        let before = self.known.insert(counter, now);
        if sum == began {
            return Ok(());
        }
        match before {
            Some(before) if before.epoch == now.epoch && now.count != before.count + 1 => Err(format!(
                "counter {counter}: the increment gave {} where {} was expected, in epoch {}",
                now.count,
                before.count + 1,
                now.epoch
            )),
            _ => Ok(()),
        }
    }

    /// A read of `counter` gave `number`. Returns what is wrong. It adds nothing to what is known: a
    /// former incarnation of this worker, killed in the middle of an increment, may have left one that
    /// takes effect with the next increment of whomever, but not after an own one.
    pub(super) fn read(&mut self, counter: u64, number: i64) -> Result<(), String> {
        if !self.counts() {
            return Ok(());
        }
        let now = self.split(number);
        match self.known.get(&counter) {
            Some(before) if before.epoch == now.epoch && now.count != before.count => Err(format!(
                "counter {counter}: read {} where {} was left, in epoch {}",
                now.count, before.count, now.epoch
            )),
            _ => Ok(()),
        }
    }

    /// An increment failed in a way that may have counted or not.
    pub(super) fn forget(&mut self, counter: u64) {
        self.known.remove(&counter);
    }

    /// Whether a field of `number` is about to overflow.
    #[must_use]
    pub(super) fn is_full(number: i64) -> bool {
        (0..COUNTING_WORKERS as u32)
            .any(|worker| (number.cast_unsigned() >> (FIELD_BITS * worker)) & ((1 << FIELD_BITS) - 1) > FULL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_increment_is_noticed_and_anothers_is_not() {
        let mut field = Field::new(1);
        let (one, others) = (field.one(), Field::new(2).one());
        let start = initial(5);
        assert_eq!(field.incremented(9, start, start), Ok(()));
        assert_eq!(field.incremented(9, start + one, initial(6)), Ok(()));
        assert_eq!(field.read(9, start + one + 7 * others), Ok(()));
        assert!(
            field.incremented(9, start + one, initial(6)).is_err(),
            "one was lost"
        );
        assert!(field.read(9, start).is_err(), "an older number came back");
        assert_eq!(field.read(9, initial(6)), Ok(()), "a new epoch");
        assert_eq!(field.read(8, start), Ok(()), "nothing is known of it");
        assert_eq!(
            field.incremented(8, start + 2 * one, initial(6)),
            Ok(()),
            "of a former incarnation"
        );
    }

    #[test]
    fn a_counter_is_replaced_before_a_field_overflows() {
        let one = Field::new(3).one();
        assert!(!Field::is_full(initial(77) + one * 3800));
        assert!(Field::is_full(initial(77) + one * 4000));
    }
}
