//! The keys a worker asks for, laid out in the order of asking.
//!
//! Reading them costs every subject of a measurement the same, and hardly anything. A stream is long
//! and repeats late: a log that is rewritten in the order of a short stream is read back in that
//! order, which the processor foresees.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, Zipf};
use serde::{Deserialize, Serialize};

use super::keys::{random, write_key};

/// Operations before a stream repeats.
const OPERATIONS: usize = 1 << 21;
/// As cache benchmarks usually take it.
const ZIPF_EXPONENT: f64 = 0.99;
/// The seed of which keys are popular: the same for all workers.
const RANKS_SEED: u64 = 0x7261_6e6b;

/// How often which key is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Popularity {
    /// By Zipf's law with exponent 0.99. Popularity has nothing to do with a key's number, so keys that
    /// were inserted one after another are not equally popular.
    Zipf,
    Uniform,
}

/// Keys in the order of asking.
#[derive(Debug)]
pub(crate) struct Stream {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    indices: Vec<u32>,
}

impl Stream {
    /// Draws from `keys` keys.
    pub(crate) fn new(keys: usize, popularity: Popularity, seed: u64) -> Self {
        Self::with_operations(OPERATIONS, keys, popularity, seed)
    }

    fn with_operations(operations: usize, keys: usize, popularity: Popularity, seed: u64) -> Self {
        let mut random = random(seed);
        let indices: Vec<u32> = match popularity {
            Popularity::Uniform => (0..operations)
                .map(|_| random.random_range(0..keys as u32))
                .collect(),
            Popularity::Zipf => {
                let mut key_of_rank: Vec<u32> = (0..keys as u32).collect();
                key_of_rank.shuffle(&mut self::random(RANKS_SEED));
                let zipf = Zipf::new(keys as f64, ZIPF_EXPONENT)
                    .expect("there is a key, and the exponent is positive");
                (0..operations)
                    .map(|_| key_of_rank[zipf.sample(&mut random) as usize - 1])
                    .collect()
            }
        };
        let mut stream = Self {
            bytes: Vec::with_capacity(operations * 29),
            ends: Vec::with_capacity(operations + 1),
            indices,
        };
        stream.ends.push(0);
        let mut key = Vec::new();
        for &index in &stream.indices {
            write_key(index as usize, &mut key);
            stream.bytes.extend_from_slice(&key);
            stream.ends.push(stream.bytes.len() as u32);
        }
        stream
    }

    pub(crate) fn len(&self) -> usize {
        self.indices.len()
    }

    #[inline]
    pub(crate) fn key(&self, operation: usize) -> &[u8] {
        &self.bytes[self.ends[operation] as usize..self.ends[operation + 1] as usize]
    }

    /// The number of the key that `operation` asks for.
    #[inline]
    pub(crate) fn index(&self, operation: usize) -> usize {
        self.indices[operation] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_popular_key_is_drawn_as_often_as_its_weight_says() {
        let draws = 200_000;
        let stream = Stream::with_operations(draws, 1000, Popularity::Zipf, 1);
        let mut times = vec![0_u32; 1000];
        for operation in 0..draws {
            times[stream.index(operation)] += 1;
        }
        let share = f64::from(*times.iter().max().expect("there are keys")) / draws as f64;
        let expected = 1.0
            / (1..=1000)
                .map(|rank| f64::from(rank).powf(-ZIPF_EXPONENT))
                .sum::<f64>();
        assert!((share - expected).abs() < 0.005, "{share} against {expected}");
    }

    #[test]
    fn a_stream_gives_the_keys_of_its_indices_and_the_same_again_from_the_same_seed() {
        for popularity in [Popularity::Zipf, Popularity::Uniform] {
            let stream = Stream::with_operations(5000, 1000, popularity, 7);
            let again = Stream::with_operations(5000, 1000, popularity, 7);
            let mut key = Vec::new();
            for operation in 0..stream.len() {
                write_key(stream.index(operation), &mut key);
                assert_eq!(stream.key(operation), key);
                assert_eq!(stream.key(operation), again.key(operation));
            }
        }
    }
}
