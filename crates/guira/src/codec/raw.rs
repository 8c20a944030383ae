//! Bytes as they are.

use super::{Codec, CodecError, CodecId, Form};

/// Bytes as they are: `Vec<u8>`, `Box<[u8]>`, `Arc<[u8]>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Raw;

impl<V> Codec<V> for Raw
where
    V: AsRef<[u8]> + for<'b> From<&'b [u8]>,
{
    fn form(&self) -> Form {
        Form::of(CodecId::RAW)
    }

    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value.as_ref());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        Ok(bytes.into())
    }
}
