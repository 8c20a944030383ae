//! What a store tells the stack of tiers that it is a part of, and is told by it.
//!
//! A stack asks more of a store than `get` and `put`: when the value was computed, what it depends on, how long it
//! lives to both of its deadlines, and a [`Seat`]: the right to store something in the place of what was seen, and of
//! nothing that came later. A store that wraps another passes these on; one that knows nothing of them is a
//! tier all the same, see [`Tiers`](super::Tiers).

use std::time::Duration;

use guira_segment::{Expiry, FillToken, Metadata};

use crate::envelope::Birth;
use crate::flight::Basis;
use crate::lifetime::{Lifetime, Ttl};

/// What a stack of tiers is told of a key.
#[derive(Debug)]
pub struct Looked<V> {
    pub(crate) held: Option<Held<V>>,
    pub(crate) seat: Option<Seat>,
}

impl<V> Looked<V> {
    /// What a store without births and tokens tells.
    #[must_use]
    pub fn plain(found: Option<(V, Ttl)>) -> Self {
        Self {
            held: found.map(|(value, ttl)| Held {
                value,
                ttl,
                life: Life::of_ttl(ttl),
                tags: Vec::new(),
                birth: None,
            }),
            seat: None,
        }
    }
}

/// A value as a tier has it.
#[derive(Debug)]
pub(crate) struct Held<V> {
    pub(crate) value: V,
    pub(crate) ttl: Ttl,
    pub(crate) life: Life,
    pub(crate) tags: Vec<Vec<u8>>,
    /// When it was computed; `None` if nobody has noted it.
    pub(crate) birth: Option<Birth>,
}

impl<V> Held<V> {
    pub(crate) fn tags(&self) -> Vec<&[u8]> {
        self.tags.iter().map(Vec::as_slice).collect()
    }

    /// Made stale by `expire`, before its time.
    pub(crate) const fn was_expired(&self) -> bool {
        matches!(self.ttl, Ttl::Stale { stale_for: None, .. })
    }
}

/// The right to store in a segment what is as old as this.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// Taken before anything was read, without the right to refresh.
    pub(crate) asked: FillToken,
    pub(crate) basis: Basis,
    /// When, on the segment's clock.
    pub(crate) taken_ms: u64,
}

impl Seat {
    /// For a value that was computed when the clock said this, or later.
    pub(crate) fn born_at(self, clock: u64) -> Self {
        Self {
            basis: self.basis.born_at(clock),
            ..self
        }
    }
}

/// What is left of a life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Life {
    hard: Option<Duration>,
    soft: Option<Duration>,
}

impl Life {
    pub(crate) const fn of(metadata: &Metadata) -> Self {
        Self {
            hard: metadata.ttl,
            soft: metadata.soft_ttl,
        }
    }

    fn of_ttl(ttl: Ttl) -> Self {
        match ttl {
            Ttl::Never => Self {
                hard: None,
                soft: None,
            },
            Ttl::Fresh(left) => Self {
                hard: Some(left),
                soft: None,
            },
            Ttl::Stale { gone_in, .. } => Self {
                hard: gone_in,
                soft: Some(Duration::ZERO),
            },
        }
    }

    /// A part of it, 0 to 1.
    pub(crate) fn part(self, fraction: f64) -> Self {
        let part = |left: Duration| {
            if fraction < 1.0 {
                left.mul_f64(fraction)
            } else {
                left
            }
        };
        Self {
            hard: self.hard.map(part),
            soft: self.soft.map(part),
        }
    }

    /// What is left of it after `time`; `None` if it is over, or stale by then.
    pub(crate) fn after(self, time: Duration) -> Option<Self> {
        let left = |left: Option<Duration>| match left {
            None => Some(None),
            Some(left) => left.checked_sub(time).filter(|left| !left.is_zero()).map(Some),
        };
        Some(Self {
            hard: left(self.hard)?,
            soft: left(self.soft)?,
        })
    }

    /// As the engine takes it.
    pub(crate) fn expiry(self) -> Expiry {
        let expiry = self.hard.map_or(Expiry::never(), Expiry::after);
        match self.soft {
            Some(soft) => expiry.soft(self.hard.map_or(soft, |hard| soft.min(hard))),
            None => expiry,
        }
    }

    /// As a store takes it.
    pub(crate) fn lifetime(self) -> Lifetime {
        let lifetime = self.hard.map_or(Lifetime::never(), Lifetime::after);
        match self.soft {
            Some(soft) => lifetime.stale_after(soft),
            None => lifetime,
        }
    }
}

/// How long what is kept is to live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lives {
    /// As whoever puts it says.
    Asked(Lifetime),
    /// The rest of a life that began in another tier.
    Rest(Life),
}

/// How a stack of tiers wants a value kept.
#[derive(Clone, Copy, Debug)]
pub struct Keeping<'k> {
    /// In the place of what was seen; `None` for whatever is there.
    pub(crate) seat: Option<Seat>,
    pub(crate) lives: Lives,
    pub(crate) at_most: Option<Duration>,
    pub(crate) tags: &'k [&'k [u8]],
    /// To be noted beside it.
    pub(crate) birth: Option<Birth>,
    /// Somebody puts it, so that other hosts may have to be told.
    pub(crate) is_put: bool,
}

impl Keeping<'_> {
    /// For a store that takes a lifetime; `None` if there is nothing left of it.
    pub(crate) fn lifetime(&self) -> Option<Lifetime> {
        let lifetime = match self.lives {
            Lives::Asked(lifetime) => lifetime,
            Lives::Rest(life) => life.after(Duration::ZERO)?.lifetime(),
        };
        Some(match self.at_most {
            Some(most) => lifetime.at_most(most),
            None => lifetime,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rest_of_a_life_never_grows() {
        let life = Life {
            hard: Some(10 * SECOND),
            soft: Some(4 * SECOND),
        };
        assert_eq!(life.expiry(), Expiry::after(10 * SECOND).soft(4 * SECOND));
        assert_eq!(
            life.part(0.5).expiry(),
            Expiry::after(5 * SECOND).soft(2 * SECOND)
        );
        assert_eq!(
            life.after(SECOND).map(Life::expiry),
            Some(Expiry::after(9 * SECOND).soft(3 * SECOND))
        );
        assert_eq!(life.after(4 * SECOND), None, "it is stale by then");
        let never = Life::of_ttl(Ttl::Never);
        assert_eq!(
            never.part(0.1).after(SECOND).map(Life::expiry),
            Some(Expiry::never())
        );
        let stale = Life::of_ttl(Ttl::Stale {
            gone_in: Some(SECOND),
            stale_for: None,
        });
        assert_eq!(stale.after(Duration::ZERO), None);
    }
}
