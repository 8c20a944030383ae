//! What stands between typed caches and the engine's bytes, for whoever builds on both.

use std::borrow::Borrow;
use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use guira_segment::{Read, Segment};
use serde::Serialize;

use super::{Cache, Mismatch};
use crate::codec::{Codec, Found};
use crate::dependency::{self, is_inheriting};
use crate::envelope::Extras;
use crate::error::{CodecError, Error};
use crate::key::KeyBytes;
use crate::transform::Context;

/// A buffer that outgrew this is not kept.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Takes this thread's buffer; whoever takes it before it is given back has an empty one.
#[inline]
pub(super) fn take_buffer() -> Vec<u8> {
    // A thread that ends may have lost it already.
    BUFFER.try_with(Cell::take).unwrap_or_default()
}

/// Gives a buffer back.
#[inline]
pub(super) fn keep(buffer: Vec<u8>) {
    if buffer.capacity() <= KEPT_BUFFER_BYTES {
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
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
            Err(unusable) => Err(unusable.of_cache(&self.inner.name)),
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

    /// What the computation of `stored` took, if that was stored with it.
    #[must_use]
    pub fn cost_of(&self, stored: &[u8]) -> Option<Duration> {
        self.inner.envelope.parse(stored)?.0.cost()
    }

    /// Whether what was just read may be: always, but for a host that has lost touch with its cluster.
    #[inline]
    pub(super) fn may_be_given_out(&self) -> bool {
        match &self.inner.segment {
            Ok(segment) => self.inner.flights.judge.allows(segment),
            Err(_) => true,
        }
    }

    /// The payload of what is compressed or sealed.
    pub(super) fn transformed(&self, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, CodecError> {
        let Some((extras, body)) = self.inner.envelope.parse(stored) else {
            return Err(self.mismatch(stored));
        };
        self.inner
            .transforms
            .undo(&self.context(key), stored, extras, body)
    }

    fn context<'c>(&'c self, key: &'c [u8]) -> Context<'c> {
        Context {
            name: &self.inner.name,
            key,
        }
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
    /// Calls `then` with what `value` is in the segment under `key`. Without an allocation, but for large
    /// values and those that are compressed or sealed.
    ///
    /// # Errors
    /// [`CodecError::Encode`], and what `then` returns.
    #[inline]
    pub fn with_encoded<R, E: From<CodecError>>(
        &self,
        key: &[u8],
        value: &V,
        then: impl FnOnce(&[u8]) -> Result<R, E>,
    ) -> Result<R, E> {
        self.with_extras(key, value, Extras::default(), then)
    }

    /// As [`Cache::with_encoded`], with what the value's computation took beside it.
    ///
    /// # Errors
    /// As [`Cache::with_encoded`].
    pub fn with_encoded_cost<R, E: From<CodecError>>(
        &self,
        key: &[u8],
        value: &V,
        cost: Duration,
        then: impl FnOnce(&[u8]) -> Result<R, E>,
    ) -> Result<R, E> {
        self.with_extras(key, value, Extras::default().with_cost(cost), then)
    }

    pub(super) fn with_extras<R, E: From<CodecError>>(
        &self,
        key: &[u8],
        value: &V,
        extras: Extras,
        then: impl FnOnce(&[u8]) -> Result<R, E>,
    ) -> Result<R, E> {
        let inner = &*self.inner;
        // Taken, not borrowed: a value's own `Serialize` may come here again.
        let mut buffer = take_buffer();
        buffer.clear();
        let result = if inner.transforms.are_none() {
            buffer.extend_from_slice(inner.envelope.head(extras).bytes());
            let encoded = inner.codec.encode(value, &mut buffer);
            encoded
                .map_err(E::from)
                .and_then(|()| self.spilled(key, &buffer, then))
        } else {
            let encoded = inner.codec.encode(value, &mut buffer);
            let stored = encoded.and_then(|()| {
                let context = self.context(key);
                inner.transforms.apply(&inner.envelope, extras, &context, &buffer)
            });
            stored
                .map_err(E::from)
                .and_then(|stored| self.spilled(key, &stored, then))
        };
        keep(buffer);
        result
    }

    /// The value that `stored` is under `key`; `None` if it is of another kind and that counts as a miss.
    ///
    /// # Errors
    /// [`CodecError`], if the cache says so of values of another kind.
    #[inline]
    pub fn decode(&self, key: &[u8], stored: &[u8]) -> Result<Option<V>, CodecError> {
        if !self.may_be_given_out() {
            return Ok(None);
        }
        self.decode_any(key, stored)
    }

    /// As `decode`, of a value that is beyond trust too.
    #[inline]
    pub(crate) fn decode_any(&self, key: &[u8], stored: &[u8]) -> Result<Option<V>, CodecError> {
        let decoded = match self.inner.envelope.open(stored) {
            Some(payload) => self.inner.codec.decode(payload),
            None => match self.unspilled(key, stored) {
                None => self.decode_transformed(key, stored),
                Some(None) => return Ok(None),
                Some(Some(map)) => self.decode_spilled(key, &map),
            },
        };
        match decoded {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.refuse(error),
        }
    }

    #[inline(never)]
    fn decode_spilled(&self, key: &[u8], stored: &[u8]) -> Result<V, CodecError> {
        match self.inner.envelope.open(stored) {
            Some(payload) => self.inner.codec.decode(payload),
            None => self.decode_transformed(key, stored),
        }
    }

    /// The value of `key` with whether it is fresh: a first look, without a pin.
    ///
    /// # Errors
    /// As [`Cache::decode`].
    #[inline]
    pub(crate) fn read(&self, segment: &Segment, key: &[u8]) -> Result<(Read, Option<V>), CodecError> {
        if is_inheriting() {
            return self.read_giving(segment, key);
        }
        let mut buffer = take_buffer();
        let read = segment.read_into(key, &mut buffer);
        let value = match read {
            Read::Miss => Ok(None),
            Read::Fresh | Read::Stale => self.decode(key, &buffer),
        };
        keep(buffer);
        Ok((read, value?))
    }

    /// As `read`, for a computation that wants to know what the value depends on.
    #[cold]
    fn read_giving(&self, segment: &Segment, key: &[u8]) -> Result<(Read, Option<V>), CodecError> {
        let Some(stored) = segment.get(key) else {
            return Ok((Read::Miss, None));
        };
        dependency::give(&stored);
        let read = if stored.is_stale() {
            Read::Stale
        } else {
            Read::Fresh
        };
        Ok((read, self.decode(key, &stored)?))
    }

    #[inline(never)]
    fn decode_transformed(&self, key: &[u8], stored: &[u8]) -> Result<V, CodecError> {
        let payload = self.transformed(key, stored)?;
        self.inner.codec.decode(&payload)
    }
}
