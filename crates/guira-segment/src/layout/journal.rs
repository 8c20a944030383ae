//! A journal record: four words, each `lap 16 | payload 48`.
//!
//! ```text
//! commit   lap 16 | kind 4 | finished 1 | zero 3 | flags 8 | namespace or group 16 | hash, high 16
//! hash     lap 16 | hash, low 48
//! wall     lap 16 | wall clock, milliseconds since 1970, 48
//! stamp    lap 16 | invalidation clock 48
//! ```
//!
//! The lap is one more than how often the ring was gone round before, modulo 2^16: a slot that was never
//! written is of lap 0, which is before the first.

use super::{bits, mask};

/// layout: bytes of a journal record
pub(crate) const JOURNAL_RECORD_BYTES: usize = 32;
/// layout: journal record: what it is of; written last
pub(crate) const JOURNAL_COMMIT: usize = 0;
/// layout: journal record: hash of the key or of the tag, low 48 bits
pub(crate) const JOURNAL_HASH: usize = 8;
/// layout: journal record: wall clock milliseconds
pub(crate) const JOURNAL_WALL_MS: usize = 16;
/// layout: journal record: what the invalidation clock was advanced to
pub(crate) const JOURNAL_STAMP: usize = 24;

/// Bits of a word behind its lap.
const PAYLOAD_BITS: u32 = 48;
/// The kind of a slot that its appender did not write in time.
const VOID: u64 = 15;
const FINISHED: u64 = 1 << 43;

/// A word of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LapWord(pub(crate) u64);

/// What a record says, as the ring holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Body {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) namespace: u16,
    pub(crate) hash: u64,
    pub(crate) wall_ms: u64,
    pub(crate) stamp: u64,
}

/// What a commit word says of its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Commit {
    Void,
    Record { is_finished: bool },
}

/// The lap in which a ticket's slot is written for it; `records` is a power of two.
pub(crate) const fn lap_of(ticket: u64, records: u64) -> u16 {
    ((ticket >> records.trailing_zeros()) as u16).wrapping_add(1)
}

impl LapWord {
    pub(crate) const fn new(lap: u16, payload: u64) -> Self {
        Self((lap as u64) << PAYLOAD_BITS | payload & mask(PAYLOAD_BITS))
    }

    pub(crate) const fn void(lap: u16) -> Self {
        Self::new(lap, VOID << 44)
    }

    pub(crate) const fn lap(self) -> u16 {
        bits(self.0, PAYLOAD_BITS, 16) as u16
    }

    const fn payload(self) -> u64 {
        bits(self.0, 0, PAYLOAD_BITS)
    }

    /// As a commit word, for a record that its appender has carried out.
    pub(crate) const fn finished(self) -> Self {
        Self(self.0 | FINISHED)
    }

    pub(crate) const fn commit(self) -> Commit {
        if bits(self.0, 44, 4) == VOID {
            Commit::Void
        } else {
            Commit::Record {
                is_finished: self.0 & FINISHED != 0,
            }
        }
    }
}

impl Body {
    /// The words, in the order of the layout.
    pub(crate) const fn encode(&self, lap: u16) -> [LapWord; 4] {
        let commit = (self.kind as u64 & 15) << 44
            | (self.flags as u64) << 32
            | (self.namespace as u64) << 16
            | self.hash >> PAYLOAD_BITS;
        [
            LapWord::new(lap, commit),
            LapWord::new(lap, self.hash),
            LapWord::new(lap, self.wall_ms),
            LapWord::new(lap, self.stamp),
        ]
    }

    pub(crate) const fn decode(words: [LapWord; 4]) -> Self {
        let [commit, hash, wall, stamp] = words;
        Self {
            kind: bits(commit.0, 44, 4) as u8,
            flags: bits(commit.0, 32, 8) as u8,
            namespace: bits(commit.0, 16, 16) as u16,
            hash: bits(commit.0, 0, 16) << PAYLOAD_BITS | hash.payload(),
            wall_ms: wall.payload(),
            stamp: stamp.payload(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_from_its_words() {
        let body = Body {
            kind: 6,
            flags: 0xa5,
            namespace: 0xfedc,
            hash: 0x0123_4567_89ab_cdef,
            wall_ms: mask(48),
            stamp: 7,
        };
        let words = body.encode(0xffff);
        assert!(words.iter().all(|word| word.lap() == 0xffff));
        assert_eq!(Body::decode(words), body);
        let [commit, rest @ ..] = words;
        assert_eq!(commit.commit(), Commit::Record { is_finished: false });
        let commit = commit.finished();
        assert_eq!(commit.commit(), Commit::Record { is_finished: true });
        let [hash, wall, stamp] = rest;
        assert_eq!(Body::decode([commit, hash, wall, stamp]), body);
        assert_eq!(LapWord::void(3).commit(), Commit::Void);
    }

    #[test]
    fn the_first_lap_is_one_and_laps_wrap() {
        assert_eq!(lap_of(0, 8), 1);
        assert_eq!(lap_of(8, 8), 2);
        assert_eq!(lap_of(7 + (8 << 16), 8), 1);
        assert_eq!(lap_of((8 << 16) - 1, 8), 0);
    }
}
