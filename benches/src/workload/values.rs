//! Values: bytes that follow from a key's number, and a sum that only their reader can know.
//!
//! A value is a piece of a small table of random bytes, which lies in the nearest cache as a value that
//! was just computed would. It is not written anew for each operation: a copy that reads bytes just
//! stored waits for all stores before them, and the operations of a loop would overlap no more.

use rand::Rng;

use super::keys::random;

/// Different values; keys share them by their number.
const VARIANTS: usize = 256;
/// From the start of one value to that of the next.
const STEP_BYTES: usize = 64;
const SEED: u64 = 0x76_616c_7565;

/// The values of all keys, of up to a length.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    table: Vec<u8>,
}

impl Values {
    /// Of at most `longest_bytes`.
    pub(crate) fn new(longest_bytes: usize) -> Self {
        let mut table = vec![0; VARIANTS * STEP_BYTES + longest_bytes];
        random(SEED).fill_bytes(&mut table);
        Self { table }
    }

    /// The value of number `index` with `bytes` bytes.
    #[inline]
    pub(crate) fn value(&self, index: usize, bytes: usize) -> &[u8] {
        let start = index % VARIANTS * STEP_BYTES;
        &self.table[start..start + bytes]
    }

    /// Whether `value` is one of number `index`, of any length.
    pub(crate) fn is_value_of(&self, index: usize, value: &[u8]) -> bool {
        let longest_bytes = self.table.len() - VARIANTS * STEP_BYTES;
        value.len() <= longest_bytes && self.value(index, value.len()) == value
    }
}

/// What a reader of `value` adds to its sum: both ends of it.
#[inline]
pub(crate) fn fold(value: &[u8]) -> u64 {
    let (Some(first), Some(last)) = (value.first_chunk(), value.last_chunk()) else {
        return 0;
    };
    u64::from_le_bytes(*first).wrapping_add(u64::from_le_bytes(*last))
}

/// The first and the last byte of a value that is read in place.
#[inline]
pub(crate) fn ends_of(value: &[u8]) -> Option<[u8; 2]> {
    Some([*value.first()?, *value.last()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_value_is_told_from_those_of_other_keys_whatever_its_length() {
        let values = Values::new(150);
        for bytes in [16, 50, 100, 150] {
            let value = values.value(7, bytes);
            assert_eq!(value.len(), bytes);
            assert!(values.is_value_of(7, value));
            assert!(values.is_value_of(7 + VARIANTS, value));
            assert!(!values.is_value_of(8, value));
        }
        assert!(!values.is_value_of(7, &[0; 151]));
        let folds: HashSet<u64> = (0..VARIANTS)
            .map(|index| fold(values.value(index, 100)))
            .collect();
        assert_eq!(folds.len(), VARIANTS);
    }

    #[test]
    fn a_flipped_middle_is_no_value() {
        let values = Values::new(100);
        let mut value = values.value(7, 100).to_vec();
        value[50] ^= 1;
        assert!(!values.is_value_of(7, &value));
    }
}
