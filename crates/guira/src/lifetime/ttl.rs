//! What is left of a lifetime.

use std::time::Duration;

use guira_segment::Metadata;

/// What is left of an entry's life.
///
/// An entry that was made stale by its soft deadline or by `expire` has its time behind it: in signed
/// seconds ([`Ttl::seconds`]) that is a number below zero. How long it has been stale is not kept, so it is
/// always the same one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ttl {
    /// Fresh until it is replaced, removed or evicted.
    Never,
    /// Fresh for this long: to its soft deadline, or to the hard one if that is all it has.
    Fresh(Duration),
    /// Stale, but returned until its hard deadline.
    Stale {
        /// Time to the hard deadline; `None` if there is none.
        gone_in: Option<Duration>,
    },
}

impl Ttl {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        if metadata.is_stale {
            return Self::Stale {
                gone_in: metadata.ttl,
            };
        }
        match metadata.soft_ttl.or(metadata.ttl) {
            None => Self::Never,
            Some(left) => Self::Fresh(left),
        }
    }

    /// Past its soft deadline, or expired.
    #[must_use]
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Stale { .. })
    }

    /// Whether it stays fresh for longer than `margin`.
    #[must_use]
    pub fn outlasts(self, margin: Duration) -> bool {
        match self {
            Self::Never => true,
            Self::Fresh(left) => left > margin,
            Self::Stale { .. } => false,
        }
    }

    /// Seconds that it stays fresh: infinite for [`Ttl::Never`], -1 for a stale one.
    #[must_use]
    pub fn seconds(self) -> f64 {
        match self {
            Self::Never => f64::INFINITY,
            Self::Fresh(left) => left.as_secs_f64(),
            Self::Stale { .. } => -1.0,
        }
    }
}
