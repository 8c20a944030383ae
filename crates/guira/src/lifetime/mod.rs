//! How long a value lives.
//!
//! An entry has a **hard deadline**, after which it is gone, and may have a **soft** one, after which it is
//! stale: still returned, but due for a refresh. `never` is for ever, which is until it is evicted.

mod rules;
mod ttl;

use std::time::{Duration, SystemTime};

pub(crate) use rules::{LifetimeRules, random_fraction};
pub use ttl::Ttl;

/// A hard deadline after which a value is gone, and a soft one after which it is stale: still
/// returned, but due for a refresh.
///
/// The default is what the cache is configured with, which is `never` unless said otherwise.
///
/// ```
/// use guira::Lifetime;
/// use std::time::{Duration, SystemTime};
///
/// let five_minutes = Lifetime::after(Duration::from_secs(300));
/// assert_eq!(five_minutes, Duration::from_secs(300).into());
/// assert_eq!(five_minutes, "5m".parse()?);
/// let stale_after_one = five_minutes.stale_after(Duration::from_secs(60));
/// assert_eq!(stale_after_one, "5m, stale after 1m".parse()?);
/// let until = Lifetime::until(SystemTime::now() + Duration::from_secs(300));
/// assert_ne!(until, Lifetime::never());
/// # Ok::<(), guira::units::UnitError>(())
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
    Until(SystemTime),
}

impl Lifetime {
    /// Lives until it is evicted, replaced or removed.
    #[must_use]
    pub const fn never() -> Self {
        Self::of(Hard::Never)
    }

    /// Gone after `ttl`, which must not be zero. It is kept in milliseconds, rounded up.
    #[must_use]
    pub const fn after(ttl: Duration) -> Self {
        Self::of(Hard::After(ttl))
    }

    /// Gone at `deadline`, which must be in the future when the value is put. What the wall clock does
    /// later moves it no more.
    #[must_use]
    pub const fn until(deadline: SystemTime) -> Self {
        Self::of(Hard::Until(deadline))
    }

    /// Stale after `age`, which must be positive. One that is not before the hard deadline has no effect.
    #[must_use]
    pub const fn stale_after(self, age: Duration) -> Self {
        Self {
            soft: Some(age),
            ..self
        }
    }

    /// As it is, but that nothing lives longer than `most`; what is left to a cache lives so long.
    pub(crate) fn at_most(self, most: Duration) -> Self {
        let hard = match self.hard {
            Hard::OfCache | Hard::Never => most,
            Hard::After(ttl) => ttl.min(most),
            Hard::Until(deadline) => match deadline.duration_since(SystemTime::now()) {
                Ok(left) => left.min(most),
                // The cache says that it is over.
                Err(_) => return self,
            },
        };
        Self {
            hard: Hard::After(hard),
            soft: self.soft.filter(|soft| *soft < hard),
        }
    }

    /// A part of it, 0 to 1; what is left to a cache, or is for ever, stays so.
    pub(crate) fn part(self, fraction: f64) -> Self {
        if fraction >= 1.0 {
            return self;
        }
        let hard = match self.hard {
            Hard::After(ttl) => Hard::After(ttl.mul_f64(fraction)),
            Hard::Until(deadline) => match deadline.duration_since(SystemTime::now()) {
                Ok(left) => Hard::After(left.mul_f64(fraction)),
                Err(_) => return self,
            },
            Hard::OfCache | Hard::Never => return self,
        };
        Self {
            hard,
            soft: self.soft.map(|soft| soft.mul_f64(fraction)),
        }
    }

    const fn of(hard: Hard) -> Self {
        Self { hard, soft: None }
    }
}

impl From<Duration> for Lifetime {
    fn from(ttl: Duration) -> Self {
        Self::after(ttl)
    }
}

impl std::str::FromStr for Lifetime {
    type Err = crate::units::UnitError;

    /// Reads `never` or a duration such as `5m`, and optionally `, stale after` and another duration.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (hard, soft) = match text.split_once(',') {
            None => (text, None),
            Some((hard, soft)) => (hard, Some(soft.trim())),
        };
        let lifetime = match hard.trim() {
            "never" => Self::never(),
            ttl => Self::after(crate::units::duration(ttl)?),
        };
        let Some(soft) = soft else {
            return Ok(lifetime);
        };
        let age = soft.strip_prefix("stale after ").unwrap_or(soft);
        Ok(lifetime.stale_after(crate::units::duration(age)?))
    }
}
