//! Keys, values and the order in which keys are asked for: all from a seed, the same in every process.

/// Bytes of every value.
pub(crate) const VALUE_BYTES: usize = 100;

const SHORTEST_KEY_BYTES: usize = 16;
const LONGEST_KEY_BYTES: usize = 40;

/// SplitMix64: enough for choosing keys, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number from 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The key of number `index`: 16 to 40 printable bytes, appended to `key` after clearing it.
pub(crate) fn write_key(index: usize, key: &mut Vec<u8>) {
    let mut random = Random::new(index as u64 ^ 0x6b65_7973);
    let bytes = SHORTEST_KEY_BYTES + random.below(LONGEST_KEY_BYTES - SHORTEST_KEY_BYTES + 1);
    key.clear();
    key.extend_from_slice(format!("{index:08}:").as_bytes());
    while key.len() < bytes {
        key.push(b'a' + random.below(26) as u8);
    }
}

/// The value of number `index`: its number, then bytes that follow from it.
pub(crate) fn value(index: usize) -> [u8; VALUE_BYTES] {
    let mut random = Random::new(index as u64 ^ 0x7661_6c75_6573);
    let mut value = [0; VALUE_BYTES];
    for chunk in value.chunks_mut(8) {
        let bytes = random.next_u64().to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    value[..8].copy_from_slice(&(index as u64).to_le_bytes());
    value
}

/// Ranks drawn by Zipf's law: rank r (from 0) with weight 1 / (r + 1)^exponent.
#[derive(Debug)]
pub(crate) struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=ranks)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        Self { cumulative }
    }

    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let at = random.unit() * total;
        let rank = self.cumulative.partition_point(|&sum| sum <= at);
        rank.min(self.cumulative.len().saturating_sub(1))
    }
}

/// The keys a worker asks for, laid out in the order of asking: reading them costs every subject
/// of a measurement the same, and hardly anything.
#[derive(Debug)]
pub(crate) struct Stream {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    indices: Vec<u32>,
}

impl Stream {
    /// `operations` draws from `keys` keys by Zipf's law. Popularity has nothing to do with a key's
    /// number, so neighbours in the order of insertion are not equally hot.
    pub(crate) fn zipf(keys: usize, exponent: f64, operations: usize, seed: u64) -> Self {
        let zipf = Zipf::new(keys, exponent);
        let key_of_rank = shuffled(keys, 0x7261_6e6b);
        let mut random = Random::new(seed);
        let mut stream = Self {
            bytes: Vec::with_capacity(operations * 29),
            ends: vec![0],
            indices: Vec::with_capacity(operations),
        };
        let mut key = Vec::new();
        for _ in 0..operations {
            let index = key_of_rank[zipf.draw(&mut random)];
            write_key(index as usize, &mut key);
            stream.bytes.extend_from_slice(&key);
            stream.ends.push(stream.bytes.len() as u32);
            stream.indices.push(index);
        }
        stream
    }

    pub(crate) fn len(&self) -> usize {
        self.indices.len()
    }

    pub(crate) fn key(&self, operation: usize) -> &[u8] {
        &self.bytes[self.ends[operation] as usize..self.ends[operation + 1] as usize]
    }

    /// The number of the key that `operation` asks for.
    pub(crate) fn index(&self, operation: usize) -> usize {
        self.indices[operation] as usize
    }
}

/// The numbers below `count` in an order that follows from `seed` (Fisher-Yates).
fn shuffled(count: usize, seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    let mut numbers: Vec<u32> = (0..count as u32).collect();
    for last in (1..count).rev() {
        numbers.swap(last, random.below(last + 1));
    }
    numbers
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
            lengths.insert(key.len());
            assert!(seen.insert(key.clone()), "key {index} appears twice");
        }
        assert_eq!(lengths, (SHORTEST_KEY_BYTES..=LONGEST_KEY_BYTES).collect());
    }

    #[test]
    fn the_first_rank_of_zipf_is_drawn_as_often_as_its_weight_says() {
        let zipf = Zipf::new(1000, 0.99);
        let mut random = Random::new(1);
        let draws = 200_000;
        let firsts = (0..draws).filter(|_| zipf.draw(&mut random) == 0).count();
        let expected = 1.0 / (1..=1000).map(|rank| f64::from(rank).powf(-0.99)).sum::<f64>();
        let share = firsts as f64 / f64::from(draws);
        assert!((share - expected).abs() < 0.005, "{share} against {expected}");
    }

    #[test]
    fn a_stream_gives_the_keys_of_its_indices_and_the_same_again_from_the_same_seed() {
        let stream = Stream::zipf(1000, 0.99, 5000, 7);
        let again = Stream::zipf(1000, 0.99, 5000, 7);
        let mut key = Vec::new();
        for operation in 0..stream.len() {
            write_key(stream.index(operation), &mut key);
            assert_eq!(stream.key(operation), key);
            assert_eq!(stream.key(operation), again.key(operation));
        }
    }
}
