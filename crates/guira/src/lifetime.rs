//! How long a value lives.

use std::time::Duration;

use guira_segment::Expiry;

/// A hard deadline after which a value is gone, and a soft one after which it is stale: still
/// returned, but due for a refresh.
///
/// The default is what the cache is configured with, which is `never` unless said otherwise.
///
/// ```
/// use guira::Lifetime;
/// use std::time::Duration;
///
/// let five_minutes = Lifetime::after(Duration::from_secs(300));
/// assert_eq!(five_minutes, Duration::from_secs(300).into());
/// let stale_after_one = five_minutes.stale_after(Duration::from_secs(60));
/// assert_ne!(five_minutes, stale_after_one);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lifetime {
    pub(crate) hard: Hard,
    pub(crate) soft: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Hard {
    #[default]
    OfCache,
    Never,
    After(Duration),
}

impl Lifetime {
    /// Lives until it is evicted, replaced or removed.
    #[must_use]
    pub const fn never() -> Self {
        Self {
            hard: Hard::Never,
            soft: None,
        }
    }

    /// Gone after `ttl`, which must not be zero.
    #[must_use]
    pub const fn after(ttl: Duration) -> Self {
        Self {
            hard: Hard::After(ttl),
            soft: None,
        }
    }

    /// Stale after `age`, which must be positive and not after the hard deadline.
    #[must_use]
    pub const fn stale_after(self, age: Duration) -> Self {
        Self {
            soft: Some(age),
            ..self
        }
    }

    /// For the engine, `of_cache` filling in what was left open.
    pub(crate) const fn expiry(self, of_cache: Self) -> Expiry {
        let (hard, cached_soft) = match self.hard {
            Hard::OfCache => (of_cache.hard, of_cache.soft),
            chosen => (chosen, None),
        };
        let expiry = match hard {
            Hard::OfCache | Hard::Never => Expiry::never(),
            Hard::After(ttl) => Expiry::after(ttl),
        };
        match (self.soft, cached_soft) {
            (Some(age), _) | (None, Some(age)) => expiry.soft(age),
            (None, None) => expiry,
        }
    }
}

impl From<Duration> for Lifetime {
    fn from(ttl: Duration) -> Self {
        Self::after(ttl)
    }
}
