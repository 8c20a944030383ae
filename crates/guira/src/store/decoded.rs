//! Values as they are in the program, kept by each process in front of the segment.

use std::cell::Cell;
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use guira_segment::{Add, Put, Replace, Watch};
use quick_cache::sync::Cache as Table;
use serde::Serialize;

use super::{Arbiter, Keeping, Looked, Seat, Store};
use crate::cache::{Cache, Renew};
use crate::codec::{Codec, Postcard};
use crate::dependency::{self, is_inheriting};
use crate::error::Error;
use crate::lifetime::{Lifetime, Ttl};
use crate::options::PutOptions;

/// One hit in so many is a read of the segment too, so that it knows what is in use and keeps it.
const HITS_FOR_A_READ: u32 = 64;

/// A cache whose decoded values are kept by this process, so that a hit decodes and copies nothing. Each hit
/// asks the segment whether the value still is the key's, by a few words and without a search, so that it
/// is never older than a read of the cache would be: what another process puts, removes, expires or invalidates shows
/// at once.
///
/// It holds at most so many values, by its own policy (S3-FIFO), beside what the segment holds. A value that is
/// changed in place by the program (through a `Mutex` in it, say) is changed in this process alone.
///
/// ```
/// use guira::store::Decoded;
/// use std::time::Duration;
///
/// # let guira = guira::Guira::builder().size(8 << 20).private()?;
/// let cache = guira.cache::<u64, Vec<String>>("names");
/// let names = Decoded::new(cache.clone(), 10_000);
/// cache.put(&7, &vec!["plum".to_owned()], Duration::from_secs(60))?;
/// let seven = names.get_shared(&7)?.expect("just put");
/// assert_eq!(seven[0], "plum");
/// cache.invalidate(&7)?; // by whomever
/// assert!(names.get_shared(&7)?.is_none());
/// # Ok::<(), guira::Error>(())
/// ```
pub struct Decoded<K, V, C = Postcard> {
    cache: Cache<K, V, C>,
    table: Table<K, Arc<Kept<V>>>,
    /// Each hit is a read, for it prolongs.
    slides: bool,
}

/// In this order: the watch is looked at first, and lies beside the count of references.
#[repr(C)]
struct Kept<V> {
    watch: Option<Watch>,
    /// While the watch stands: it is not stale, and has no soft deadline. Known once somebody asked.
    stays_fresh: OnceLock<bool>,
    value: V,
}

/// A value that is shared with those who read it in this process.
pub struct Shared<V>(Arc<Kept<V>>);

impl<K: Serialize + Eq + Hash + Clone, V, C: Codec<V>> Decoded<K, V, C> {
    /// Keeps up to `values` decoded values of `cache`.
    #[must_use]
    pub fn new(cache: Cache<K, V, C>, values: usize) -> Self {
        Self {
            slides: cache.inner.lifetimes.sliding.is_some(),
            cache,
            table: Table::new(values),
        }
    }

    /// The cache.
    pub const fn cache(&self) -> &Cache<K, V, C> {
        &self.cache
    }

    /// How many values are kept decoded, current or not.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.table.len()
    }

    /// The value of `key`, shared with all who read it in this process; `Ok(None)` is a miss.
    ///
    /// # Errors
    /// As [`Cache::get`].
    #[inline]
    pub fn get_shared(&self, key: &K) -> Result<Option<Shared<V>>, Error> {
        if is_inheriting() {
            // Tags are not kept here: the segment's value is decoded anew.
            return self.decode(key);
        }
        if let Some(kept) = self.table.get(key)
            && let Some(watch) = &kept.watch
            && self.cache.segment()?.is_current(watch)
        {
            if self.slides || is_a_read() {
                self.read(key)?;
            }
            return Ok(Some(Shared(kept)));
        }
        self.decode(key)
    }

    /// Reads the segment's value without decoding it.
    #[cold]
    fn read(&self, key: &K) -> Result<(), Error> {
        let key = self.cache.key_bytes(key)?;
        let segment = self.cache.segment()?;
        drop(segment.get(&key));
        self.cache.slide(segment, &key);
        Ok(())
    }

    /// Whether `kept` is fresh as long as it is current.
    fn stays_fresh(&self, key: &K, kept: &Kept<V>) -> Result<bool, Error> {
        if let Some(stays_fresh) = kept.stays_fresh.get() {
            return Ok(*stays_fresh);
        }
        let metadata = self.cache.metadata(key)?;
        let stays_fresh = metadata.is_some_and(|present| !present.is_stale && present.soft_ttl.is_none());
        // Only then it was the metadata of this value.
        if let Some(watch) = &kept.watch
            && self.cache.segment()?.is_current(watch)
        {
            return Ok(*kept.stays_fresh.get_or_init(|| stays_fresh));
        }
        Ok(false)
    }

    #[inline(never)]
    fn decode(&self, key: &K) -> Result<Option<Shared<V>>, Error> {
        let key_bytes = self.cache.key_bytes(key)?;
        let segment = self.cache.segment()?;
        self.cache.slide(segment, &key_bytes);
        let found = match segment.get_watched(&key_bytes) {
            None => None,
            Some((stored, watch)) => {
                dependency::give(&stored);
                let value = self.cache.decode(&key_bytes, &stored)?;
                value.map(|value| Kept {
                    watch,
                    stays_fresh: OnceLock::new(),
                    value,
                })
            }
        };
        let Some(kept) = found else {
            self.table.remove(key);
            return Ok(None);
        };
        let is_watched = kept.watch.is_some();
        let kept = Arc::new(kept);
        if is_watched {
            self.table.insert(key.clone(), Arc::clone(&kept));
        }
        Ok(Some(Shared(kept)))
    }
}

