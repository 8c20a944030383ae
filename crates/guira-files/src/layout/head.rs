//! The head of a value file: whose value it is and what it was when it was written.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `GUIRAVAL` |
//! | 8..12, 12..16 | version; bytes of the head, a multiple of 64: the value begins there |
//! | 16..24, 24..32 | life of the table; the file's number |
//! | 32..40, 40..48 | bytes of the value; its XXH3 |
//! | 48..56, 56..64 | hashes of the key and of its namespace's name |
//! | 64..72 | the segment's invalidation clock at which the value was born |
//! | 72..80, 80..88 | hard and soft deadline in ms of the wall clock, all ones for none |
//! | 88..96 | when it was written, in ms of the wall clock |
//! | 96..100, 100..104 | bytes of the key; the writer's number for the kind of the bytes (codec) |
//! | 104..112 | XXH3 of the head with zeroes here, and of the key |
//! | 112.. | the key, then zeroes up to the value |
//!
//! Value and head are one file that is written once: they cannot disagree. Deadlines here are those of the time of
//! writing; the segment's entry knows later ones.

use xxhash_rust::xxh3::Xxh3;

/// `GUIRAVAL`.
pub(crate) const HEAD_MAGIC: [u8; 8] = *b"GUIRAVAL";
/// Bytes before the key.
pub(crate) const HEAD_FIXED_BYTES: usize = 112;
/// The value begins at a multiple of this.
pub(crate) const VALUE_ALIGN_BYTES: usize = 64;
/// Where the value begins in a file that shares its blocks with another.
pub(crate) const SHARED_HEAD_BYTES: usize = 4096;
/// A longer head is none: the longest key is shorter.
pub(crate) const MAX_HEAD_BYTES: usize = 128 << 10;

const CHECK_AT: usize = 104;

/// A head that was written or read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) head_bytes: u32,
    pub(crate) life: u64,
    pub(crate) number: u64,
    pub(crate) value_bytes: u64,
    pub(crate) checksum: u64,
    pub(crate) key_hash: u64,
    pub(crate) namespace_hash: u64,
    pub(crate) birth: u64,
    pub(crate) hard_ms: u64,
    pub(crate) soft_ms: u64,
    pub(crate) made_ms: u64,
    pub(crate) kind: u32,
    pub(crate) key: Vec<u8>,
}

/// How long the head of a value of `key` is; `is_shared` if its file shares blocks with another.
pub(crate) fn head_bytes(key: &[u8], is_shared: bool) -> usize {
    let bytes = (HEAD_FIXED_BYTES + key.len()).next_multiple_of(VALUE_ALIGN_BYTES);
    if is_shared {
        bytes.next_multiple_of(SHARED_HEAD_BYTES)
    } else {
        bytes
    }
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.head_bytes as usize);
        bytes.extend_from_slice(&HEAD_MAGIC);
        bytes.extend_from_slice(&1_u32.to_le_bytes());
        bytes.extend_from_slice(&self.head_bytes.to_le_bytes());
        for word in [
            self.life,
            self.number,
            self.value_bytes,
            self.checksum,
            self.key_hash,
            self.namespace_hash,
            self.birth,
            self.hard_ms,
            self.soft_ms,
            self.made_ms,
        ] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.key.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.kind.to_le_bytes());
        let check = check_of(&bytes, &self.key);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes.extend_from_slice(&self.key);
        bytes.resize(self.head_bytes as usize, 0);
        bytes
    }

    /// The head that `bytes`, the beginning of a file, are; `None` if they are none, or damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let fixed: &[u8; HEAD_FIXED_BYTES] = bytes.first_chunk()?;
        let half = |at: usize| {
            let half = fixed.get(at..at + 4)?.first_chunk::<4>()?;
            Some(u32::from_le_bytes(*half))
        };
        let word = |at: usize| {
            let word = fixed.get(at..at + 8)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*word))
        };
        if !fixed.starts_with(&HEAD_MAGIC) || half(8)? != 1 {
            return None;
        }
        let (head_bytes, key_bytes) = (half(12)?, half(96)? as usize);
        let key = bytes.get(HEAD_FIXED_BYTES..HEAD_FIXED_BYTES.checked_add(key_bytes)?)?;
        let is_fitting = head_bytes as usize >= HEAD_FIXED_BYTES + key_bytes
            && (head_bytes as usize).is_multiple_of(VALUE_ALIGN_BYTES)
            && head_bytes as usize <= MAX_HEAD_BYTES;
        if !is_fitting || word(CHECK_AT)? != check_of(fixed.get(..CHECK_AT)?, key) {
            return None;
        }
        Some(Self {
            head_bytes,
            life: word(16)?,
            number: word(24)?,
            value_bytes: word(32)?,
            checksum: word(40)?,
            key_hash: word(48)?,
            namespace_hash: word(56)?,
            birth: word(64)?,
            hard_ms: word(72)?,
            soft_ms: word(80)?,
            made_ms: word(88)?,
            kind: half(100)?,
            key: key.to_vec(),
        })
    }
}

fn check_of(fixed: &[u8], key: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(fixed);
    hasher.update(&[0; 8]);
    hasher.update(key);
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            head_bytes: 128,
            life: 1,
            number: 2,
            value_bytes: 3,
            checksum: 4,
            key_hash: 5,
            namespace_hash: 6,
            birth: 7,
            hard_ms: 8,
            soft_ms: u64::MAX,
            made_ms: 9,
            kind: 10,
            key: b"a plum".to_vec(),
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written_and_no_flipped_bit_passes() {
        let bytes = head().encode();
        assert_eq!(bytes.len(), 128);
        assert_eq!(head_bytes(b"a plum", false), 128);
        assert_eq!(head_bytes(b"a plum", true), 4096);
        assert_eq!(Head::parse(&bytes), Some(head()));
        assert_eq!(bytes[..20], *b"GUIRAVAL\x01\0\0\0\x80\0\0\0\x01\0\0\0");
        for bit in 0..(HEAD_FIXED_BYTES + 6) * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Head::parse(&flipped), Some(head()), "bit {bit}");
            assert_eq!(Head::parse(&flipped), None, "bit {bit}");
        }
        for length in 0..HEAD_FIXED_BYTES + 6 {
            assert_eq!(Head::parse(&bytes[..length]), None);
        }
    }
}
