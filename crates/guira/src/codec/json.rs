//! JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, CodecError, CodecId, Form};

/// Whatever serde can serialize, as JSON: for values that other languages read, or people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Json;

impl<V: Serialize + DeserializeOwned> Codec<V> for Json {
    fn form(&self) -> Form {
        Form::of(CodecId::JSON)
    }

    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer(out, value).map_err(|error| CodecError::encode("JSON", error))
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        serde_json::from_slice(bytes).map_err(|error| CodecError::decode("JSON", error))
    }
}
