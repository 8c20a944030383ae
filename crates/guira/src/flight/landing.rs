//! What a flight that landed left for those who waited for it, if it is not in the cache.
//!
//! A record is the kind (one byte), the reading of the invalidation clock that the computation's token had
//! (eight bytes), and the failure or the encoded value.

use crate::failure::Failure;

const FAILED: u8 = 1;
const VALUE: u8 = 2;
const UNTOLD: u8 = 3;

/// As it is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Landing<'r> {
    /// There is no value.
    Failed(Failure),
    /// The value is good for who first looked at this reading of the invalidation clock or before.
    Value { clock: u64, encoded: &'r [u8] },
    /// There is a value, and no way to tell it: who waited computes at once, and not one after the other.
    Untold,
}

impl<'r> Landing<'r> {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Failed(failure) => {
                bytes.push(FAILED);
                bytes.extend_from_slice(&0_u64.to_le_bytes());
                bytes.extend_from_slice(&failure.to_bytes());
            }
            Self::Value { clock, encoded } => {
                bytes.push(VALUE);
                bytes.extend_from_slice(&clock.to_le_bytes());
                bytes.extend_from_slice(encoded);
            }
            Self::Untold => {
                bytes.push(UNTOLD);
                bytes.extend_from_slice(&0_u64.to_le_bytes());
            }
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &'r [u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let (clock, rest) = rest.split_first_chunk()?;
        match kind {
            FAILED => Some(Self::Failed(Failure::from_bytes(rest)?)),
            VALUE => Some(Self::Value {
                clock: u64::from_le_bytes(*clock),
                encoded: rest,
            }),
            UNTOLD => Some(Self::Untold),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_landing_comes_back_from_its_bytes() {
        let value = Landing::Value {
            clock: 7,
            encoded: b"plum",
        };
        assert_eq!(Landing::from_bytes(&value.to_bytes()), Some(value));
        let failed = Landing::Failed(Failure::of_error(&"no plums"));
        assert_eq!(Landing::from_bytes(&failed.to_bytes()), Some(failed));
        let untold = Landing::Untold;
        assert_eq!(Landing::from_bytes(&untold.to_bytes()), Some(untold));
        assert_eq!(Landing::from_bytes(&[FAILED; 9]), None);
        assert_eq!(Landing::from_bytes(b"?12345678"), None);
    }
}
