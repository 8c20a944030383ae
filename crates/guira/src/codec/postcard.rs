//! The default codec.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecError, CodecId, Form};

const NAME: &str = "postcard";

/// Whatever serde can serialize, as postcard: small and fast, for Rust programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Postcard;

impl<V: Serialize + DeserializeOwned> Codec<V> for Postcard {
    fn form(&self) -> Form {
        Form::of(CodecId::POSTCARD)
    }

    #[inline]
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        // Through a writer, so that what is in `out` stays.
        postcard::to_io(value, &mut *out)
            .map(drop)
            .map_err(|error| CodecError::encode(NAME, error))
    }

    #[inline]
    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(CodecError::decode(
                NAME,
                format_args!("{} bytes are left over", rest.len()),
            )),
            Err(error) => Err(CodecError::decode(NAME, error)),
        }
    }
}
