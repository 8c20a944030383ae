//! How the results of a memoized function are stored.

use std::time::Duration;

use super::memo::Memo;
use crate::cache::Cache;
use crate::codec::Codec;
use crate::dependency::Declared;
use crate::flight::Values;
use crate::options::PutOptions;

/// Results that carry the same tags.
pub(super) struct MemoValues<'c, V, C> {
    pub(super) memo: &'c Memo<V, C>,
    pub(super) cache: &'c Cache<(), V, C>,
    pub(super) tags: &'c [String],
}

impl<V, C: Codec<V>> Values<V> for MemoValues<'_, V, C> {
    fn decode(&self, key: &[u8], stored: &[u8]) -> Option<V> {
        self.cache.decode_any(key, stored).ok().flatten()
    }

    fn names(&self) -> &[impl AsRef<[u8]>] {
        self.tags
    }

    fn encode<R>(
        &self,
        key: &[u8],
        value: &V,
        cost: Duration,
        declared: &Declared,
        store: impl FnOnce(&[u8], Option<&guira_segment::PutOptions<'_>>) -> R,
    ) -> Option<R> {
        self.memo.observe(value);
        let tags = declared.tags(self.tags);
        let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
        let options = PutOptions::default().tags(&tags);
        let options = self.cache.computed_options(value, cost, options);
        let stored = self.cache.with_computed(key, value, cost, |bytes| {
            // With a lifetime that is wrong it is told all the same.
            let kept = options.as_ref().ok().filter(|_| self.memo.keeps(value));
            let stored = store(bytes, kept);
            options.map(|_| stored)
        });
        match stored {
            Ok(stored) => Some(stored),
            Err(error) => {
                tracing::warn!(function = self.memo.name(), %error, "a computed value was not stored");
                None
            }
        }
    }
}
