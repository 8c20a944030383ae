//! The expensive function, whose values carry their own proof.
//!
//! It hashes an object's number and version again and again, some 50 us of honest work. A value
//! holds both numbers, the result, as many bytes drawn from it as fill the value, and a check over
//! all: [`Function::version_in`] tells at once whether a value is whole and whose it is, and
//! computing it again tells the rest.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::random::Random;

/// Object, version, result and check.
pub(crate) const MIN_VALUE_BYTES: usize = 32;
const WORD_BYTES: usize = 8;

/// How much work, and how large its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Function {
    pub(crate) rounds: u64,
    pub(crate) value_bytes: usize,
}

impl Function {
    /// A function that takes about `work` on this machine.
    pub(crate) fn calibrated(work: Duration, value_bytes: usize) -> Self {
        // The best of some attempts: others use the machine too.
        const ROUNDS: u64 = 100_000;
        let fastest = (0..5)
            .map(|attempt| {
                let begin = Instant::now();
                std::hint::black_box(hashed(attempt, 0, ROUNDS));
                begin.elapsed()
            })
            .min()
            .unwrap_or(work);
        let rounds = work.as_nanos() * u128::from(ROUNDS) / fastest.as_nanos().max(1);
        Self {
            rounds: u64::try_from(rounds).unwrap_or(u64::MAX).max(1),
            value_bytes: value_bytes.max(MIN_VALUE_BYTES),
        }
    }

    /// The value of an object in one version: the work itself.
    pub(crate) fn compute(self, object: u32, version: u64) -> Vec<u8> {
        let result = hashed(u64::from(object), version, self.rounds);
        let mut value = Vec::with_capacity(self.value_bytes + WORD_BYTES);
        for word in [u64::from(object), version, result] {
            value.extend_from_slice(&word.to_le_bytes());
        }
        let mut filling = Random::new(result);
        while value.len() < self.value_bytes - WORD_BYTES {
            value.extend_from_slice(&filling.next_u64().to_le_bytes());
        }
        value.truncate(self.value_bytes - WORD_BYTES);
        let check = xxh3_64(&value);
        value.extend_from_slice(&check.to_le_bytes());
        value
    }

    /// The version in `value`, if that is a whole value of `object`.
    pub(crate) fn version_in(self, value: &[u8], object: u32) -> Option<u64> {
        let (body, check) = value.split_last_chunk::<WORD_BYTES>()?;
        let (stored_object, rest) = body.split_first_chunk::<WORD_BYTES>()?;
        let version = rest.first_chunk::<WORD_BYTES>()?;
        let whole = value.len() == self.value_bytes
            && u64::from_le_bytes(*stored_object) == u64::from(object)
            && u64::from_le_bytes(*check) == xxh3_64(body);
        whole.then_some(u64::from_le_bytes(*version))
    }
}

/// Each round needs the one before, so no machine skips any.
fn hashed(object: u64, version: u64, rounds: u64) -> u64 {
    let mut state = xxh3_64_with_seed(&version.to_le_bytes(), object);
    for round in 0..rounds {
        state = xxh3_64_with_seed(&state.to_le_bytes(), round);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: Function = Function {
        rounds: 10,
        value_bytes: 100,
    };

    #[test]
    fn a_value_proves_its_object_and_version() {
        let value = FUNCTION.compute(7, 3);
        assert_eq!(value.len(), 100);
        assert_eq!(FUNCTION.version_in(&value, 7), Some(3));
        assert_eq!(FUNCTION.version_in(&value, 8), None);
        assert_eq!(FUNCTION.version_in(&value[..99], 7), None);
        assert_eq!(FUNCTION.version_in(b"", 7), None);
        for place in [0, 8, 16, 50, 99] {
            let mut flipped = value.clone();
            flipped[place] ^= 1;
            assert_eq!(FUNCTION.version_in(&flipped, 7), None, "byte {place}");
        }
    }

    #[test]
    fn the_same_version_has_the_same_value_and_another_has_another() {
        assert_eq!(FUNCTION.compute(7, 3), FUNCTION.compute(7, 3));
        assert_ne!(FUNCTION.compute(7, 3)[16..24], FUNCTION.compute(7, 4)[16..24]);
    }

    #[test]
    fn calibration_finds_the_work_that_was_asked_for() {
        let wanted = Duration::from_micros(200);
        let function = Function::calibrated(wanted, 100);
        // Only from below: others may use the machine meanwhile.
        let fastest = (0..20)
            .map(|object| {
                let begin = Instant::now();
                std::hint::black_box(function.compute(object, 0));
                begin.elapsed()
            })
            .min()
            .expect("twenty attempts");
        assert!(fastest > wanted / 4, "{fastest:?}");
    }
}
