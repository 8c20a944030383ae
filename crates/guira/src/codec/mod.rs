//! Values as bytes.
//!
//! | codec | values | read by |
//! |---|---|---|
//! | [`Postcard`], the default | whatever serde can serialize | Rust |
//! | [`Raw`] | bytes | everybody |
//! | [`Text`] | text | everybody |
//! | [`Number`] | `i64` that can be counted with | everybody |
//! | `Json` (feature `json`) | whatever serde can serialize | everybody |
//! | `MessagePack` (feature `messagepack`) | whatever serde can serialize | everybody |
//! | `Rkyv` (feature `rkyv`) | rkyv archives, where they lie | Rust |
//! | `NdArray` (feature `ndarray`) | arrays of numbers, where they lie | everybody |
//!
//! Postcard is the default because it is small, fast, has a written specification that its version 1 keeps,
//! and is used widely. It does not describe itself, so the shape of the type is its schema: a type whose
//! names, fields or widths have changed does not read what the old one wrote.

#[cfg(feature = "ndarray")]
mod array;
mod every_field;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "messagepack")]
mod message_pack;
mod number;
mod postcard;
mod raw;
#[cfg(feature = "rkyv")]
mod rkyv;
mod shape;
mod text;

use std::fmt;

#[cfg(feature = "ndarray")]
pub use array::{Element, NdArray};
#[cfg(feature = "ndarray")]
pub(crate) use array::{parse as parse_array, view as view_array};
#[cfg(feature = "json")]
pub use json::Json;
#[cfg(feature = "messagepack")]
pub use message_pack::MessagePack;
pub use number::Number;
pub use postcard::Postcard;
pub use raw::Raw;
#[cfg(feature = "rkyv")]
pub use rkyv::Rkyv;
#[cfg(feature = "rkyv")]
pub(crate) use rkyv::{access as access_archive, aligned_copy, may_lie_at};
pub use text::Text;

pub use crate::envelope::Found;
pub use crate::error::CodecError;

/// Turns values of type `V` into bytes and back.
///
/// What it writes is kept by processes of other programs and versions: a codec that changes its bytes takes
/// another number or schema.
pub trait Codec<V>: Send + Sync + 'static {
    /// What its values are marked with.
    fn form(&self) -> Form;

    /// Appends the bytes of `value` to `out`.
    ///
    /// # Errors
    /// [`CodecError::Encode`].
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// The value that `bytes` are.
    ///
    /// # Errors
    /// [`CodecError::Decode`].
    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError>;
}

/// What a codec's values are marked with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// The codec.
    pub id: CodecId,
    /// Changes when the same bytes would mean another value; 0 for a codec that describes its values itself.
    pub schema: u32,
    /// Whether values are read where they lie, so that they begin on a multiple of 16 bytes.
    pub in_place: bool,
}

impl Form {
    /// A codec without a schema whose values are not read in place.
    #[must_use]
    pub const fn of(id: CodecId) -> Self {
        Self {
            id,
            schema: 0,
            in_place: false,
        }
    }
}

/// The number of a codec.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CodecId(u32);

impl CodecId {
    /// Bytes as they are.
    pub const RAW: Self = Self(0);
    /// UTF-8.
    pub const TEXT: Self = Self(1);
    /// Postcard.
    pub const POSTCARD: Self = Self(2);
    /// JSON.
    pub const JSON: Self = Self(3);
    /// MessagePack.
    pub const MESSAGE_PACK: Self = Self(4);
    /// rkyv archives.
    pub const RKYV: Self = Self(5);
    /// Arrays with a type and a shape.
    pub const ARRAY: Self = Self(6);
    /// Decimal digits, without an envelope.
    pub const NUMBER: Self = Self(7);

    /// A codec of the program's own, by a name that no other uses in the segment.
    #[must_use]
    pub const fn own(name: &str) -> Self {
        // FNV-1a, and out of the way of the numbers above.
        let mut hash = 0x811c_9dc5_u32;
        let mut bytes = name.as_bytes();
        while let [first, rest @ ..] = bytes {
            hash = (hash ^ *first as u32).wrapping_mul(0x0100_0193);
            bytes = rest;
        }
        Self(hash | 0x8000_0000)
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for CodecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::RAW => "raw bytes",
            Self::TEXT => "text",
            Self::POSTCARD => "postcard",
            Self::JSON => "JSON",
            Self::MESSAGE_PACK => "MessagePack",
            Self::RKYV => "an rkyv archive",
            Self::ARRAY => "an array",
            Self::NUMBER => "a counter",
            Self(number) => return write!(f, "codec {number:#x}"),
        };
        f.write_str(name)
    }
}
