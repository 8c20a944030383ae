//! Values: bytes that follow from a key's number, and a sum that only their reader can know.
//!
//! The first eight bytes are the number, the last eight a hash of it, the middle is the same for all:
//! a value of any length is made by two stores, so that making it costs no measurement anything.

use rand::Rng;

use super::keys::random;

/// Bytes of either end that tell values apart.
const STAMP_BYTES: usize = 8;

/// Makes values of up to a length.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    middle: Vec<u8>,
    /// The middle, stamped with the last value that was asked for.
    stamped: Vec<u8>,
    last_end: usize,
}

impl Values {
    /// Of at most `longest_bytes`, which is 16 or more.
    pub(crate) fn new(longest_bytes: usize) -> Self {
        let mut middle = vec![0; longest_bytes];
        random(0x76_616c_7565).fill_bytes(&mut middle);
        Self {
            stamped: middle.clone(),
            middle,
            last_end: longest_bytes,
        }
    }

    /// The value of number `index` with `bytes` bytes, 16 or more.
    #[inline]
    pub(crate) fn make(&mut self, index: usize, bytes: usize) -> &[u8] {
        if bytes != self.last_end {
            let last = self.last_end - STAMP_BYTES..self.last_end;
            self.stamped[last.clone()].copy_from_slice(&self.middle[last]);
            self.last_end = bytes;
        }
        self.stamped[..STAMP_BYTES].copy_from_slice(&(index as u64).to_le_bytes());
        self.stamped[bytes - STAMP_BYTES..bytes].copy_from_slice(&hash(index).to_le_bytes());
        &self.stamped[..bytes]
    }

    /// Whether `value` is one of number `index`, of any length.
    pub(crate) fn is_value_of(&mut self, index: usize, value: &[u8]) -> bool {
        (2 * STAMP_BYTES..=self.middle.len()).contains(&value.len()) && self.make(index, value.len()) == value
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

/// What `fold` gives for every value of number `index`.
pub(crate) fn expected_fold(index: usize) -> u64 {
    (index as u64).wrapping_add(hash(index))
}

/// The first and the last byte of a value that is read in place.
#[inline]
pub(crate) fn ends_of(value: &[u8]) -> Option<[u8; 2]> {
    Some([*value.first()?, *value.last()?])
}

/// What `ends_of` gives for every value of number `index`.
pub(crate) fn expected_ends(index: usize) -> [u8; 2] {
    [index as u8, (hash(index) >> 56) as u8]
}

#[inline]
fn hash(index: usize) -> u64 {
    let bits = (index as u64 ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits ^ (bits >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_recognized_whatever_was_made_before_it() {
        let mut values = Values::new(150);
        let kept: Vec<(usize, Vec<u8>)> = [(1, 100), (2, 150), (3, 16), (4, 57), (5, 100)]
            .map(|(index, bytes)| (index, values.make(index, bytes).to_vec()))
            .to_vec();
        for (index, value) in &kept {
            assert!(values.is_value_of(*index, value));
            assert!(!values.is_value_of(index + 1, value));
            assert_eq!(fold(value), expected_fold(*index));
            assert_eq!(ends_of(value), Some(expected_ends(*index)));
        }
    }

    #[test]
    fn a_flipped_middle_is_no_value() {
        let mut values = Values::new(100);
        let mut value = values.make(7, 100).to_vec();
        value[50] ^= 1;
        assert!(!values.is_value_of(7, &value));
    }
}
