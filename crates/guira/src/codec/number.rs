//! Counters.

use std::io::Write;

use super::{Codec, CodecError, CodecId, Form};

/// `i64` as decimal digits, which the engine can add to in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Number;

impl Codec<i64> for Number {
    fn form(&self) -> Form {
        Form::of(CodecId::NUMBER)
    }

    fn encode(&self, value: &i64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        write!(out, "{value}").map_err(|error| CodecError::encode("a counter", error))
    }

    fn decode(&self, bytes: &[u8]) -> Result<i64, CodecError> {
        std::str::from_utf8(bytes)
            .map_err(|error| CodecError::decode("counter", error))?
            .parse()
            .map_err(|error| CodecError::decode("counter", error))
    }
}
