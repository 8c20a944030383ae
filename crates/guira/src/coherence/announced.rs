//! How far this host's invalidations have come.

use std::time::{Duration, Instant};

use guira_bus::wire::Origin;
use guira_segment::Segment;

use super::error::CoherenceError;
use super::note::Note;
use super::session::SessionToken;

/// Between two looks whether the agent has noted where brokers have it.
const PAUSE: Duration = Duration::from_micros(200);

/// How far an invalidation is to come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reach {
    /// A majority of the brokers has it: no trusted hit is older, one bound from then on.
    Accepted,
    /// Every host has applied it, or its trust has run out: no trusted hit is older from now on.
    Applied,
}

impl std::fmt::Display for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted by the brokers",
            Self::Applied => "applied by every host",
        })
    }
}

/// Everything that this host had invalidated when [`Guira::announced`](crate::Guira::announced) gave it.
#[derive(Clone, Debug)]
pub struct Announced {
    segment: Segment,
    /// The ticket of the last record; `None` if there was none.
    last: Option<u64>,
}

impl Announced {
    pub(crate) fn of(segment: &Segment) -> Result<Self, CoherenceError> {
        let journal = segment.journal().ok_or(CoherenceError::NotCoherent)?;
        Ok(Self {
            last: journal.tail().checked_sub(1),
            segment: segment.clone(),
        })
    }

    /// Whether it has come so far by now.
    #[must_use]
    pub fn has(&self, reach: Reach) -> bool {
        self.wait(reach, Duration::ZERO).is_ok()
    }

    /// Waits until it has come so far. [`Reach::Applied`] takes the bound at most once it is accepted.
    ///
    /// # Errors
    /// [`CoherenceError::Unannounced`] if that takes longer than `timeout`. Nothing is lost: it goes on by itself.
    pub fn wait(&self, reach: Reach, timeout: Duration) -> Result<(), CoherenceError> {
        let (Some(last), Some(journal)) = (self.last, self.segment.journal()) else {
            return Ok(());
        };
        let has_come = match reach {
            Reach::Accepted => journal.wait_accepted(last, timeout),
            Reach::Applied => journal.wait_settled(last, timeout),
        };
        if has_come {
            return Ok(());
        }
        Err(self.unannounced(reach, timeout))
    }

    /// A token of it for [`Consistency::Session`](crate::coherence::Consistency::Session) reads on other hosts. Waits
    /// until it is accepted: about a millisecond.
    ///
    /// # Errors
    /// As [`Announced::wait`].
    pub fn session(&self, timeout: Duration) -> Result<SessionToken, CoherenceError> {
        let journal = self.segment.journal().ok_or(CoherenceError::NotCoherent)?;
        let origin = Origin(journal.origin());
        let Some(last) = self.last else {
            return Ok(SessionToken::new(origin, Vec::new()));
        };
        let began = Instant::now();
        self.wait(Reach::Accepted, timeout)?;
        loop {
            let notes = Note::all(&self.segment);
            let places: Vec<_> = notes.iter().filter_map(|note| note.place_of(last + 1)).collect();
            if !places.is_empty() {
                return Ok(SessionToken::new(origin, places));
            }
            if began.elapsed() >= timeout {
                return Err(self.unannounced(Reach::Accepted, timeout));
            }
            // Noted by an agent that was replaced: the next one notes it again.
            std::thread::park_timeout(PAUSE);
        }
    }

    fn unannounced(&self, reach: Reach, waited: Duration) -> CoherenceError {
        let unaccepted = self
            .segment
            .journal()
            .map_or(0, |journal| journal.tail().saturating_sub(journal.accepted()));
        CoherenceError::Unannounced {
            reach,
            waited,
            unaccepted,
        }
    }
}
