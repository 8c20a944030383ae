//! Changing the life of what is there.

use std::borrow::Borrow;
use std::time::Duration;

use guira_segment::{Expiry, PutOptions, Replace, Segment, StoreError, Swap, ValueRef};
use serde::Serialize;

use super::Cache;
use crate::error::Error;
use crate::key::KeyBytes;
use crate::lifetime::{Lifetime, Ttl};

/// What became of a `renew`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Renew {
    /// It lives longer now.
    Renewed,
    /// It had at least as long already, and was left alone.
    LongerAlready,
    /// The key has no value.
    NotFound,
    /// Invalidated meanwhile.
    Superseded,
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// Gives `key`'s value another lifetime, beginning now, be it shorter. A stale one is fresh again.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`], [`Error::Store`]; the entry is untouched.
    pub fn touch<Q>(&self, key: &Q, lifetime: impl Into<Lifetime>) -> Result<Replace, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let expiry = self.expiry_with_grace(None, lifetime.into())?;
        Ok(self.segment()?.touch(&self.key_bytes(key)?, expiry)?)
    }

    /// Gives `key`'s value more time: it stays fresh at least as `lifetime` says. It never comes nearer to
    /// its end: what has longer is left alone, and the hard deadline is the later of both. A stale
    /// one is fresh again.
    ///
    /// ```
    /// use guira::Renew;
    /// use std::time::Duration;
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let sessions = guira.cache::<str, u64>("sessions");
    /// sessions.put("abc", &7, Duration::from_secs(300))?;
    /// assert_eq!(sessions.renew("abc", Duration::from_secs(60))?, Renew::LongerAlready);
    /// assert_eq!(sessions.renew("abc", Duration::from_secs(900))?, Renew::Renewed);
    /// assert_eq!(sessions.renew("xyz", Duration::from_secs(900))?, Renew::NotFound);
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Cache::touch`].
    pub fn renew<Q>(&self, key: &Q, lifetime: impl Into<Lifetime>) -> Result<Renew, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let key = self.key_bytes(key)?;
        let asked = self.inner.lifetimes.deadlines(None, lifetime.into())?;
        let segment = self.segment()?;
        loop {
            if let Some(outcome) = self.try_renew(segment, &key, asked)? {
                return Ok(outcome);
            }
        }
    }

    /// Makes `key`'s value stale: it is still returned, but due for a refresh, and a computation that
    /// began before does not make it fresh. Says whether there was one.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Namespace`].
    pub fn expire<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.segment()?.expire(&self.key_bytes(key)?))
    }

    /// One attempt; `None` if somebody changed the entry meanwhile.
    fn try_renew(
        &self,
        segment: &Segment,
        key: &KeyBytes,
        (hard, soft): (Option<Duration>, Option<Duration>),
    ) -> Result<Option<Renew>, Error> {
        let Some(value) = segment.get(key) else {
            return Ok(Some(Renew::NotFound));
        };
        let present = value.metadata();
        let is_longer = match soft.or(hard) {
            None => Ttl::of(&present) != Ttl::Never,
            Some(asked) => !Ttl::of(&present).outlasts(asked.saturating_sub(Duration::from_nanos(1))),
        };
        if !is_longer {
            return Ok(Some(Renew::LongerAlready));
        }
        let latest = hard.zip(present.ttl).map(|(asked, left)| asked.max(left));
        let expiry = latest.map_or(Expiry::never(), Expiry::after);
        // Fresh as long as was asked for, should the old hard deadline be later.
        let expiry = match soft.or(hard) {
            Some(fresh) if latest.is_none_or(|latest| fresh < latest) => expiry.soft(fresh),
            _ => expiry,
        };
        Ok(match self.rewrite(segment, key, &value, expiry)? {
            Swap::Stored => Some(Renew::Renewed),
            Swap::NotFound => Some(Renew::NotFound),
            Swap::Superseded => Some(Renew::Superseded),
            Swap::Conflict(_) => None,
        })
    }

    /// Gives `value`, if it still is the key's, another life.
    pub(super) fn rewrite(
        &self,
        segment: &Segment,
        key: &KeyBytes,
        value: &ValueRef<'_>,
        expiry: Expiry,
    ) -> Result<Swap, StoreError> {
        let tags = segment.tags(key).unwrap_or_default();
        let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
        let aligned = self.inner.envelope.form().in_place;
        let options = PutOptions::default().expiry(expiry).tags(&tags).aligned(aligned);
        segment.compare_and_swap(key, value.version(), value, &options)
    }
}
