//! Values that tell whose they are and when their put began; all their other bytes follow from that.

use nix::time::{ClockId, clock_gettime};

/// Xorshift: any stream will do.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end.max(1)
    }

    /// From 0 to 1.
    pub(crate) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// As many of each magnitude.
    pub(crate) fn size(&mut self, least: u64, most: u64) -> u64 {
        let (least, most) = (least as f64, most as f64);
        (least * (most / least).powf(self.part())) as u64
    }

    /// One of `count`, the first far more often than the last: the n-th about 1/n as often.
    pub(crate) fn skewed(&mut self, count: u64) -> u64 {
        let at = (count as f64).powf(self.part()) as u64;
        at.saturating_sub(1).min(count.saturating_sub(1))
    }
}

/// A moment, the same for all processes of the machine, that only grows.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every kernel has this clock");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

/// The key's bytes.
pub(crate) fn name(key: u64) -> Vec<u8> {
    format!("key {key}").into_bytes()
}

const HEAD_BYTES: usize = 24;

/// The value of `key` whose put begins at `version`, a moment.
pub(crate) fn value(key: u64, version: u64, length: u64) -> Vec<u8> {
    let length = (length as usize).max(HEAD_BYTES);
    let mut bytes = Vec::with_capacity(length + 8);
    for word in [key, version, length as u64] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    let mut random = Random::new(key ^ version.rotate_left(20));
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// When the put of this value of `key` began; an error if it is none, down to its last byte.
pub(crate) fn version_of(key: u64, bytes: &[u8]) -> Result<u64, String> {
    let word = |at: usize| {
        bytes
            .get(at..at + 8)?
            .first_chunk()
            .map(|word| u64::from_le_bytes(*word))
    };
    let (Some(own), Some(version), Some(length)) = (word(0), word(8), word(16)) else {
        return Err(format!("{} bytes are no value", bytes.len()));
    };
    if own != key || length != bytes.len() as u64 {
        return Err(format!(
            "{} bytes for key {key} say that they are {length} of key {own}",
            bytes.len()
        ));
    }
    let mut random = Random::new(key ^ version.rotate_left(20));
    let is_right = bytes.get(HEAD_BYTES..).unwrap_or_default().chunks(8).all(|part| {
        let expected = random.next().to_le_bytes();
        expected.starts_with(part)
    });
    if is_right {
        Ok(version)
    } else {
        Err(format!(
            "{length} bytes of key {key} are not those that were put at {version}"
        ))
    }
}
