//! What stands before a value's bytes in the segment: which codec wrote them, with which transforms, under
//! which schema, so that a value is never taken for one of another kind.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | `10ts cccc`: whether transforms (t) and a schema (s) are named, and the codec's number (c) |
//! | 4 if c is 15 | the number of a codec of the program's own, little-endian |
//! | 1 if t | the transforms |
//! | 4 if s | the schema, little-endian |
//! | to the next multiple of 16 if the codec is read in place | zeroes |
//!
//! The value's bytes follow. The first byte is none that UTF-8 begins with, so text that was stored
//! without an envelope is told apart. Counters have no envelope: they are decimal digits, which the
//! engine adds to in place.

use std::fmt;

use crate::codec::{CodecId, Form};

const MARK: u8 = 0b1000_0000;
const MARK_MASK: u8 = 0b1100_0000;
const HAS_TRANSFORMS: u8 = 0b0010_0000;
const HAS_SCHEMA: u8 = 0b0001_0000;
const CODEC_MASK: u8 = 0b0000_1111;
/// The codec's number follows.
const OWN_CODEC: u8 = 15;
/// Where the values of codecs that are read in place begin.
const ALIGNMENT_BYTES: usize = 16;

/// The envelope of all values of a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Envelope {
    form: Form,
    bytes: [u8; ALIGNMENT_BYTES],
    length: usize,
    /// The first eight of `bytes`, and which bits of them count.
    word: u64,
    word_mask: u64,
}

impl Envelope {
    /// The envelope of untransformed values.
    pub(crate) fn new(form: Form) -> Self {
        let mut envelope = Self {
            form,
            bytes: [0; ALIGNMENT_BYTES],
            length: 0,
            word: 0,
            word_mask: 0,
        };
        if form.id == CodecId::NUMBER {
            return envelope;
        }
        let number = form.id.number();
        let own = number >= u32::from(OWN_CODEC);
        let codec = if own { OWN_CODEC } else { number as u8 };
        let schema = if form.schema == 0 { 0 } else { HAS_SCHEMA };
        envelope.push(&[MARK | schema | codec]);
        if own {
            envelope.push(&number.to_le_bytes());
        }
        if form.schema != 0 {
            envelope.push(&form.schema.to_le_bytes());
        }
        if form.in_place {
            envelope.length = ALIGNMENT_BYTES;
        }
        let [word, _] = envelope.words();
        envelope.word = word;
        envelope.word_mask = u64::MAX >> (64 - 8 * envelope.length.min(8));
        envelope
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
            self.length = end;
        }
    }

    /// What a value of this cache begins with.
    #[inline]
    pub(crate) fn head(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    /// What the codec is to read; `None` for a value of another kind.
    #[inline]
    pub(crate) fn open<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        // Nearly always one comparison does.
        if let Some(first) = value.first_chunk()
            && self.length <= 8
            && self.length > 0
        {
            if u64::from_le_bytes(*first) & self.word_mask == self.word {
                return value.get(self.length..);
            }
            return None;
        }
        self.open_unusual(value)
    }

    #[inline(never)]
    fn open_unusual<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        value
            .strip_prefix(self.head())
            .filter(|_| self.length > 0 || is_decimal(value))
    }

    /// The first eight bytes and the rest.
    fn words(&self) -> [u64; 2] {
        let both = u128::from_le_bytes(self.bytes);
        [both as u64, (both >> 64) as u64]
    }

    /// Whether values begin on a multiple of 16 bytes.
    pub(crate) const fn is_in_place(&self) -> bool {
        self.form.in_place
    }

    /// What the cache reads, for messages.
    pub(crate) const fn expected(&self) -> Found {
        Found::Value {
            codec: self.form.id,
            transforms: 0,
            schema: self.form.schema,
        }
    }
}

/// What a stored value is, by its envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Found {
    /// A value with an envelope, or a counter.
    Value {
        /// Its codec.
        codec: CodecId,
        /// Its transforms, as the envelope names them; 0 for none.
        transforms: u8,
        /// Its schema; 0 for none.
        schema: u32,
    },
    /// Bytes without an envelope.
    Foreign,
}

impl Found {
    /// What `value` is.
    #[cold]
    pub(crate) fn of(value: &[u8]) -> Self {
        if is_decimal(value) {
            return Self::Value {
                codec: CodecId::NUMBER,
                transforms: 0,
                schema: 0,
            };
        }
        Self::parse(value).unwrap_or(Self::Foreign)
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (&first, mut rest) = value.split_first()?;
        if first & MARK_MASK != MARK {
            return None;
        }
        let codec = match first & CODEC_MASK {
            OWN_CODEC => CodecId::from_number(take_u32(&mut rest)?),
            number => CodecId::from_number(number.into()),
        };
        let mut transforms = 0;
        if first & HAS_TRANSFORMS != 0 {
            (transforms, rest) = rest.split_first().map(|(byte, rest)| (*byte, rest))?;
        }
        let schema = if first & HAS_SCHEMA != 0 {
            take_u32(&mut rest)?
        } else {
            0
        };
        Some(Self::Value {
            codec,
            transforms,
            schema,
        })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Value {
            codec,
            transforms,
            schema,
        } = self
        else {
            return f.write_str("bytes that no cache wrote");
        };
        write!(f, "{codec}")?;
        if *transforms != 0 {
            write!(f, " with transforms {transforms:#04x}")?;
        }
        if *schema != 0 {
            write!(f, " of schema {schema:#010x}")?;
        }
        Ok(())
    }
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}

/// Whether these are the digits of a counter.
fn is_decimal(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}
