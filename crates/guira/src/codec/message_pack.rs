//! MessagePack.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecError, CodecId, Form};

const NAME: &str = "MessagePack";

/// Whatever serde can serialize, as MessagePack: for values that other languages read. Structs are maps with the
/// names of their fields, so that fields may be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MessagePack;

impl<V: Serialize + DeserializeOwned> Codec<V> for MessagePack {
    fn form(&self) -> Form {
        Form::of(CodecId::MESSAGE_PACK)
    }

    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut serializer = rmp_serde::Serializer::new(out).with_struct_map();
        value
            .serialize(&mut serializer)
            .map_err(|error| CodecError::encode(NAME, error))
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        let mut rest = bytes;
        let mut deserializer = rmp_serde::Deserializer::new(&mut rest);
        let value = V::deserialize(&mut deserializer).map_err(|error| CodecError::decode(NAME, error))?;
        drop(deserializer);
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(CodecError::decode(
                NAME,
                format_args!("{} bytes are left over", rest.len()),
            ))
        }
    }
}
