//! Bytes and text: appending, and reading where they lie.

use std::borrow::Borrow;
use std::ops::Deref;
use std::time::Duration;

use guira_segment::{Expiry, Metadata, PutOptions, Replace, Swap};
use serde::Serialize;

use super::Cache;
use super::payload::Payload;
use crate::codec::{Found, Raw, Text};
use crate::envelope::Extras;
use crate::error::{CodecError, Error};
use crate::key::KeyBytes;

/// Bytes as they lie in the segment, without a copy (but of what was compressed or encrypted). While it lives,
/// their block is not reused: keep it short. The notes at [`guira_segment::ValueRef`] hold.
#[derive(Debug)]
pub struct BytesRef<'s>(Payload<'s>);

impl BytesRef<'_> {
    /// Whether the bytes lie in the segment.
    #[must_use]
    pub fn is_borrowed(&self) -> bool {
        self.0.is_borrowed()
    }
}

impl Deref for BytesRef<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for BytesRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<K: ?Sized, V> Cache<K, V, Raw> {
    /// The bytes of `key`, borrowed from the segment.
    ///
    /// ```
    /// use guira::codec::Raw;
    /// use std::time::Duration;
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let pages = guira.cache_builder::<str, Vec<u8>>("pages").codec(Raw).build()?;
    /// pages.put("/", &b"<html>".to_vec(), Duration::from_secs(60))?;
    /// assert!(pages.get_ref("/")?.is_some_and(|page| page.starts_with(b"<")));
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub fn get_ref<Q>(&self, key: &Q) -> Result<Option<BytesRef<'_>>, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.payload(&self.key_bytes(key)?)?.map(BytesRef))
    }

    /// Appends `suffix` to the bytes of `key`, keeping their lifetime and tags.
    ///
    /// # Errors
    /// As [`Cache::add`]; the value is untouched. [`CodecError::Mismatch`] if it is of another kind,
    /// [`CodecError::NotInPlace`] if it is compressed or sealed.
    pub fn append<Q>(&self, key: &Q, suffix: &[u8]) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.append_bytes(key, suffix)
    }

    /// Puts `prefix` before the bytes of `key`, keeping their lifetime and tags.
    ///
    /// # Errors
    /// As [`Cache::append`].
    pub fn prepend<Q>(&self, key: &Q, prefix: &[u8]) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.prepend_bytes(key, prefix)
    }
}

impl<K: ?Sized, V> Cache<K, V, Text> {
    /// Appends `suffix` to the text of `key`, keeping its lifetime and tags.
    ///
    /// # Errors
    /// As [`Cache::add`]; the value is untouched. [`CodecError::Mismatch`] if it is of another kind,
    /// [`CodecError::NotInPlace`] if it is compressed or sealed.
    pub fn append<Q>(&self, key: &Q, suffix: &str) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.append_bytes(key, suffix.as_bytes())
    }

    /// Puts `prefix` before the text of `key`, keeping its lifetime and tags.
    ///
    /// # Errors
    /// As [`Cache::append`].
    pub fn prepend<Q>(&self, key: &Q, prefix: &str) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.prepend_bytes(key, prefix.as_bytes())
    }
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    fn append_bytes<Q>(&self, key: &Q, suffix: &[u8]) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.rewrite_bytes(&self.key_bytes(key)?, |payload| [payload, suffix].concat())
    }

    fn prepend_bytes<Q>(&self, key: &Q, prefix: &[u8]) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.key_bytes(key)?;
        if self.may_spill() {
            return self.rewrite_bytes(&key, |payload| [prefix, payload].concat());
        }
        self.check_unsealed()?;
        let segment = self.segment()?;
        if let Some(value) = segment.get(&key) {
            self.check_in_place(&value)?;
        }
        let head = self.inner.envelope.head(Extras::default());
        let written = segment.prepend(&key, head.bytes(), prefix)?;
        Ok(self.announced(segment, &key, written))
    }

    /// Stores what `change` makes of the present bytes, keeping lifetime and tags.
    fn rewrite_bytes(&self, key: &KeyBytes, change: impl Fn(&[u8]) -> Vec<u8>) -> Result<Replace, Error> {
        let segment = self.segment()?;
        self.check_unsealed()?;
        loop {
            // Before the value is read: what is invalidated from here on supersedes the change.
            let begun = self.begun(segment, key, PutOptions::default());
            let Some(value) = segment.get(key) else {
                return Ok(Replace::NotFound);
            };
            let map = match self.unspilled(key, &value) {
                Some(None) if self.is_replaced(segment, key, &value) => continue,
                Some(None) => return Ok(Replace::NotFound),
                Some(map) => map,
                None => None,
            };
            let present = map.as_deref().unwrap_or(&value);
            self.check_in_place(present)?;
            // Only of what was looked at: another kind may be put meanwhile.
            let metadata = value.metadata();
            let payload = self.inner.envelope.open(present).unwrap_or(&[]);
            let head = present.get(..present.len() - payload.len()).unwrap_or(&[]);
            let whole = [head, &change(payload)].concat();
            let tags = value.tags();
            drop(value);
            let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
            let options = begun
                .expiry(what_is_left(&metadata))
                .tags(&tags)
                .aligned(self.inner.envelope.form().in_place);
            let swap = self.spilled(key, &whole, |bytes| {
                Ok::<_, Error>(segment.compare_and_swap(key, metadata.version, bytes, &options)?)
            })?;
            match swap {
                Swap::Stored => return Ok(self.announced(segment, key, Replace::Stored)),
                Swap::NotFound => return Ok(Replace::NotFound),
                Swap::Superseded => return Ok(Replace::Superseded),
                Swap::Conflict(_) => {}
            }
        }
    }

    /// What is sealed cannot be changed in place.
    fn check_unsealed(&self) -> Result<(), CodecError> {
        match self.inner.transforms.seal {
            None => Ok(()),
            Some(_) => Err(CodecError::NotInPlace {
                found: self.inner.envelope.expected(),
            }),
        }
    }

    /// Whether the bytes of `value` are as they were put.
    fn check_in_place(&self, value: &[u8]) -> Result<(), CodecError> {
        if self.inner.envelope.open(value).is_some() {
            return Ok(());
        }
        Err(match self.inner.envelope.parse(value) {
            Some(_) => CodecError::NotInPlace {
                found: Found::of(value),
            },
            None => self.mismatch(value),
        })
    }
}

/// The rest of a life. What is just over lasts for the millisecond that is the least there is.
fn what_is_left(metadata: &Metadata) -> Expiry {
    const LEAST: Duration = Duration::from_millis(1);
    let expiry = metadata
        .ttl
        .map_or(Expiry::never(), |left| Expiry::after(left.max(LEAST)));
    metadata
        .soft_ttl
        .map_or(expiry, |left| expiry.soft(left.max(LEAST)))
}
