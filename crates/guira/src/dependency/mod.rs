//! What values depend on: names, each of which invalidates everything that depends on it, at once and in constant
//! time and space.
//!
//! A value says what it depends on when it is put ([`PutOptions::tags`]), afterwards ([`Dependency::add`]), or while it
//! is computed, where that is known best:
//!
//! ```
//! # let guira = guira::Guira::builder().size(8 << 20).private()?;
//! let pages = guira.cache::<str, String>("pages");
//! let page = pages.get_or_compute("/team", || {
//!     let members = [3, 7];
//!     for member in members {
//!         guira::depends_on(format!("user:{member}"));
//!     }
//!     format!("{members:?}")
//! })?;
//! assert_eq!(page, "[3, 7]");
//!
//! guira.dependency("user:7").invalidate(); // or: guira invalidate PATH --tag user:7
//! assert_eq!(pages.get("/team")?, None);
//! # Ok::<(), guira::Error>(())
//! ```
//!
//! A name is a tag of the engine: nothing is kept for a name, however many values depend on it, and nothing
//! piles up. Names are those of the whole file, over all its caches.
//!
//! # What is promised
//!
//! On one host, between all processes of one file:
//!
//! * After [`Dependency::invalidate`] has returned, no read gives a value that depends on the name and whose put or
//!   computation began before the call. A put that begins while the call runs may stay.
//! * A computation is as old as its beginning, wherever in it the name is declared, before the source is read or
//!   after: if the name is invalidated in between, the value goes to those who wait for it and is not stored.
//! * A computation that fails, or whose process is killed, leaves nothing: no names either.
//! * What is added afterwards counts as if it had always been there: if the name was invalidated since the value's
//!   computation began, the value is gone.
//! * Values may be invalidated that do not depend on the name (a computation more, and no stale value): names share
//!   words of the file, 256 of them in the smallest file and 65,536 in one of 256 MiB or more, and a value of more
//!   than 16 names carries **groups** in place of some ([`fold_tags`](guira_segment::fold_tags)). To have neither,
//!   let such a value depend on one name that stands for the others, and invalidate that.
//!
//! Other hosts are not told.
//!
//! # Computations inside computations
//!
//! A computation that uses values of others depends on what those depend on, if it asks for that with
//! [`inherit`]: from then on the names come with each value that this thread or task is given by a memoized
//! function, [`Cache::get_or_compute`](crate::Cache::get_or_compute) and the reads of a [`Cache`], be it
//! found or computed. Where nobody can tell the names (a placeholder, a value that was computed elsewhere and
//! not stored, the outcome of a background computation), the outer value is returned and not stored.
//!
//! ```
//! # let guira = guira::Guira::builder().size(8 << 20).private()?;
//! let name = guira.memoize("name").function(|user: u64| {
//!     guira::depends_on(format!("user:{user}"));
//!     format!("user {user}")
//! });
//! let names = name.clone();
//! let team = guira.memoize("team").function(move |users: Vec<u64>| {
//!     guira::dependency::inherit();
//!     users.into_iter().map(|user| names.get(user)).collect::<Vec<_>>().join(", ")
//! });
//! assert_eq!(team.get(vec![3, 7]), "user 3, user 7");
//! guira.dependency("user:7").invalidate();
//! assert!(!team.contains(&vec![3, 7])?);
//! assert!(name.contains(&3)?);
//! # Ok::<(), guira::Error>(())
//! ```
//!
//! It inherits names, not keys: `name.invalidate(&7)` leaves the team as it is. Threads and tasks that a
//! computation begins are not part of it; what they declare goes nowhere.

mod collecting;

use std::borrow::Borrow;
use std::fmt;

use guira_segment::{Replace, Segment};
use serde::Serialize;

use crate::cache::Cache;
use crate::error::Error;
use crate::handle::Guira;

#[cfg(doc)]
use crate::options::PutOptions;
pub(crate) use collecting::{Collecting, Declared, give, give_names, give_unknown, is_inheriting};

/// Says that the value which this thread or task is computing depends on `name`. Says whether there is such a
/// computation: outside of one there is nothing to depend on it, and nothing is done.
///
/// A name has 1 to 255 bytes; a value that depends on another one is returned and not stored, which is logged. See
/// [`dependency`](self).
pub fn depends_on(name: impl AsRef<[u8]>) -> bool {
    collecting::declare(name.as_ref())
}

/// Says that the value which this thread or task is computing depends on whatever the values depend on that it is
/// given from now on. Says whether there is such a computation. See [the module](self).
pub fn inherit() -> bool {
    collecting::inherit()
}

/// A name that values depend on. Cheap to make, and keeps nothing but the name.
#[derive(Clone)]
pub struct Dependency {
    segment: Segment,
    name: Box<str>,
}

impl Guira {
    /// The name `name`, for values of whichever cache to depend on: 1 to 255 bytes.
    #[must_use]
    pub fn dependency(&self, name: impl Into<Box<str>>) -> Dependency {
        Dependency {
            segment: self.segment().clone(),
            name: name.into(),
        }
    }

    /// Invalidates what depends on any of `names`: [`Dependency::invalidate`] of each.
    pub fn invalidate_dependencies(&self, names: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        for name in names {
            self.segment().invalidate_tag(name.as_ref());
        }
    }
}

impl Dependency {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name as a tag, for [`PutOptions::tags`].
    #[must_use]
    pub const fn tag(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// Invalidates what depends on it, in all caches of the file, in constant time. Cannot fail.
    pub fn invalidate(&self) {
        self.segment.invalidate_tag(self.tag());
    }

    /// Lets the value of `key` in `cache` depend on it, as if it always had; everything else stays as it is. One that is
    /// [expired](Cache::expire) at that very moment may be fresh again until its soft deadline.
    ///
    /// ```
    /// use guira::{Lifetime, Replace};
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let users = guira.cache::<u64, String>("users");
    /// users.put(&7, &"plum".to_owned(), Lifetime::never())?;
    /// let team = guira.dependency("team:3");
    /// assert_eq!(team.add(&users, &7)?, Replace::Stored);
    /// assert_eq!(team.add(&users, &8)?, Replace::NotFound);
    /// team.invalidate();
    /// assert_eq!(users.get(&7)?, None);
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`]; [`Error::Store`], also of a name that is empty or too long: the value is as
    /// it was.
    pub fn add<K, V, C, Q>(&self, cache: &Cache<K, V, C>, key: &Q) -> Result<Replace, Error>
    where
        K: Borrow<Q> + ?Sized,
        Q: Serialize + ?Sized,
    {
        let key = cache.key_bytes(key)?;
        let segment = cache.segment()?;
        // What the engine makes of an entry has no mark of `expire`.
        let was_expired = segment
            .metadata(&key)
            .is_some_and(|metadata| metadata.is_stale && metadata.stale_for.is_none());
        let added = segment.add_tags(&key, &[self.tag()])?;
        if was_expired && added == Replace::Stored {
            segment.expire(&key);
        }
        Ok(added)
    }
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dependency")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
