//! Byte strings in keys and values.

use serde::{Serialize, Serializer};

/// Bytes that are to be encoded as bytes: to serde a `Vec<u8>` is a list of integers.
///
/// ```
/// use guira::key::{Bytes, KeyBytes};
///
/// assert_eq!(&*KeyBytes::of(&Bytes(b"ab"))?, [0x61, 2, b'a', b'b']);
/// # Ok::<(), guira::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Bytes<B>(pub B);

impl<B: AsRef<[u8]>> Serialize for Bytes<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_ref())
    }
}
