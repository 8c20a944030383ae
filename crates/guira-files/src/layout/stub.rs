//! What stands for a value file in a segment's entry.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | [`STUB_MAGIC`]; no text and no value of a cache begins so |
//! | 8..16 | the life of the table, which the file's record is in |
//! | 16..24 | the file's number |
//! | 24..28 | the record |
//! | 28..32 | bytes of the head before the value: 0 for a linked file |
//! | 32..40 | bytes of the value |
//! | 40..48 | XXH3 of the value |
//! | 48..56 | XXH3 of the bytes before it |

use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a stub.
pub const STUB_BYTES: usize = 56;

pub(crate) const STUB_MAGIC: [u8; 8] = *b"\xfe\xffguira\x01";

/// A stub that was read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stub {
    pub(crate) life: u64,
    pub(crate) number: u64,
    pub(crate) record: u32,
    pub(crate) head_bytes: u32,
    pub(crate) value_bytes: u64,
    pub(crate) checksum: u64,
}

impl Stub {
    /// The stub that `stored` is; `None` for anything else.
    #[must_use]
    #[inline]
    pub fn parse(stored: &[u8]) -> Option<Self> {
        if stored.len() != STUB_BYTES || !stored.starts_with(&STUB_MAGIC) {
            return None;
        }
        let word = |at: usize| {
            let bytes = stored.get(at..at + 8)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*bytes))
        };
        if word(48)? != xxh3_64(stored.get(..48)?) {
            return None;
        }
        let parts = word(24)?;
        Some(Self {
            life: word(8)?,
            number: word(16)?,
            record: parts as u32,
            head_bytes: (parts >> 32) as u32,
            value_bytes: word(32)?,
            checksum: word(40)?,
        })
    }

    /// Whether `stored` looks like a stub and may not be stored as a value of its own.
    #[must_use]
    pub fn is_like(stored: &[u8]) -> bool {
        stored.len() == STUB_BYTES && stored.starts_with(&STUB_MAGIC)
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; STUB_BYTES] {
        let mut bytes = [0; STUB_BYTES];
        let words = [
            u64::from_le_bytes(STUB_MAGIC),
            self.life,
            self.number,
            u64::from(self.head_bytes) << 32 | u64::from(self.record),
            self.value_bytes,
            self.checksum,
        ];
        for (room, word) in bytes.chunks_exact_mut(8).zip(words) {
            room.copy_from_slice(&word.to_le_bytes());
        }
        let (before, check) = bytes.split_at_mut(48);
        check.copy_from_slice(&xxh3_64(before).to_le_bytes());
        bytes
    }

    /// Bytes of the value.
    #[must_use]
    pub const fn value_bytes(&self) -> u64 {
        self.value_bytes
    }

    /// The file's number, which no other file of the directory ever has.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    pub(crate) const fn is_linked(&self) -> bool {
        self.head_bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUB: Stub = Stub {
        life: 1,
        number: 2,
        record: 3,
        head_bytes: 192,
        value_bytes: 5,
        checksum: 6,
    };

    #[test]
    fn every_flipped_bit_of_a_stub_is_seen() {
        let bytes = STUB.encode();
        assert_eq!(Stub::parse(&bytes), Some(STUB));
        assert_eq!(
            bytes[..34],
            *b"\xfe\xffguira\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\xc0\0\0\0\x05\0"
        );
        for bit in 0..STUB_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Stub::parse(&flipped), None, "bit {bit}");
        }
        assert!(std::str::from_utf8(&bytes).is_err());
    }
}
