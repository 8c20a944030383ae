//! The bytes before a value, read.

use std::fmt;

use super::{
    ALIGNMENT_BYTES, Birth, CODEC_MASK, COMPRESSION_MASK, Extras, HAS_BIRTH, HAS_COST, HAS_EXTRAS,
    HAS_SCHEMA, MARK, MARK_MASK, OWN_CODEC, SEAL_MASK,
};
use crate::codec::{CodecId, Form};

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
        match parse(value, false) {
            None => Self::Foreign,
            Some((form, extras, _)) => Self::Value {
                codec: form.id,
                transforms: extras.transforms(),
                schema: form.schema,
            },
        }
    }
}

/// Codec, schema and extras of `value`, and what is behind them; `None` if it has no envelope.
pub(super) fn parse(value: &[u8], in_place: bool) -> Option<(Form, Extras, &[u8])> {
    let (&first, mut rest) = value.split_first()?;
    if first & MARK_MASK != MARK {
        return None;
    }
    let id = match first & CODEC_MASK {
        OWN_CODEC => CodecId::from_number(take_u32(&mut rest)?),
        number => CodecId::from_number(number.into()),
    };
    let mut extras = Extras::default();
    if first & HAS_EXTRAS != 0 {
        (extras.bits, rest) = rest.split_first().map(|(byte, rest)| (*byte, rest))?;
    }
    if extras.bits & !(COMPRESSION_MASK | SEAL_MASK | HAS_COST | HAS_BIRTH) != 0 {
        return None;
    }
    let schema = if first & HAS_SCHEMA != 0 {
        take_u32(&mut rest)?
    } else {
        0
    };
    if extras.bits & HAS_COST != 0 {
        extras.cost_us = take_u32(&mut rest)?;
    }
    if extras.bits & HAS_BIRTH != 0 {
        let (birth, behind) = rest.split_first_chunk()?;
        (extras.birth, rest) = (Birth::from_bytes(*birth), behind);
    }
    if in_place {
        let head_bytes = value.len() - rest.len();
        rest = value.get(head_bytes.next_multiple_of(ALIGNMENT_BYTES)..)?;
    }
    let form = Form { id, schema, in_place };
    Some((form, extras, rest))
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
        match Extras::of(*transforms).seal() {
            0 => {}
            Extras::ENCRYPTED => f.write_str(", encrypted")?,
            Extras::SIGNED => f.write_str(", signed")?,
            _ => f.write_str(", sealed in an unknown way")?,
        }
        match Extras::of(*transforms).compression() {
            0 => {}
            Extras::LZ4 => f.write_str(", compressed with LZ4")?,
            Extras::ZSTD => f.write_str(", compressed with Zstandard")?,
            _ => f.write_str(", compressed in an unknown way")?,
        }
        if *schema != 0 {
            write!(f, ", of schema {schema:#010x}")?;
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
pub(super) fn is_decimal(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}
