//! Keys as bytes: one encoding for every process and every language.
//!
//! A key is whatever serde can serialize. Its bytes depend on its value alone, not on the width of an
//! integer, the order of a struct's fields or the program that encodes it; two keys that differ have
//! different bytes. The first byte of each item is its tag:
//!
//! | tag | item | bytes after the tag |
//! |---|---|---|
//! | `00` | the end of a list, map or variant | none |
//! | `01` | nothing: `None` | none |
//! | `02` | `Some` around something that begins with `01` or `02` | that something |
//! | `10`, `11` | `false`, `true` | none |
//! | `3f - n` | integer below zero, -1 - m, where m takes n bytes (0 to 16) | the low n bytes of its two's complement, big-endian |
//! | `40 + n` | integer from zero on that takes n bytes (0 to 16) | those, big-endian |
//! | `58` | float of any width, as one of 64 bits | its IEEE 754 bits, big-endian; -0.0 is 0.0 |
//! | `60` | text, `char` too | UTF-8, then `ff`, which is no byte of UTF-8 |
//! | `61` | bytes | their count in LEB128, then they |
//! | `70` | list: sequence, tuple, array, tuple struct, `()` | items, then `00` |
//! | `71` | map, struct | key and value in turn, in the order of the keys' bytes, then `00`; a struct's keys are its fields' names as text |
//! | `72` | variant of an enum | its name as text, its content if it has any, then `00` |
//! | `7e` | what takes more than 4,093 bytes | see below |
//!
//! So `7_u8`, `7_u64` and `7_i32` are one key, and so are `Some(7)` and `7`; `7`, `7.0`, `"7"` and `true`
//! are four. A newtype struct is what is in it. A list of tuple fields is a list: `(1, 2)` and `[1, 2]` are
//! one key, as Rust's slices want it. NaN is refused ([`KeyError::Nan`]): it is no key, for it equals
//! nothing. A `HashSet` serializes as a sequence in an order of its own: use a `BTreeSet`. A `Vec<u8>` is a list of
//! integers to serde: [`Bytes`] makes it bytes, which take less room.
//!
//! A key that would take more bytes than the segment's keys have ([`guira_segment::MAX_KEY_BYTES`]) becomes
//! `7e`, the first 128 bits of SHA-256 of its encoding, and the encoding's first 239 bytes: 256 in all.
//!
//! ```
//! use guira::key::KeyBytes;
//!
//! assert_eq!(&*KeyBytes::of(&7_u64)?, [0x41, 7]);
//! assert_eq!(KeyBytes::of(&7_i8)?, KeyBytes::of(&7_u128)?);
//! assert_eq!(&*KeyBytes::of(&("a", -2))?, [0x70, 0x60, b'a', 0xff, 0x3e, 0xfe, 0x00]);
//! # Ok::<(), guira::KeyError>(())
//! ```

mod bytes;
mod compound;
mod item;
#[cfg(test)]
mod item_tests;
mod key_bytes;
mod notation;
mod serializer;
#[cfg(test)]
mod tests;

pub use bytes::Bytes;
pub use item::KeyItem;
pub use key_bytes::KeyBytes;

pub use crate::error::{KeyDecodeError, KeyError};

/// The bytes that items begin with. They are in segments of others: they never change.
mod tag {
    pub(super) const END: u8 = 0x00;
    pub(super) const NOTHING: u8 = 0x01;
    pub(super) const SOME: u8 = 0x02;
    pub(super) const FALSE: u8 = 0x10;
    pub(super) const TRUE: u8 = 0x11;
    /// Less the bytes of the magnitude.
    pub(super) const NEGATIVE: u8 = 0x3f;
    /// Plus the bytes of the magnitude.
    pub(super) const NATURAL: u8 = 0x40;
    pub(super) const FLOAT: u8 = 0x58;
    pub(super) const TEXT: u8 = 0x60;
    pub(super) const TEXT_END: u8 = 0xff;
    pub(super) const BYTES: u8 = 0x61;
    pub(super) const LIST: u8 = 0x70;
    pub(super) const MAP: u8 = 0x71;
    pub(super) const VARIANT: u8 = 0x72;
    pub(super) const HASHED: u8 = 0x7e;
}
