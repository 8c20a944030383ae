//! What is left of a lifetime.

use std::time::Duration;

use guira_segment::Metadata;

/// What is left of an entry's life.
///
/// An entry that was made stale by its soft deadline or by `expire` has its time behind it: in signed
/// seconds ([`Ttl::seconds`]) that is a number below zero.
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
        /// Time since its soft deadline; `None` for one that `expire` made stale before, for when that was is not
        /// kept.
        stale_for: Option<Duration>,
    },
}

impl Ttl {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        if metadata.is_stale {
            return Self::Stale {
                gone_in: metadata.ttl,
                stale_for: metadata.stale_for,
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

    /// Seconds that it stays fresh: infinite for [`Ttl::Never`], below zero for a stale one, and -1 for one of which
    /// nobody knows since when.
    #[must_use]
    pub fn seconds(self) -> f64 {
        match self {
            Self::Never => f64::INFINITY,
            Self::Fresh(left) => left.as_secs_f64(),
            Self::Stale { stale_for: None, .. } => -1.0,
            // The deadline itself counts as over.
            Self::Stale {
                stale_for: Some(passed),
                ..
            } => -passed.as_secs_f64().max(0.001),
        }
    }
}
