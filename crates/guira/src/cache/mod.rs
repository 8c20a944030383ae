//! A cache of one type of keys and one of values.

mod builder;
mod read;
mod seam;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU64; // process-private

use guira_segment::{NamespaceError, Segment};

pub use builder::{CacheBuilder, Mismatch};

use crate::codec::Postcard;
use crate::envelope::Envelope;
use crate::handle::Guira;
use crate::lifetime::Lifetime;

/// Values of type `V` by keys of type `K`, shared by all processes that open the same name.
///
/// Keys may be asked for in borrowed form: `&str` where `K` is `String`, a slice where it is a `Vec`.
/// How they become bytes is told in [`key`](crate::key).
///
/// Cheap to clone; `Send` and `Sync`.
pub struct Cache<K: ?Sized, V, C = Postcard> {
    pub(crate) inner: Arc<Inner<C>>,
    types: PhantomData<fn(&K) -> V>,
}

#[derive(Debug)]
pub(crate) struct Inner<C> {
    pub(crate) guira: Guira,
    name: Box<str>,
    segment: Result<Segment, NamespaceError>,
    codec: C,
    envelope: Envelope,
    pub(crate) lifetime: Lifetime,
    mismatch: Mismatch,
    mismatches: AtomicU64, // process-private
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What it is a part of.
    #[must_use]
    pub fn guira(&self) -> &Guira {
        &self.inner.guira
    }
}

impl<K: ?Sized, V, C> Clone for Cache<K, V, C> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            types: PhantomData,
        }
    }
}

impl<K: ?Sized, V, C> fmt::Debug for Cache<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.inner.name)
            .field("path", &self.inner.guira.path())
            .finish_non_exhaustive()
    }
}
