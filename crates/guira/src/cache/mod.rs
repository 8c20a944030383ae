//! A cache of one type of keys and one of values.

mod announce;
mod builder;
mod bytes;
mod change;
mod compute;
mod compute_many;
mod count;
mod fetch;
#[cfg(any(feature = "ndarray", feature = "rkyv"))]
mod in_place;
mod many;
mod payload;
mod read;
mod reading;
mod seam;
mod spill;
mod tier;
mod whole;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock}; // process-private

use guira_segment::Segment;

pub use builder::{CacheBuilder, Mismatch};
pub use bytes::BytesRef;
pub use change::Renew;
#[cfg(feature = "rkyv")]
pub use in_place::ArchivedRef;
#[cfg(feature = "ndarray")]
pub use in_place::ArrayRef;
pub use reading::Reading;
pub(crate) use spill::{DEFAULT_SPILL_BYTES, is_stub};
pub use whole::{CacheStats, Usage};

use crate::codec::Postcard;
use crate::envelope::Envelope;
use crate::error::Unusable;
use crate::flight::Flights;
use crate::handle::Guira;
use crate::lifetime::LifetimeRules;
use crate::transform::Transforms;

/// Values of type `V` by keys of type `K`, shared by all processes that open the same name.
///
/// Keys may be asked for in borrowed form: `&str` where `K` is `String`, a slice where it is a `Vec`.
/// How they become bytes is told in [`key`](crate::key).
///
/// Cheap to clone; `Send` and `Sync`.
pub struct Cache<K: ?Sized, V, C = Postcard> {
    pub(crate) inner: Arc<Inner<V, C>>,
    types: PhantomData<fn(&K) -> V>,
}

pub(crate) struct Inner<V, C> {
    pub(crate) guira: Guira,
    name: Box<str>,
    segment: Result<Segment, Unusable>,
    codec: C,
    envelope: Envelope,
    transforms: Transforms,
    pub(crate) lifetimes: LifetimeRules<V>,
    mismatch: Mismatch,
    /// Where large values go.
    spill: Option<spill::Spill>,
    /// Whether other hosts are told what is put.
    announces_puts: bool,
    /// Whether a value is decoded where it lies, because it would be copied once more otherwise.
    decodes_pinned: bool,
    mismatches: AtomicU64, // process-private
    /// Of the segment, once somebody asked: it costs calls into the kernel.
    life: OnceLock<u64>,
    pub(crate) flights: Flights,
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
