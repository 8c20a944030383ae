//! What is done to a value's bytes between its codec and the segment: compression, then a seal.
//!
//! Transforms are set up at [`CacheBuilder`](crate::CacheBuilder), each by a feature of the crate: `lz4` and
//! `zstd` compress what is larger than a size, `encryption` encrypts, `mac` signs. A cache reads what it or
//! another compressed in whichever of the ways that are built in; but what is not sealed as the cache seals,
//! with a key that it has, under the key and the name that it was stored with, is no value of it.
//!
//! | behind the envelope | what |
//! |---|---|
//! | 4 if sealed | the number of the key, little-endian |
//! | 24 if encrypted | the nonce, random |
//! | 4 if compressed | bytes before the compression, little-endian |
//! | | the value's bytes, compressed, encrypted |
//! | 16 if encrypted | the tag of XChaCha20-Poly1305 |
//! | 16 if signed | the first half of the HMAC-SHA-256 |
//!
//! The length, and what is compressed, is encrypted with it. The tag and the HMAC cover the cache's name and
//! the key (each after its length as 8 bytes, little-endian), the envelope, and all that follows.

mod compression;
mod keys;
mod seal;

pub(crate) use compression::Compression;
pub use keys::{KeyRing, KeyRingError};
pub(crate) use seal::{Context, Seal};

use crate::envelope::{Envelope, Extras};
use crate::error::CodecError;

/// The transforms of a cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transforms {
    pub(crate) compression: Option<Compression>,
    pub(crate) seal: Option<Seal>,
}

impl Transforms {
    /// The seal of all values, as the envelope names it.
    pub(crate) fn seal_bits(&self) -> u8 {
        self.seal.as_ref().map_or(0, Seal::bits)
    }

    pub(crate) const fn are_none(&self) -> bool {
        self.compression.is_none() && self.seal.is_none()
    }

    /// Turns `payload` into what is stored, envelope included.
    pub(crate) fn apply(
        &self,
        envelope: &Envelope,
        extras: Extras,
        context: &Context<'_>,
        payload: &[u8],
    ) -> Result<Vec<u8>, CodecError> {
        let compressed = match &self.compression {
            Some(compression) => compression.compress(payload)?,
            None => None,
        };
        let (bits, body) = match &compressed {
            Some((bits, bytes)) => (*bits, bytes.as_slice()),
            None => (0, payload),
        };
        let head = envelope.head(extras.with_transforms(bits | self.seal_bits()));
        let mut stored = Vec::with_capacity(head.len() + body.len() + seal::MAX_SEAL_BYTES);
        stored.extend_from_slice(head.bytes());
        match &self.seal {
            None => stored.extend_from_slice(body),
            Some(seal) => seal.seal(context, &mut stored, body)?,
        }
        Ok(stored)
    }

    /// The payload of what is stored: `extras` and `body` are what its envelope names and what is behind it.
    pub(crate) fn undo(
        &self,
        context: &Context<'_>,
        stored: &[u8],
        extras: Extras,
        body: &[u8],
    ) -> Result<Vec<u8>, CodecError> {
        let head = stored.get(..stored.len() - body.len()).unwrap_or(&[]);
        let opened = match &self.seal {
            None => body.to_vec(),
            Some(seal) => seal.open(context, head, body)?,
        };
        match extras.compression() {
            0 => Ok(opened),
            kind => compression::decompress(kind, &opened),
        }
    }
}
