//! Values that carry their own proof: who wrote them, for which key, and a check over every byte.
//!
//! A value is one record, or several in a row where values were appended. Whoever reads one can tell
//! without any other knowledge whether it is what some writer wrote for this key.

use xxhash_rust::xxh3::xxh3_64;

const HEAD_BYTES: usize = 40;
const CHECK_BYTES: usize = 8;
/// The shortest record.
pub const MIN_RECORD_BYTES: usize = HEAD_BYTES + CHECK_BYTES;
/// The tag of a record that was stored without one.
pub const NO_TAG: u16 = u16::MAX;

/// What a record says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// The key it was written for.
    pub key: u64,
    /// Who wrote it: unique to one incarnation of one thread of one worker.
    pub writer: u64,
    /// The writer's count of operations when it wrote.
    pub sequence: u64,
    /// What the source held when the value was computed; 0 where there is no source.
    pub version: u64,
    /// Bytes of the record, itself included.
    pub record_bytes: u32,
    /// What the experiment makes of it.
    pub kind: u16,
    /// The tag it was stored with, or [`NO_TAG`].
    pub tag: u16,
}

/// Why bytes are not what a writer wrote for the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// No record fits the bytes.
    Length {
        /// Where the record begins.
        offset: usize,
        /// Bytes of the whole value.
        value_bytes: usize,
    },
    /// The check does not fit the bytes: torn or overwritten.
    Check {
        /// Where the record begins.
        offset: usize,
        /// Bytes of the whole value.
        value_bytes: usize,
    },
    /// An intact record of another key.
    Key {
        /// Whose it is.
        found: u64,
    },
}

impl Record {
    /// Appends the record's bytes to `out`; its body is a function of the fields.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.key.to_le_bytes());
        out.extend_from_slice(&self.writer.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.record_bytes.to_le_bytes());
        out.extend_from_slice(&self.kind.to_le_bytes());
        out.extend_from_slice(&self.tag.to_le_bytes());
        let end = begin + self.record_bytes as usize - CHECK_BYTES;
        let mut word = self.sequence ^ self.writer.rotate_left(32) ^ self.key;
        while out.len() < end {
            word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            let bytes = word.to_le_bytes();
            let take = bytes.len().min(end - out.len());
            out.extend(bytes.iter().take(take));
        }
        let check = xxh3_64(out.get(begin..).unwrap_or_default());
        out.extend_from_slice(&check.to_le_bytes());
    }
}

/// Checks every record of `value` and returns the first.
///
/// # Errors
/// What is wrong with the first bad one.
pub fn read_value(value: &[u8], key: u64) -> Result<Record, Damage> {
    let mut first = None;
    let mut offset = 0;
    while first.is_none() || offset < value.len() {
        let rest = value.get(offset..).unwrap_or_default();
        let record = read_record(rest, offset, value.len())?;
        if record.key != key {
            return Err(Damage::Key { found: record.key });
        }
        first = first.or(Some(record));
        offset += record.record_bytes as usize;
    }
    first.ok_or(Damage::Length {
        offset: 0,
        value_bytes: 0,
    })
}

fn read_record(rest: &[u8], offset: usize, value_bytes: usize) -> Result<Record, Damage> {
    let length = Damage::Length { offset, value_bytes };
    let word = |at: usize| -> Option<u64> { rest.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes) };
    let lengths = word(32).ok_or(length)?;
    let record = Record {
        key: word(0).ok_or(length)?,
        writer: word(8).ok_or(length)?,
        sequence: word(16).ok_or(length)?,
        version: word(24).ok_or(length)?,
        record_bytes: lengths as u32,
        kind: (lengths >> 32) as u16,
        tag: (lengths >> 48) as u16,
    };
    let record_bytes = record.record_bytes as usize;
    if record_bytes < MIN_RECORD_BYTES || record_bytes > rest.len() {
        return Err(length);
    }
    let checked = rest.get(..record_bytes - CHECK_BYTES).ok_or(length)?;
    if word(record_bytes - CHECK_BYTES) == Some(xxh3_64(checked)) {
        Ok(record)
    } else {
        Err(Damage::Check { offset, value_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: u64, record_bytes: u32) -> Record {
        Record {
            key,
            writer: 3,
            sequence: 9,
            version: 4,
            record_bytes,
            kind: 1,
            tag: NO_TAG,
        }
    }

    #[test]
    fn records_in_a_row_are_read_back() {
        let mut value = Vec::new();
        for record_bytes in [48, 49, 1000] {
            record(5, record_bytes).append_to(&mut value);
        }
        assert_eq!(value.len(), 1097);
        assert_eq!(read_value(&value, 5), Ok(record(5, 48)));
        assert_eq!(read_value(&value, 6), Err(Damage::Key { found: 5 }));
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let mut value = Vec::new();
        record(5, 80).append_to(&mut value);
        record(5, 60).append_to(&mut value);
        for at in 0..value.len() {
            let mut flipped = value.clone();
            flipped[at] ^= 0x10;
            assert!(read_value(&flipped, 5).is_err(), "byte {at}");
        }
        for len in (0..value.len()).filter(|&len| len != 80) {
            assert!(read_value(&value[..len], 5).is_err(), "cut to {len}");
        }
    }
}
