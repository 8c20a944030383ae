//! The bytes of a value, without its envelope.

use std::fmt;
use std::ops::Deref;

use guira_files::ValueMap;
use guira_segment::ValueRef;

use super::Cache;
use super::spill::READS;
use crate::dependency;
use crate::error::Error;
use crate::key::KeyBytes;

/// The bytes of a value, where they lie if that is possible.
pub(super) enum Payload<'s> {
    InPlace {
        value: ValueRef<'s>,
        begin: usize,
    },
    /// In its file.
    Mapped {
        map: ValueMap,
        begin: usize,
    },
    Copied(Vec<u8>),
}

impl Payload<'_> {
    /// Whether the bytes lie in the segment, or in their file.
    pub(super) fn is_borrowed(&self) -> bool {
        match self {
            Self::InPlace { value, .. } => value.is_borrowed(),
            Self::Mapped { map, .. } => map.is_mapped(),
            Self::Copied(_) => false,
        }
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::InPlace { value, begin } => value.get(*begin..).unwrap_or(&[]),
            Self::Mapped { map, begin } => map.get(*begin..).unwrap_or(&[]),
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
        let segment = self.segment()?;
        for _ in 0..READS {
            let Some(value) = segment.get(key).filter(|_| self.may_be_given_out()) else {
                return Ok(None);
            };
            dependency::give(&value);
            if let Some(payload) = self.inner.envelope.open(&value) {
                let begin = value.len() - payload.len();
                return Ok(Some(Payload::InPlace { value, begin }));
            }
            let transformed = match self.unspilled(key, &value) {
                None => self.transformed(key, &value),
                Some(None) if self.is_replaced(segment, key, &value) => continue,
                Some(None) => return Ok(None),
                Some(Some(map)) => {
                    if let Some(payload) = self.inner.envelope.open(&map) {
                        let begin = map.len() - payload.len();
                        return Ok(Some(Payload::Mapped { map, begin }));
                    }
                    self.transformed(key, &map)
                }
            };
            return match transformed {
                Ok(payload) => Ok(Some(Payload::Copied(payload))),
                Err(error) => Ok(self.refuse(error)?),
            };
        }
        Ok(None)
    }
}
