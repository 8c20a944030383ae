//! Settings of a cache.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU64; // process-private

use super::{Cache, Inner};
use crate::codec::{Codec, Postcard};
use crate::envelope::Envelope;
use crate::error::Error;
use crate::handle::Guira;
use crate::lifetime::Lifetime;

/// What becomes of a read that meets a value of another codec or schema, or one that does not decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mismatch {
    /// It is a miss, and counted: a new version of a program goes on beside the old one.
    #[default]
    Miss,
    /// It is an error.
    Error,
}

/// Settings of a cache; each has a default that is stated at its setter.
#[derive(Clone, Debug)]
pub struct CacheBuilder<K: ?Sized, V, C = Postcard> {
    guira: Guira,
    name: Box<str>,
    codec: C,
    schema: u32,
    lifetime: Lifetime,
    mismatch: Mismatch,
    types: PhantomData<fn(&K) -> V>,
}

impl<K: ?Sized, V> CacheBuilder<K, V> {
    pub(crate) fn new(guira: Guira, name: &str) -> Self {
        Self {
            guira,
            name: name.into(),
            codec: Postcard,
            schema: 0,
            lifetime: Lifetime::never(),
            mismatch: Mismatch::default(),
            types: PhantomData,
        }
    }
}

impl<K: ?Sized, V, C> CacheBuilder<K, V, C> {
    /// How values become bytes; by default [`Postcard`].
    #[must_use]
    pub fn codec<D: Codec<V>>(self, codec: D) -> CacheBuilder<K, V, D> {
        CacheBuilder {
            guira: self.guira,
            name: self.name,
            codec,
            schema: self.schema,
            lifetime: self.lifetime,
            mismatch: self.mismatch,
            types: PhantomData,
        }
    }

    /// The version of what values mean; by default 0. Values of another one are not read.
    #[must_use]
    pub fn schema(self, schema: u32) -> Self {
        Self { schema, ..self }
    }

    /// How long values live that are put without a lifetime of their own; by default for ever.
    #[must_use]
    pub fn lifetime(self, lifetime: impl Into<Lifetime>) -> Self {
        Self {
            lifetime: lifetime.into(),
            ..self
        }
    }

    /// What becomes of values of another codec or schema; by default they are missed.
    #[must_use]
    pub fn mismatch(self, mismatch: Mismatch) -> Self {
        Self { mismatch, ..self }
    }

    /// The cache; what is wrong with its name is an error of each operation.
    #[must_use]
    pub fn open(self) -> Cache<K, V, C>
    where
        C: Codec<V>,
    {
        let mut form = self.codec.form();
        form.schema ^= self.schema;
        Cache {
            inner: Arc::new(Inner {
                segment: self.guira.segment().namespace(&self.name),
                guira: self.guira,
                name: self.name,
                envelope: Envelope::new(form),
                codec: self.codec,
                lifetime: self.lifetime,
                mismatch: self.mismatch,
                mismatches: AtomicU64::new(0),
            }),
            types: PhantomData,
        }
    }

    /// The cache, or what is wrong with its name.
    ///
    /// # Errors
    /// [`Error::Namespace`].
    pub fn build(self) -> Result<Cache<K, V, C>, Error>
    where
        C: Codec<V>,
    {
        let cache = self.open();
        cache.segment()?;
        Ok(cache)
    }
}
