//! Looking up, computing on a miss, and storing what was computed unless it was superseded.

use std::time::Duration;

use crate::error::StoreError;
use crate::flight::Flight;
use crate::key::Key;
use crate::ops::store::{Intent, StoreOutcome, Token};
use crate::options::PutOptions;
use crate::segment::Segment;
use crate::value::ValueRef;

/// What became of a fill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// The computed value is there.
    Stored,
    /// The key was invalidated or written after the token was taken, or holds a value that is not
    /// the one to be refreshed: the computed value was not stored. The caller still has it.
    Superseded,
}

/// A look-up that is to be followed by a computation on a miss.
#[derive(Debug)]
pub enum Lookup<'s> {
    /// The value.
    Hit(ValueRef<'s>),
    /// The value, past its soft deadline, and the token with which it may be refreshed.
    Stale(ValueRef<'s>, FillToken),
    /// No value; read the source after this, and fill with the token.
    Miss(FillToken),
}

/// When a computation began: it is stored by `fill` only if nothing that it may depend on was
/// written or invalidated since. Belongs to one key of one segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FillToken {
    pub(crate) token: Token,
    pub(crate) hash: u64,
}

impl FillToken {
    /// What the segment's invalidation clock said when it was taken. A computation whose token has at least
    /// the reading of another's began after every call to invalidate that had returned before that other
    /// was taken.
    #[must_use]
    pub const fn clock(&self) -> u64 {
        self.token.clock
    }

    /// As if taken when the invalidation clock said `clock`, if that is earlier: for a value that somebody else
    /// computed from then on, of a key that was not invalidated between then and this token.
    #[must_use]
    pub fn born_at(mut self, clock: u64) -> Self {
        self.token.clock = self.token.clock.min(clock);
        self
    }
}

impl Segment {
    /// Looks `key` up; on a miss, or for a value past its soft deadline, gives the token that a
    /// computation needs to be stored by [`Segment::fill`].
    #[must_use]
    pub fn lookup(&self, key: &[u8]) -> Lookup<'_> {
        let hashed = self.key(key);
        // The token first: what is written after it must supersede the computation.
        let mut token = FillToken {
            token: self.shared.token(&hashed),
            hash: hashed.hash,
        };
        let Some(thread) = self.shared.thread() else {
            return Lookup::Miss(token);
        };
        match self.get_with(&thread, &hashed) {
            None => Lookup::Miss(token),
            Some(value) if value.is_stale() => {
                // Of this very value: another look could find one that somebody stored meanwhile.
                token.token.refreshes = Some(value.identity());
                Lookup::Stale(value, token)
            }
            Some(value) => Lookup::Hit(value),
        }
    }

    /// The token of a computation of `key` that begins now. Take it before the source is read.
    #[must_use]
    pub fn fill_token(&self, key: &[u8]) -> FillToken {
        let key = self.key(key);
        FillToken {
            token: self.shared.token(&key),
            hash: key.hash,
        }
    }

    /// Stores a computed value, unless the key was written or invalidated since `token` was taken.
    ///
    /// # Errors
    /// As [`Segment::put`]; nothing is removed.
    pub fn fill(
        &self,
        key: &[u8],
        value: &[u8],
        token: &FillToken,
        options: &PutOptions<'_>,
    ) -> Result<Fill, StoreError> {
        Key::check_length(key)?;
        let key = self.key(key);
        self.shared.prefetch_for_write(&key);
        let thread = self.writing_thread()?;
        if key.hash != token.hash {
            // A token of another key says nothing of this one.
            return Ok(Fill::Superseded);
        }
        Ok(
            match self.store(&thread, &key, value, options, Intent::Fill, &token.token)? {
                StoreOutcome::Stored => Fill::Stored,
                StoreOutcome::Superseded | StoreOutcome::Occupied => Fill::Superseded,
            },
        )
    }

    /// Leads or joins the computation of `key` among all processes of the host. `patience` is how long
    /// this caller may take before another replaces it, if it leads; for one that waits, the leader's
    /// counts. Give waiters a timeout longer than the patience.
    #[must_use]
    pub fn flight(&self, key: &[u8], token: &FillToken, patience: Duration) -> Flight<'_> {
        self.shared.flight(&self.key(key), &token.token, patience)
    }
}
