//! The default codec.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::every_field::{LeftOut, Whole};
use super::shape::shape_of;
use super::{Codec, CodecError, CodecId, Form};

const NAME: &str = "postcard";

/// Whatever serde can serialize, as postcard: small and fast, for Rust programs.
///
/// The shape of the type (names of structs, fields and variants, widths of numbers, in their order) is its
/// schema. What a type's own `Deserialize` hides from serde is not seen: give such a type another
/// [`schema`](crate::CacheBuilder::schema) when it changes.
///
/// Fields are told by their places. A value of which `skip_serializing_if` leaves one out cannot be read back, and is
/// refused ([`CodecError::Encode`]); a type that is tagged within, untagged or flattened needs a codec that names
/// fields, such as `Json`. A field that is only written or only read (`skip_serializing` without `skip_deserializing`)
/// is nothing for this codec either, and cannot be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Postcard;

impl<V: Serialize + DeserializeOwned> Codec<V> for Postcard {
    fn form(&self) -> Form {
        Form {
            schema: shape_of::<V>(),
            ..Form::of(CodecId::POSTCARD)
        }
    }

    #[inline]
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        // Through a writer, so that what is in `out` stays.
        let left_out = LeftOut::default();
        let whole = Whole {
            value,
            left_out: &left_out,
        };
        postcard::to_io(&whole, &mut *out)
            .map(drop)
            .map_err(|error| not_encoded(&error, left_out.get()))
    }

    #[inline]
    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        let mut deserializer = postcard::Deserializer::from_bytes(bytes);
        let value = match V::deserialize(&mut deserializer) {
            Ok(value) => value,
            Err(error) => return Err(refused(&error)),
        };
        match deserializer.finalize() {
            Ok([]) => Ok(value),
            Ok(rest) => Err(left_over(rest.len())),
            Err(error) => Err(refused(&error)),
        }
    }
}

#[cold]
fn not_encoded(error: &postcard::Error, left_out: Option<&str>) -> CodecError {
    match left_out {
        None => CodecError::encode(NAME, error),
        Some(field) => CodecError::encode(
            NAME,
            format_args!(
                "its field {field} is left out (skip_serializing_if), and what follows would be read in its place; \
                 take that off, or use a codec that names fields, such as Json"
            ),
        ),
    }
}

#[cold]
fn refused(error: &postcard::Error) -> CodecError {
    CodecError::decode(NAME, error)
}

#[cold]
fn left_over(bytes: usize) -> CodecError {
    CodecError::decode(NAME, format_args!("{bytes} bytes are left over"))
}
