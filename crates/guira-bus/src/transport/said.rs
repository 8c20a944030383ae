//! Saying the same thing again and again, but not more than once in a while.

use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_secs(5);

/// When something was said last; a peer that fails ten times a second fills no log.
#[derive(Debug, Default)]
pub(crate) struct Said {
    at: Option<Instant>,
    unsaid: u64,
}

impl Said {
    /// How many times it was left unsaid since, if it is time to say it again.
    pub(crate) fn again(&mut self, now: Instant) -> Option<u64> {
        if self
            .at
            .is_some_and(|at| now.saturating_duration_since(at) < QUIET)
        {
            self.unsaid += 1;
            return None;
        }
        self.at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_said_is_counted_and_said_later() {
        let start = Instant::now();
        let mut said = Said::default();
        assert_eq!(said.again(start), Some(0));
        assert_eq!(said.again(start + QUIET / 2), None);
        assert_eq!(said.again(start + QUIET / 2), None);
        assert_eq!(said.again(start + QUIET), Some(2));
        assert_eq!(said.again(start + 2 * QUIET), Some(0));
    }
}
