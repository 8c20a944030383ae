//! What becomes of a hit that is beyond trust.

use guira_segment::{Segment, Trust};

use super::counters::{Counted, count};

/// What a cache does with a hit when this host has not agreed with a majority of the brokers within the bound: it may
/// be older than its policy allows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum WhenSuspect {
    /// A plain read misses; `get_or_compute` computes, and gives the suspect value only if that fails.
    #[default]
    Revalidate,
    /// It is given out, and counted.
    ServeStale,
    /// It is a miss, and is not given out even if a computation fails.
    Refuse,
}

/// How a cache judges its hits: not at all, where nobody asked for coherence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Judge(pub(crate) Option<WhenSuspect>);

impl Judge {
    /// Whether a hit that was just read may be given out.
    #[inline]
    pub(crate) fn allows(self, segment: &Segment) -> bool {
        match self.0 {
            None => true,
            Some(policy) => match segment.trust() {
                Trust::Trusted { .. } | Trust::NotCoherent => true,
                Trust::Suspect => policy.allows_suspect(segment),
            },
        }
    }

    /// Whether a suspect value may stand in for a computation that failed.
    pub(crate) const fn falls_back(self) -> bool {
        matches!(self.0, Some(WhenSuspect::Revalidate))
    }
}

impl WhenSuspect {
    #[cold]
    fn allows_suspect(self, segment: &Segment) -> bool {
        let is_served = self == Self::ServeStale;
        let counted = if is_served {
            Counted::SuspectServed
        } else {
            Counted::SuspectRefused
        };
        count(segment, counted, 1);
        is_served
    }
}
