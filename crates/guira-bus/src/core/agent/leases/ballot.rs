//! What one broker said of one computation.

use crate::wire::{Epoch, LeaseAnswer, LeaseVerdict, Origin};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Vote {
    #[default]
    None,
    /// Counts until then unless it is said again.
    Granted {
        until_us: u64,
    },
    /// By a computation of that host, of that number.
    Busy {
        owner: Origin,
        number: u64,
    },
    NotYet {
        until_us: u64,
    },
}

/// A broker's vote, and the questions to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ballot {
    /// In which life of the broker.
    epoch: Epoch,
    /// When it was asked last.
    asked_us: Option<u64>,
    /// When it was asked first of what it did not answer, or was known not to be there.
    pub(super) unanswered_us: Option<u64>,
    /// Answers to older questions do not count.
    after_us: u64,
    pub(super) vote: Vote,
    /// Number of its grant.
    grant: Option<u64>,
    /// It was asked something in this life.
    is_involved: bool,
    /// It said that the computation is over.
    pub(super) is_closed: bool,
}

impl Ballot {
    /// Takes note of where its broker stands now.
    pub(super) fn refresh(&mut self, now_us: u64, epoch: Epoch, is_reachable: bool) {
        if self.epoch != epoch {
            *self = Self {
                epoch,
                unanswered_us: self.unanswered_us,
                after_us: self.after_us,
                ..Self::default()
            };
        }
        match self.vote {
            Vote::Granted { until_us } | Vote::NotYet { until_us } if now_us >= until_us => {
                self.vote = Vote::None;
            }
            _ => {}
        }
        if !is_reachable {
            self.unanswered_us.get_or_insert(now_us);
        }
    }

    /// Whether to ask now: `every_us` after an answer, `again_us` without.
    pub(super) fn is_due(&self, now_us: u64, every_us: u64, again_us: u64) -> bool {
        now_us >= self.due_us(every_us, again_us)
    }

    pub(super) fn due_us(&self, every_us: u64, again_us: u64) -> u64 {
        let wait_us = if self.unanswered_us.is_some() {
            again_us
        } else {
            every_us
        };
        self.asked_us.map_or(0, |at_us| at_us + wait_us)
    }

    /// Whether it was asked.
    pub(super) const fn is_asked(&self) -> bool {
        self.asked_us.is_some()
    }

    /// It is being asked.
    pub(super) fn ask(&mut self, now_us: u64) {
        self.asked_us = Some(now_us);
        self.unanswered_us.get_or_insert(now_us);
        self.is_involved = true;
    }

    /// What was said to it is over: it is asked anew, and older answers do not count.
    pub(super) fn begin_anew(&mut self, now_us: u64) {
        self.asked_us = None;
        self.after_us = now_us;
        self.vote = Vote::None;
        self.grant = None;
    }

    /// Another kind of question comes next.
    pub(super) const fn ask_at_once(&mut self) {
        self.asked_us = None;
        self.unanswered_us = None;
    }

    /// Takes its answer; false if it is none to what is being asked.
    pub(super) fn take(&mut self, now_us: u64, term_us: u64, answer: &LeaseAnswer) -> bool {
        if answer.epoch != self.epoch || answer.asked_at_us < self.after_us || answer.asked_at_us > now_us {
            return false;
        }
        self.unanswered_us = None;
        match answer.verdict {
            LeaseVerdict::Granted { grant } => {
                // Its term began when it was asked, or later.
                let until_us = answer.asked_at_us + term_us;
                if now_us < until_us {
                    self.vote = Vote::Granted { until_us };
                    self.grant = Some(grant);
                }
            }
            LeaseVerdict::Busy { owner, number } => self.vote = Vote::Busy { owner, number },
            LeaseVerdict::NotYet { wait_us } => {
                let until_us = now_us + wait_us.min(term_us) + 1_000;
                self.vote = Vote::NotYet { until_us };
            }
            LeaseVerdict::Lost
            | LeaseVerdict::Closed
            | LeaseVerdict::Done { .. }
            | LeaseVerdict::Fetch { .. }
            | LeaseVerdict::Fetched { .. } => {}
        }
        true
    }

    pub(super) const fn is_granted(&self) -> bool {
        matches!(self.vote, Vote::Granted { .. })
    }

    /// It holds a promise of ours, or we wait there.
    pub(super) const fn is_involved(&self) -> bool {
        self.is_involved
    }

    /// The number of its grant, if that counts, and in which life of it.
    pub(super) fn grant(&self) -> Option<(Epoch, u64)> {
        let grant = self.grant.filter(|_| self.is_granted())?;
        Some((self.epoch, grant))
    }

    /// For `for_us` it did not answer.
    pub(super) fn is_silent(&self, now_us: u64, for_us: u64) -> bool {
        self.unanswered_us.is_some_and(|at_us| now_us >= at_us + for_us)
    }
}
