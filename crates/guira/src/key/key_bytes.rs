//! An encoded key, on the stack unless it is long.

use std::fmt;
use std::ops::Deref;

use guira_segment::MAX_KEY_BYTES;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::serializer::KeySerializer;
use super::tag;
use crate::error::KeyError;

const INLINE_BYTES: usize = 96;
/// What of a hashed key's encoding is kept, so that people may recognise it.
const HEAD_BYTES: usize = 239;
const HASH_BYTES: usize = 16;

/// An encoded key; see the [module](crate::key) for its bytes.
#[derive(Clone)]
pub struct KeyBytes {
    inline: [u8; INLINE_BYTES],
    inline_bytes: usize,
    /// All of it, once it outgrew `inline`.
    spilled: Vec<u8>,
}

impl KeyBytes {
    /// Encodes `key`; without an allocation up to 96 bytes.
    ///
    /// # Errors
    /// [`KeyError`] says what of the key has no encoding.
    #[inline]
    pub fn of<K: Serialize + ?Sized>(key: &K) -> Result<Self, KeyError> {
        let mut bytes = Self::new();
        bytes.encode(key)?;
        Ok(bytes)
    }

    /// An empty one, which is no key yet.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            inline: [0; INLINE_BYTES],
            inline_bytes: 0,
            spilled: Vec::new(),
        }
    }

    /// Encodes `key` into an empty one.
    #[inline]
    pub(crate) fn encode<K: Serialize + ?Sized>(&mut self, key: &K) -> Result<(), KeyError> {
        key.serialize(KeySerializer(self))?;
        self.shorten_if_long();
        Ok(())
    }

    #[inline]
    pub(super) fn shorten_if_long(&mut self) {
        if !self.spilled.is_empty() && self.spilled.len() > MAX_KEY_BYTES {
            self.shorten();
        }
    }

    #[cold]
    fn shorten(&mut self) {
        let hash = Sha256::digest(&self.spilled);
        let mut short = Vec::with_capacity(1 + HASH_BYTES + HEAD_BYTES);
        short.push(tag::HASHED);
        short.extend(hash.iter().take(HASH_BYTES));
        short.extend(self.spilled.iter().take(HEAD_BYTES));
        self.spilled = short;
    }

    /// Whether it stands for a key that was too long.
    pub(crate) fn is_hashed(&self) -> bool {
        self.first() == Some(&tag::HASHED)
    }

    /// A list of items that are encoded already, and not hashed.
    pub(crate) fn list_of(items: [&Self; 3]) -> Self {
        let mut list = Self::new();
        list.push(tag::LIST);
        items.iter().for_each(|item| list.extend(item));
        list.push(tag::END);
        list
    }

    // ---- what the serializer writes with

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let end = self.inline_bytes + bytes.len();
        match self.inline.get_mut(self.inline_bytes..end) {
            Some(room) if self.spilled.is_empty() => {
                room.copy_from_slice(bytes);
                self.inline_bytes = end;
            }
            _ => self.spill(bytes),
        }
    }

    /// Writes the first `count` of `bytes`, with one copy of constant length where there is room.
    #[inline]
    pub(super) fn extend_padded<const N: usize>(&mut self, bytes: [u8; N], count: usize) {
        match self
            .inline
            .get_mut(self.inline_bytes..)
            .and_then(<[u8]>::first_chunk_mut)
        {
            Some(room) if self.spilled.is_empty() => {
                *room = bytes;
                self.inline_bytes += count;
            }
            _ => self.spill(bytes.get(..count).unwrap_or(&bytes)),
        }
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        if self.spilled.is_empty() {
            self.spilled.reserve(2 * INLINE_BYTES + bytes.len());
            self.spilled
                .extend_from_slice(self.inline.get(..self.inline_bytes).unwrap_or(&[]));
        }
        self.spilled.extend_from_slice(bytes);
    }

    /// Puts `byte` before what was written from `position` on.
    pub(super) fn insert(&mut self, position: usize, byte: u8) {
        let tail = self.get(position..).unwrap_or(&[]).to_vec();
        self.truncate(position);
        self.push(byte);
        self.extend(&tail);
    }

    /// Replaces what was written from `position` on.
    pub(super) fn replace_tail(&mut self, position: usize, tail: &[u8]) {
        self.truncate(position);
        self.extend(tail);
    }

    fn truncate(&mut self, bytes: usize) {
        if self.spilled.is_empty() {
            self.inline_bytes = self.inline_bytes.min(bytes);
        } else if bytes == 0 {
            // An empty `spilled` means that `inline` is in use.
            self.spilled.clear();
            self.inline_bytes = 0;
        } else {
            self.spilled.truncate(bytes);
        }
    }
}

impl Deref for KeyBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if self.spilled.is_empty() {
            self.inline.get(..self.inline_bytes).unwrap_or(&self.inline)
        } else {
            &self.spilled
        }
    }
}

impl AsRef<[u8]> for KeyBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for KeyBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for KeyBytes {}

impl std::hash::Hash for KeyBytes {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for KeyBytes {
    /// As hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBytes(")?;
        for byte in &**self {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}
