//! Keys: 16 to 40 printable bytes that follow from a number.

use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::SplitMix64;

const SHORTEST_BYTES: usize = 16;
const LONGEST_BYTES: usize = 40;
/// So that keys have nothing to do with other draws from small seeds.
const SALT: u64 = 0x6b65_7973;

/// A generator that starts at once from any seed, and is the same everywhere.
pub(crate) fn random(seed: u64) -> SplitMix64 {
    SplitMix64::seed_from_u64(seed)
}

/// The key of number `index`, in place of what `key` held.
pub(crate) fn write_key(index: usize, key: &mut Vec<u8>) {
    let mut random = random(index as u64 ^ SALT);
    let bytes = draw_bytes(&mut random);
    key.clear();
    let mut rest = index;
    let mut digits = [b'0'; 8];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key.extend_from_slice(&digits);
    key.push(b':');
    while key.len() < bytes {
        key.push(b'a' + (random.next_u64() % 26) as u8);
    }
}

/// The length of the key of number `index`.
pub(crate) fn key_bytes(index: usize) -> usize {
    draw_bytes(&mut random(index as u64 ^ SALT))
}

fn draw_bytes(random: &mut SplitMix64) -> usize {
    random.random_range(SHORTEST_BYTES..=LONGEST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_are_distinct_printable_and_of_all_lengths() {
        let mut key = Vec::new();
        let mut seen = HashSet::new();
        let mut lengths = HashSet::new();
        for index in 0..10_000 {
            write_key(index, &mut key);
            assert!(key.iter().all(u8::is_ascii_graphic));
            assert_eq!(key.len(), key_bytes(index));
            lengths.insert(key.len());
            assert!(seen.insert(key.clone()), "key {index} appears twice");
        }
        assert_eq!(lengths, (SHORTEST_BYTES..=LONGEST_BYTES).collect());
    }
}
