//! Bytes and text: appending, and reading where they lie.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use guira_segment::{Metadata, Replace, ValueRef};
use serde::Serialize;

use super::Cache;
use crate::codec::{Raw, Text};
use crate::error::{CodecError, Error};

/// Bytes as they lie in the segment, without a copy. While it lives, their block is not reused: keep it
/// short. The notes at [`ValueRef`] hold.
pub struct BytesRef<'s> {
    value: ValueRef<'s>,
    begin: usize,
}

impl BytesRef<'_> {
    /// Deadlines, age, size and version of the entry.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        self.value.metadata()
    }
}

impl Deref for BytesRef<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.value.get(self.begin..).unwrap_or(&[])
    }
}

impl AsRef<[u8]> for BytesRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for BytesRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BytesRef")
            .field("bytes", &self.len())
            .finish_non_exhaustive()
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
        let key = self.key_bytes(key)?;
        let Some(value) = self.segment()?.get(&key) else {
            return Ok(None);
        };
        let Some(payload_bytes) = self.payload(&value)?.map(<[u8]>::len) else {
            return Ok(None);
        };
        let begin = value.len() - payload_bytes;
        Ok(Some(BytesRef { value, begin }))
    }

    /// Appends `suffix` to the bytes of `key`, keeping their lifetime and tags.
    ///
    /// # Errors
    /// As [`Cache::add`]; the value is untouched. [`CodecError::Mismatch`] if it is of another kind.
    pub fn append<Q>(&self, key: &Q, suffix: &[u8]) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.append_bytes(key, suffix)
    }
}

impl<K: ?Sized, V> Cache<K, V, Text> {
    /// Appends `suffix` to the text of `key`, keeping its lifetime and tags.
    ///
    /// # Errors
    /// As [`Cache::add`]; the value is untouched. [`CodecError::Mismatch`] if it is of another kind.
    pub fn append<Q>(&self, key: &Q, suffix: &str) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.append_bytes(key, suffix.as_bytes())
    }
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    fn append_bytes<Q>(&self, key: &Q, suffix: &[u8]) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.key_bytes(key)?;
        let segment = self.segment()?;
        if let Some(value) = segment.get(&key)
            && self.inner.envelope.open(&value).is_none()
        {
            return Err(self.mismatch(&value).into());
        }
        Ok(segment.append(&key, suffix)?)
    }

    /// What the codec is to read of `stored`; `None` if it is of another kind and that counts as a miss.
    pub(super) fn payload<'v>(&self, stored: &'v [u8]) -> Result<Option<&'v [u8]>, CodecError> {
        match self.inner.envelope.open(stored) {
            Some(payload) => Ok(Some(payload)),
            None => self.refuse(self.mismatch(stored)),
        }
    }
}
