//! Changing a source that a cached value is computed from, so that a process that is killed on the way leaves no
//! old value behind.
//!
//! "Change the source, then invalidate" has a hole: who is killed in between has told nobody, and the old value
//! stays until it expires. A [`WriteGuard`] is told of *before* the change.
//!
//! # States
//!
//! | state | how it is entered | the key's value | a computation that begins now |
//! |---|---|---|---|
//! | open | | the old one | is stored |
//! | announced | the record is written | the old one | is not stored |
//! | guarded | the key is invalidated | none | is not stored |
//! | changed | the caller changes the source | none | is not stored |
//! | invalidated | the guard ends, and invalidates again | none | is not stored |
//! | open | the record is removed, or its lifetime, the **bound**, ends | none, then the new one | is stored |
//!
//! A computation takes its fill token, *then* looks for a record, *then* reads the source. With a record it
//! gives its value to its caller, and to those who wait for that very flight, and stores nothing.
//!
//! # Why no old value stays
//!
//! Take a value that was computed from the source as it was before the change.
//!
//! * It was stored before the guard invalidated: that invalidation removed it.
//! * Its computation looked for a record before there was one: its token is older than that look, so older than
//!   the invalidation that follows the record, which supersedes it however late it is stored.
//! * It looked and found the record: it is not stored.
//! * It looked when the record was gone. If the guard ended, the change was over before, and so the source was read
//!   after it: the value is no old one. Else the bound had ended, of which below.
//!
//! No step of a reader depends on the writer going on: killed in *announced*, it has changed nothing; killed in
//! *guarded* or later, there is no value, and none is stored until the bound ends; what is computed then is
//! computed from the source as the dead process left it. A hit looks for nothing, and costs what it did.
//!
//! # What the bound is
//!
//! How long the key is computed anew on every miss after its writer was killed: choose what a change takes at
//! most, and something over. It is also what the promise rests on while the writer lives: one that was **stopped
//! for longer** than the bound before it changed the source, and is **then killed** before its guard ends, leaves
//! what one without a guard does. A writer that may be slow calls [`WriteGuard::renew`] just before the change.
//!
//! Records are entries too: one of a segment so small that all of its log is written anew within the bound may be
//! evicted, and guards nothing from then on; so may one that [`Guira::clear_all`](crate::Guira::clear_all) met. That the end of the guard invalidates does not depend on any record.
//!
//! # Several writers, other keys
//!
//! Each guard of a key has a record of its own, so the end of one does not end another. A guard is of one key, for
//! those who compute: [`Cache::get_or_compute`](crate::Cache::get_or_compute) and memoized functions. A plain
//! `put` is stored at any time; whoever puts says that its value is the newest.

mod registry;

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use guira_segment::Segment;
use serde::Serialize;

use crate::cache::Cache;
use crate::codec::Codec;
use crate::error::Error;
use crate::flight::{KeyId, Records};
use crate::key::KeyBytes;
use crate::memoized::Memo;

use registry::Registered;
pub(crate) use registry::is_guarded;

/// While it lives, no computation of its key is stored; at its end, in whatever way, the key is invalidated. See
/// [the module](self).
#[must_use = "it guards only while it is kept"]
pub struct WriteGuard {
    segment: Segment,
    key: KeyBytes,
    registered: Registered,
    bound: Duration,
    /// In a forked child the guard is the parent's.
    process: u32,
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// Begins a change of what the value of `key` is computed from. Once this has returned, the key has no value and
    /// gets none by a computation, until the guard ends, or this process dies and `bound` is over.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// # let mut database = std::collections::BTreeMap::from([(7, "plum")]);
    /// let users = guira.cache::<u64, String>("users");
    /// users.get_or_compute(&7, || database[&7].to_owned())?;
    ///
    /// let guard = users.write_guard(&7, Duration::from_secs(30))?;
    /// database.insert(7, "sloe"); // a process that is killed here leaves no "plum" behind
    /// guard.finish();
    /// assert_eq!(users.get_or_compute(&7, || database[&7].to_owned())?, "sloe");
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// What a memoized function kept is guarded by [`Memo::write_guard`](crate::Memo::write_guard).
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`], or [`Error::Store`] if the record cannot be written: then nothing
    /// is guarded, and the value is as it was.
    pub fn write_guard<Q>(&self, key: &Q, bound: Duration) -> Result<WriteGuard, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        WriteGuard::begin(self.segment()?, self.name(), self.key_bytes(key)?, bound)
    }

    /// Changes, under a guard, what the value of `key` is computed from; the guard ends with `change`, also by a
    /// panic.
    ///
    /// # Errors
    /// As [`Cache::write_guard`]; then `change` was not called.
    pub fn change<Q, R>(&self, key: &Q, bound: Duration, change: impl FnOnce() -> R) -> Result<R, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let _guard = self.write_guard(key, bound)?;
        Ok(change())
    }
}

impl<V, C: Codec<V>> Memo<V, C> {
    /// As [`Cache::write_guard`], for what is kept of a memoized function's call with `key`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// #[guira::cached]
    /// fn name_of(user: u64) -> String {
    ///     # "plum".to_owned()
    ///     // .. asks the database
    /// }
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// guira.set_default();
    /// name_of(7);
    /// let guard = name_of::memo().write_guard(&7, Duration::from_secs(30))?;
    /// // .. changes the name in the database
    /// guard.finish();
    /// assert!(!name_of::contains(7)?);
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Cache::write_guard`]; [`Error::NoCache`].
    pub fn write_guard<Q: Serialize + ?Sized>(&self, key: &Q, bound: Duration) -> Result<WriteGuard, Error> {
        let cache = self.cache()?;
        WriteGuard::begin(cache.segment()?, self.name(), self.key(key)?, bound)
    }
}

impl WriteGuard {
    fn begin(segment: &Segment, name: &str, key: KeyBytes, bound: Duration) -> Result<Self, Error> {
        let records = Records::segment_of(segment).map_err(|source| Error::Namespace {
            name: name.into(),
            source,
        })?;
        let registered = Registered::begin(records, KeyId::of(segment, &key), bound)?;
        segment.invalidate(&key);
        Ok(Self {
            segment: segment.clone(),
            key,
            registered,
            bound,
            process: std::process::id(),
        })
    }

    /// Ends it, as dropping it does: the key is invalidated, and values are stored again that are computed from now
    /// on. Cannot fail.
    pub fn finish(self) {}

    /// Begins the bound anew: from when this has returned, all is as if the guard began now.
    ///
    /// # Errors
    /// [`Error::Store`]; the guard goes on as it was.
    pub fn renew(&mut self) -> Result<(), Error> {
        self.registered.renew(self.bound)?;
        // Somebody may have stored a value if the bound was over.
        self.segment.invalidate(&self.key);
        Ok(())
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        self.segment.invalidate(&self.key);
        // Only now: a computation that finds no record read the source after the change.
        self.registered.end();
    }
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteGuard")
            .field("key", &self.key)
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}
