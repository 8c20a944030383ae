//! The bytes of a value, without its envelope.

use std::fmt;
use std::ops::Deref;

use guira_segment::ValueRef;

use super::Cache;
use crate::dependency;
use crate::error::Error;
use crate::key::KeyBytes;

/// The bytes of a value, where they lie if that is possible.
pub(super) enum Payload<'s> {
    InPlace { value: ValueRef<'s>, begin: usize },
    Copied(Vec<u8>),
}

impl Payload<'_> {
    /// Whether the bytes lie in the segment.
    pub(super) fn is_borrowed(&self) -> bool {
        matches!(self, Self::InPlace { value, .. } if value.is_borrowed())
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::InPlace { value, begin } => value.get(*begin..).unwrap_or(&[]),
            Self::Copied(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// The payload of `key`'s value; `None` on a miss, or if it is of another kind and that counts as one.
    pub(super) fn payload(&self, key: &KeyBytes) -> Result<Option<Payload<'_>>, Error> {
        let Some(value) = self.segment()?.get(key).filter(|_| self.may_be_given_out()) else {
            return Ok(None);
        };
        dependency::give(&value);
        if let Some(payload) = self.inner.envelope.open(&value) {
            let begin = value.len() - payload.len();
            return Ok(Some(Payload::InPlace { value, begin }));
        }
        match self.transformed(key, &value) {
            Ok(payload) => Ok(Some(Payload::Copied(payload))),
            Err(error) => Ok(self.refuse(error)?),
        }
    }
}
