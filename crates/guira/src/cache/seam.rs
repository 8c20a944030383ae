//! What stands between typed caches and the engine's bytes, for whoever builds on both.

use std::borrow::Borrow;
use std::cell::Cell;
use std::sync::atomic::Ordering;

use guira_segment::Segment;
use serde::Serialize;

use super::{Cache, Mismatch};
use crate::codec::{Codec, Found};
use crate::error::{CodecError, Error};
use crate::key::KeyBytes;

/// A buffer that outgrew this is not kept.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Takes this thread's buffer; whoever takes it before it is given back has an empty one.
#[inline]
pub(super) fn take_buffer() -> Vec<u8> {
    BUFFER.take()
}

/// Gives a buffer back.
#[inline]
pub(super) fn keep(buffer: Vec<u8>) {
    if buffer.capacity() <= KEPT_BUFFER_BYTES {
        BUFFER.set(buffer);
    }
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// The cache's namespace in the segment, where keys and values are bytes.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    #[inline]
    pub fn segment(&self) -> Result<&Segment, Error> {
        match &self.inner.segment {
            Ok(segment) => Ok(segment),
            Err(error) => Err(Error::Namespace {
                name: self.inner.name.clone(),
                source: error.clone(),
            }),
        }
    }

    /// What `key` is in the segment.
    ///
    /// # Errors
    /// [`Error::Key`].
    #[inline]
    pub fn key_bytes<Q>(&self, key: &Q) -> Result<KeyBytes, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(KeyBytes::of(key)?)
    }

    /// Values that were met and could not be read, by this process, through this handle and its clones.
    #[must_use]
    pub fn mismatches(&self) -> u64 {
        self.inner.mismatches.load(Ordering::Relaxed)
    }

    #[cold]
    pub(super) fn mismatch(&self, stored: &[u8]) -> CodecError {
        CodecError::Mismatch {
            found: Found::of(stored),
            expected: self.inner.envelope.expected(),
        }
    }

    #[cold]
    pub(super) fn refuse<T>(&self, error: CodecError) -> Result<Option<T>, CodecError> {
        self.inner.mismatches.fetch_add(1, Ordering::Relaxed);
        match self.inner.mismatch {
            Mismatch::Miss => Ok(None),
            Mismatch::Error => Err(error),
        }
    }
}

impl<K: ?Sized, V, C: Codec<V>> Cache<K, V, C> {
    /// Calls `then` with what `value` is in the segment. Without an allocation, but for large values.
    ///
    /// # Errors
    /// [`CodecError::Encode`], and what `then` returns.
    #[inline]
    pub fn with_encoded<R, E: From<CodecError>>(
        &self,
        value: &V,
        then: impl FnOnce(&[u8]) -> Result<R, E>,
    ) -> Result<R, E> {
        // Taken, not borrowed: a value's own `Serialize` may come here again.
        let mut buffer = take_buffer();
        buffer.clear();
        buffer.extend_from_slice(self.inner.envelope.head());
        let encoded = self.inner.codec.encode(value, &mut buffer);
        let result = encoded.map_err(E::from).and_then(|()| then(&buffer));
        keep(buffer);
        result
    }

    /// The value that `stored` is; `None` if it is of another kind and that counts as a miss.
    ///
    /// # Errors
    /// [`CodecError`], if the cache says so of values of another kind.
    #[inline]
    pub fn decode(&self, stored: &[u8]) -> Result<Option<V>, CodecError> {
        let Some(payload) = self.inner.envelope.open(stored) else {
            return self.refuse(self.mismatch(stored));
        };
        match self.inner.codec.decode(payload) {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.refuse(error),
        }
    }
}
