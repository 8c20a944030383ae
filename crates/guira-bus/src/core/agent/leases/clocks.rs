//! What the invalidation clock showed before a grant.
//!
//! *A computes, C invalidates, B applies that, misses, waits for A and is given A's older value: stored with a new
//! token it would be taken for new.* So B stores it with a clock that it read before the grant was made: whatever
//! concerns the key and happened since A began is later than that, in B's own order.
//!
//! A position in the stream would not do: while a broker logs nothing it stays the same, and what others logged,
//! or the host itself invalidated, is applied meanwhile. Grants are numbered instead, and answers name how many
//! there were.

use std::collections::VecDeque;

use crate::wire::Epoch;

/// Questions that may be on their way.
const MAX_ASKED: usize = 64;
/// How many answers are remembered: half a minute's, with a bound of half a second.
const MAX_KNOWN: usize = 512;

/// Of one broker.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    epoch: Epoch,
    /// When it was asked, and the clock before that.
    asked: VecDeque<(u64, u64)>,
    /// At this clock it had not granted more than so many; ascending in both.
    known: VecDeque<(u64, u64)>,
}

impl Clocks {
    /// The broker is being asked.
    pub(super) fn ask(&mut self, epoch: Epoch, now_us: u64, clock: u64) {
        if self.epoch != epoch {
            *self = Self {
                epoch,
                ..Self::default()
            };
        }
        if self.asked.len() == MAX_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((now_us, clock));
    }

    /// It answered the question of that time.
    pub(super) fn answer(&mut self, epoch: Epoch, asked_at_us: u64, grants: u64) {
        let asked = self.asked.iter().position(|&(at_us, _)| at_us == asked_at_us);
        let Some((_, clock)) = asked.and_then(|index| self.asked.remove(index)) else {
            return;
        };
        if self.epoch != epoch || self.known.back().is_some_and(|&(newest, _)| newest > grants) {
            return;
        }
        if let Some((_, newest)) = self.known.back_mut().filter(|(newest, _)| *newest == grants) {
            *newest = clock.max(*newest);
            return;
        }
        if self.known.len() == MAX_KNOWN {
            self.known.pop_front();
        }
        self.known.push_back((grants, clock));
    }

    /// The latest clock that is known to be from before the broker's grant of that number.
    pub(super) fn before(&self, epoch: Epoch, grant: u64) -> Option<u64> {
        if self.epoch != epoch {
            return None;
        }
        let count = self.known.partition_point(|&(grants, _)| grants < grant);
        Some(self.known.get(count.checked_sub(1)?)?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Epoch = Epoch(1);

    #[test]
    fn a_clock_counts_that_was_read_before_an_answer_without_the_grant() {
        let mut clocks = Clocks::default();
        for (at_us, clock, grants) in [(10, 100, 4), (20, 101, 4), (30, 107, 6)] {
            clocks.ask(LIFE, at_us, clock);
            clocks.answer(LIFE, at_us, grants);
        }
        assert_eq!(clocks.before(LIFE, 4), None, "granted before the first answer");
        assert_eq!(clocks.before(LIFE, 5), Some(101));
        assert_eq!(clocks.before(LIFE, 6), Some(101));
        assert_eq!(clocks.before(LIFE, 7), Some(107));
    }

    #[test]
    fn another_life_of_the_broker_counts_from_the_beginning() {
        let mut clocks = Clocks::default();
        clocks.ask(LIFE, 10, 100);
        clocks.answer(LIFE, 10, 4);
        assert_eq!(clocks.before(Epoch(2), 9), None);
        clocks.ask(Epoch(2), 20, 101);
        clocks.answer(LIFE, 20, 0);
        assert_eq!(clocks.before(Epoch(2), 9), None);
        assert_eq!(clocks.before(LIFE, 9), None);
    }

    #[test]
    fn an_answer_counts_once_and_only_to_its_question() {
        let mut clocks = Clocks::default();
        clocks.ask(LIFE, 10, 100);
        clocks.answer(LIFE, 11, 0);
        assert_eq!(clocks.before(LIFE, 1), None);
        clocks.answer(LIFE, 10, 1);
        clocks.answer(LIFE, 10, 0);
        assert_eq!(
            (clocks.before(LIFE, 1), clocks.before(LIFE, 2)),
            (None, Some(100))
        );
    }
}
