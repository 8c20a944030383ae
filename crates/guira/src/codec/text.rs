//! Text.

use super::{Codec, CodecError, CodecId, Form};

/// UTF-8: `String`, `Box<str>`, `Arc<str>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Text;

impl<V> Codec<V> for Text
where
    V: AsRef<str> + for<'t> From<&'t str>,
{
    fn form(&self) -> Form {
        Form::of(CodecId::TEXT)
    }

    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value.as_ref().as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(error) => Err(CodecError::decode("text", error)),
        }
    }
}
