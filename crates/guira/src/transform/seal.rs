//! Seals: authenticated encryption, and signatures.

#![cfg_attr(
    not(any(feature = "encryption", feature = "mac")),
    allow(unused, reason = "without a kind there is no seal")
)]

#[cfg(feature = "encryption")]
use chacha20poly1305::{AeadInOut, KeyInit as _, XChaCha20Poly1305};
#[cfg(all(feature = "mac", not(feature = "encryption")))]
use hmac::KeyInit as _;
#[cfg(feature = "mac")]
use hmac::{Hmac, Mac};
#[cfg(feature = "mac")]
use sha2::Sha256;

use super::keys::KeyRing;
use crate::envelope::Extras;
use crate::error::CodecError;

#[cfg(feature = "encryption")]
const NONCE_BYTES: usize = 24;
/// Of both kinds.
const TAG_BYTES: usize = 16;
/// A key's number, a nonce and a tag.
pub(super) const MAX_SEAL_BYTES: usize = 4 + 24 + TAG_BYTES;

/// What a seal binds a value to, besides its envelope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'c> {
    /// The cache's name.
    pub(crate) name: &'c str,
    /// The encoded key.
    pub(crate) key: &'c [u8],
}

/// How values are sealed.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    kind: Kind,
    ring: KeyRing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    #[cfg(feature = "encryption")]
    Encrypted,
    #[cfg(feature = "mac")]
    Signed,
}

impl Seal {
    #[cfg(feature = "encryption")]
    pub(crate) const fn encrypted(ring: KeyRing) -> Self {
        Self {
            kind: Kind::Encrypted,
            ring,
        }
    }

    #[cfg(feature = "mac")]
    pub(crate) const fn signed(ring: KeyRing) -> Self {
        Self {
            kind: Kind::Signed,
            ring,
        }
    }

    pub(super) fn bits(&self) -> u8 {
        match self.kind {
            #[cfg(feature = "encryption")]
            Kind::Encrypted => Extras::ENCRYPTED,
            #[cfg(feature = "mac")]
            Kind::Signed => Extras::SIGNED,
        }
    }

    /// Appends `body`, sealed, to `stored`, which holds the envelope.
    pub(super) fn seal(
        &self,
        context: &Context<'_>,
        stored: &mut Vec<u8>,
        body: &[u8],
    ) -> Result<(), CodecError> {
        let (number, key) = self
            .ring
            .current()
            .ok_or_else(|| CodecError::encode("sealed value", "the ring has no key"))?;
        let covered = covered(context, stored);
        stored.extend_from_slice(&number.to_le_bytes());
        match self.kind {
            #[cfg(feature = "encryption")]
            Kind::Encrypted => encrypt(key, &covered, stored, body),
            #[cfg(feature = "mac")]
            Kind::Signed => {
                let tag = sign(key, &covered, number, body);
                stored.extend_from_slice(body);
                stored.extend_from_slice(&tag);
                Ok(())
            }
        }
    }

    /// What was sealed into `sealed` behind the envelope `head`.
    pub(super) fn open(
        &self,
        context: &Context<'_>,
        head: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, CodecError> {
        let refused = |reason: &str| CodecError::decode("sealed value", reason);
        let (number, rest) = sealed
            .split_first_chunk::<4>()
            .ok_or_else(|| refused("it is cut short"))?;
        let number = u32::from_le_bytes(*number);
        let key = self
            .ring
            .key(number)
            .ok_or_else(|| refused(&format!("the ring has no key {number}")))?;
        let (rest, tag) = rest
            .split_last_chunk::<TAG_BYTES>()
            .ok_or_else(|| refused("it is cut short"))?;
        let covered = covered(context, head);
        let opened: Option<Vec<u8>> = match self.kind {
            #[cfg(feature = "encryption")]
            Kind::Encrypted => decrypt(key, &covered, rest, tag),
            #[cfg(feature = "mac")]
            Kind::Signed => is_signed(key, &covered, number, rest, tag).then(|| rest.to_vec()),
        };
        opened.ok_or_else(|| refused("the seal does not fit"))
    }
}

/// What the tag covers besides the body: the lengths keep name, key and envelope apart.
fn covered(context: &Context<'_>, head: &[u8]) -> Vec<u8> {
    let mut covered = Vec::with_capacity(16 + context.name.len() + context.key.len() + head.len());
    for part in [context.name.as_bytes(), context.key] {
        covered.extend_from_slice(&(part.len() as u64).to_le_bytes());
        covered.extend_from_slice(part);
    }
    covered.extend_from_slice(head);
    covered
}

#[cfg(feature = "encryption")]
fn encrypt(key: &[u8; 32], covered: &[u8], stored: &mut Vec<u8>, body: &[u8]) -> Result<(), CodecError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| CodecError::encode("encrypted value", error))?;
    stored.extend_from_slice(&nonce);
    let begin = stored.len();
    stored.extend_from_slice(body);
    let tag = XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(
            &nonce.into(),
            covered,
            stored.get_mut(begin..).unwrap_or(&mut []).into(),
        )
        .map_err(|error| CodecError::encode("encrypted value", error))?;
    stored.extend_from_slice(&tag);
    Ok(())
}

#[cfg(feature = "encryption")]
fn decrypt(key: &[u8; 32], covered: &[u8], rest: &[u8], tag: &[u8; TAG_BYTES]) -> Option<Vec<u8>> {
    let (nonce, encrypted) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let mut body = encrypted.to_vec();
    XChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(nonce.into(), covered, body.as_mut_slice().into(), tag.into())
        .ok()?;
    Some(body)
}

#[cfg(feature = "mac")]
fn signer(key: &[u8; 32], covered: &[u8], number: u32, body: &[u8]) -> Hmac<Sha256> {
    let mut signer = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in [covered, &number.to_le_bytes(), body] {
        signer.update(part);
    }
    signer
}

#[cfg(feature = "mac")]
fn sign(key: &[u8; 32], covered: &[u8], number: u32, body: &[u8]) -> [u8; TAG_BYTES] {
    let whole: [u8; 32] = signer(key, covered, number, body).finalize().into_bytes().into();
    let mut tag = [0; TAG_BYTES];
    tag.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    tag
}

#[cfg(feature = "mac")]
fn is_signed(key: &[u8; 32], covered: &[u8], number: u32, body: &[u8], tag: &[u8; TAG_BYTES]) -> bool {
    // In constant time.
    signer(key, covered, number, body)
        .verify_truncated_left(tag)
        .is_ok()
}