/// Whether this hit is to be a read of the segment too.
#[inline]
fn is_a_read() -> bool {
    thread_local! {
        static HITS: Cell<u32> = const { Cell::new(0) };
    }
    let hits = HITS.get().wrapping_add(1);
    HITS.set(hits);
    hits.is_multiple_of(HITS_FOR_A_READ)
}

impl<V> Deref for Shared<V> {
    type Target = V;

    #[inline]
    fn deref(&self) -> &V {
        &self.0.value
    }
}

impl<V> Clone for Shared<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V: fmt::Debug> fmt::Debug for Shared<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

impl<K, V, C> fmt::Debug for Decoded<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

impl<K, V, C> Store<K, V> for Decoded<K, V, C>
where
    K: Serialize + Eq + Hash + Clone + Send + Sync,
    V: Clone + Send + Sync,
    C: Codec<V>,
{
    fn get(&self, key: &K) -> Result<Option<V>, Error> {
        Ok(self.get_shared(key)?.map(|value| V::clone(&value)))
    }

    fn get_ttl(&self, key: &K) -> Result<Option<(V, Ttl)>, Error> {
        self.cache.get_ttl(key)
    }

    fn ttl(&self, key: &K) -> Result<Option<Ttl>, Error> {
        self.cache.ttl(key)
    }

    fn put(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Put, Error> {
        self.cache.put(key, value, *options)
    }

    fn add(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error> {
        self.cache.add(key, value, *options)
    }

    fn replace(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Replace, Error> {
        self.cache.replace(key, value, *options)
    }

    fn touch(&self, key: &K, lifetime: Lifetime) -> Result<Replace, Error> {
        self.cache.touch(key, lifetime)
    }

    fn renew(&self, key: &K, lifetime: Lifetime) -> Result<Renew, Error> {
        self.cache.renew(key, lifetime)
    }

    fn expire(&self, key: &K) -> Result<bool, Error> {
        self.cache.expire(key)
    }

    fn remove(&self, key: &K) -> Result<bool, Error> {
        self.cache.remove(key)
    }

    fn invalidate(&self, key: &K) -> Result<bool, Error> {
        self.cache.invalidate(key)
    }

    fn clear(&self) -> Result<(), Error> {
        self.cache.clear()
    }

    fn purge_stale_for(&self, time: Duration) -> Result<u64, Error> {
        self.cache.purge_stale_for(time)
    }

    fn get_if_fresh(&self, key: &K) -> Result<Option<V>, Error> {
        match self.get_shared(key)? {
            Some(shared) if self.stays_fresh(key, &shared.0)? => Ok(Some(V::clone(&shared))),
            Some(_) => self.cache.get_if_fresh(key),
            None => Ok(None),
        }
    }

    fn look(&self, key: &K) -> Result<Looked<V>, Error> {
        self.cache.look_for_tiers(key)
    }

    fn seat(&self, key: &K) -> Result<Option<Seat>, Error> {
        self.cache.seat_for_tiers(key).map(Some)
    }

    fn keep(&self, key: &K, value: &V, keeping: &Keeping<'_>) -> Result<bool, Error> {
        self.cache.keep_for_tiers(key, value, keeping)
    }

    fn arbiter(&self) -> Option<Arbiter<'_, K, V>> {
        Some(Arbiter(&self.cache))
    }
}
