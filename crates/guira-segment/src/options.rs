//! Options of one put.

use std::time::Duration;

use crate::computing::FillToken;
use crate::expiry::Expiry;
use crate::key::Key;
use crate::ops::store::Token;

/// How a value is stored; `put` takes an [`Expiry`] alone, `put_with` takes this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PutOptions<'t> {
    pub(crate) expiry: Expiry,
    pub(crate) tags: &'t [&'t [u8]],
    pub(crate) aligned: bool,
    pub(crate) since: Option<FillToken>,
}

impl Default for PutOptions<'_> {
    fn default() -> Self {
        Self {
            expiry: Expiry::never(),
            tags: &[],
            aligned: false,
            since: None,
        }
    }
}

impl From<Expiry> for PutOptions<'_> {
    fn from(expiry: Expiry) -> Self {
        Self {
            expiry,
            ..Self::default()
        }
    }
}

impl<'t> PutOptions<'t> {
    /// How long it lives; by default until it is evicted.
    #[must_use]
    pub const fn expiry(self, expiry: Expiry) -> Self {
        Self { expiry, ..self }
    }

    /// As it is, but that it lives no longer than this.
    #[must_use]
    pub fn within(self, expiry: Expiry) -> Self {
        Self {
            expiry: self.expiry.within(expiry),
            ..self
        }
    }

    /// Tags by which it can be invalidated with others, at most 16 of 1 to 255 bytes; none by
    /// default.
    #[must_use]
    pub const fn tags(self, tags: &'t [&'t [u8]]) -> Self {
        Self { tags, ..self }
    }

    /// Whether the value begins on a multiple of 16 bytes, for formats that are read in place; not
    /// by default.
    #[must_use]
    pub const fn aligned(self, aligned: bool) -> Self {
        Self { aligned, ..self }
    }

    /// Its hard and its soft deadline, from the put on.
    #[must_use]
    pub const fn lifetimes(&self) -> (Option<Duration>, Option<Duration>) {
        self.expiry.lifetimes()
    }

    /// As if the put had begun when `token` was taken: what was invalidated since supersedes it. For values that take a
    /// while to be got ready. A token of another key, or of another segment, says nothing: then it begins with the call.
    ///
    /// ```
    /// use guira_segment::{Put, PutOptions, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// let token = segment.fill_token(b"key");
    /// segment.invalidate(b"key"); // while the value is written somewhere
    /// let options = PutOptions::default().since(&token);
    /// assert_eq!(segment.put_with(b"key", b"old", &options)?, Put::Superseded);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn since(self, token: &FillToken) -> Self {
        Self {
            since: Some(*token),
            ..self
        }
    }

    /// As [`PutOptions::since`], unless the options tell already since when the value is.
    #[must_use]
    pub const fn or_since(self, token: &FillToken) -> Self {
        match self.since {
            Some(_) => self,
            None => self.since(token),
        }
    }

    /// The token with which a write of `key` begins that was called at `now`.
    pub(crate) fn begun(&self, key: &Key<'_>, now: Token) -> Token {
        match &self.since {
            Some(since) if since.hash == key.hash => since.token,
            _ => now,
        }
    }
}
