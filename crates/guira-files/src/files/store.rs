//! Writing and removing.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use guira_segment::{Add, Expiry, Put, PutOptions, Replace};

use super::Files;
use crate::depot::{Label, Source, Swept, TakeFile};
use crate::error::FilesError;
use crate::layout::stub::Stub;

/// What [`Files::purge`] removed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Purged {
    /// Values that had been stale for long enough.
    pub stale: u64,
    /// What nobody needed any more.
    pub swept: Swept,
}

impl Files {
    /// Stores `value` under `key`, replacing what is there. `options` is an [`Expiry`] or [`PutOptions`].
    ///
    /// # Errors
    /// See [`FilesError`]: what was there stays, but for [`FilesError::Entry`], where it is gone.
    pub fn put<'t>(
        &self,
        key: &[u8],
        value: &[u8],
        options: impl Into<PutOptions<'t>>,
    ) -> Result<Put, FilesError> {
        let options = options.into();
        if self.is_inline(value) {
            return self.put_inline(key, value, &options);
        }
        self.put_source(key, Source::Bytes(value), &options)
    }

    /// As [`Files::put`], with what `from` reads until its end. Values of whatever size become files.
    ///
    /// # Errors
    /// As [`Files::put`], and [`FilesError::Source`].
    pub fn put_stream<'t>(
        &self,
        key: &[u8],
        mut from: impl Read,
        options: impl Into<PutOptions<'t>>,
    ) -> Result<Put, FilesError> {
        let source = Source::Stream {
            from: &mut from,
            bytes_about: 0,
        };
        self.put_source(key, source, &options.into())
    }

    /// As [`Files::put`], with all that the regular file `from` has, taken as `take` says. The file may change or vanish
    /// afterwards.
    ///
    /// # Errors
    /// As [`Files::put`], and [`FilesError::Source`].
    pub fn put_file<'t>(
        &self,
        key: &[u8],
        from: &File,
        take: TakeFile,
        options: impl Into<PutOptions<'t>>,
    ) -> Result<Put, FilesError> {
        self.put_source(key, Source::File(from, take), &options.into())
    }

    fn put_source(
        &self,
        key: &[u8],
        source: Source<'_>,
        options: &PutOptions<'_>,
    ) -> Result<Put, FilesError> {
        // What is invalidated while the file is written supersedes it.
        let token = self.index.fill_token(key);
        let options = options.or_since(&token);
        self.check(key, &options)?;
        let held = self.depot.write(&self.label(key, &options), source)?;
        let replaced = self.stub(key);
        let put = self.index.put_with(key, &held.stub(), &options)?;
        if put == Put::Stored {
            held.keep();
            // One that was superseded has not replaced what was there.
            self.retire(replaced);
        }
        Ok(put)
    }

    fn put_inline(&self, key: &[u8], value: &[u8], options: &PutOptions<'_>) -> Result<Put, FilesError> {
        // As in `put_source`: the put begins before what it replaces is looked up.
        let token = self.index.fill_token(key);
        let replaced = self.stub(key);
        let put = self.index.put_with(key, value, &options.or_since(&token))?;
        if put == Put::Stored {
            self.retire(replaced);
        }
        Ok(put)
    }

    /// Stores `value` only if `key` has none.
    ///
    /// # Errors
    /// As [`Files::put`]; nothing is removed.
    pub fn add<'t>(
        &self,
        key: &[u8],
        value: &[u8],
        options: impl Into<PutOptions<'t>>,
    ) -> Result<Add, FilesError> {
        let token = self.index.fill_token(key);
        let options = options.into().or_since(&token);
        if let Some(stub) = self.stub(key) {
            self.forget_gone(&self.index, key, &stub);
        }
        if self.is_inline(value) {
            return Ok(self.index.add(key, value, &options)?);
        }
        if self.contains(key) {
            return Ok(Add::Exists);
        }
        self.check(key, &options)?;
        let held = self
            .depot
            .write(&self.label(key, &options), Source::Bytes(value))?;
        let added = self.index.add(key, &held.stub(), &options)?;
        if added == Add::Stored {
            held.keep();
        }
        Ok(added)
    }

    /// Gives `key`'s value another lifetime.
    ///
    /// # Errors
    /// A bad lifetime, or no room for the new entry; the value stays as it is.
    pub fn touch(&self, key: &[u8], expiry: Expiry) -> Result<Replace, FilesError> {
        Ok(self.index.touch(key, expiry)?)
    }

    /// Makes `key`'s value stale: it is given still, and said to be stale by [`Files::metadata`].
    #[must_use]
    pub fn expire(&self, key: &[u8]) -> bool {
        self.index.expire(key)
    }

    /// Removes `key`; says whether it had a value. Puts that are under way may complete after it.
    pub fn remove(&self, key: &[u8]) -> bool {
        let replaced = self.stub(key);
        let was_there = self.index.remove(key);
        self.retire(replaced);
        was_there
    }

    /// Removes `key` for good: after it returns, no read gives a value whose put began before.
    pub fn invalidate(&self, key: &[u8]) -> bool {
        let replaced = self.stub(key);
        let was_there = self.index.invalidate(key);
        self.retire(replaced);
        was_there
    }

    /// Invalidates what carries `tag`, in constant time. The files are removed bit by bit, by writes and sweeps.
    pub fn invalidate_tag(&self, tag: &[u8]) {
        self.index.invalidate_tag(tag);
    }

    /// Invalidates everything in this handle's namespace, in constant time. The files are removed as with a tag.
    pub fn clear(&self) {
        self.index.clear();
    }

    /// Removes what has been stale for at least `stale_for`, and all files that nobody needs any more. Takes time in
    /// proportion to all entries.
    ///
    /// # Errors
    /// As [`Files::sweep`].
    pub fn purge(&self, stale_for: Duration) -> Result<Purged, FilesError> {
        let is_due = |entry: &guira_segment::Metadata| {
            entry.is_stale && entry.stale_for.unwrap_or(entry.age) >= stale_for
        };
        let mut stale = 0;
        for entry in self.index.entries().filter(|entry| is_due(&entry.metadata)) {
            // It may have been refreshed since it was listed.
            let is_due = self.metadata(&entry.key).is_some_and(|now| is_due(&now));
            stale += u64::from(is_due && self.remove(&entry.key));
        }
        let swept = self.sweep()?;
        Ok(Purged { stale, swept })
    }

    fn is_inline(&self, value: &[u8]) -> bool {
        value.len() <= self.inline_max_bytes && !Stub::is_like(value)
    }

    fn label<'k>(&self, key: &'k [u8], options: &PutOptions<'_>) -> Label<'k> {
        let (hard, soft) = options.lifetimes();
        Label::new(&self.index, key).deadlines(hard, soft)
    }

    /// What the index would refuse is refused before a file is written.
    fn check(&self, key: &[u8], options: &PutOptions<'_>) -> Result<(), FilesError> {
        Ok(self.index.check_put(key, options)?)
    }

    fn retire(&self, replaced: Option<Stub>) {
        if let Some(stub) = replaced {
            self.depot.retire(&stub);
        }
    }
}
