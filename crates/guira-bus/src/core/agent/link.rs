//! What an agent knows of one broker.
//!
//! ```text
//!            Welcome, known life                 gap, Trimmed
//!  Silent ------------------------> Following ----------------+
//!    |  ^                             ^  |                    |
//!    |  | WhoAreYou, Refused          |  | (anything of       |
//!    |  +-----------------------------|--+  another life)     v
//!    +--- Welcome, new life --------------------------------> Joining
//!                                     +--- Start: continued, or floor raised
//! ```

use std::collections::{BTreeSet, VecDeque};

use super::patience::Patience;
use crate::core::mutant::Mutant;
use crate::wire::{Epoch, Origin, TOPICS, Topic, topics_of};

/// Where an agent stands with a broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// Not welcomed yet, or not any more.
    Silent,
    /// Publishes, and looks for where to begin in the stream.
    Joining,
    /// Publishes and follows the stream.
    Following,
}

/// An answer whose heads are not all applied yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) asked_at_us: u64,
    pub(super) topics: u64,
    pub(super) heads: Vec<u64>,
    pub(super) position: u64,
}

/// Positions of a topic that were applied beyond a gap.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    topic: Topic,
    previous: u64,
    last: u64,
}

const MAX_AHEAD: usize = 4_096;
/// How often heads are asked for while something is not settled.
const UNSETTLED_ASK_US: u64 = 8_000;
/// How much later for each host of the cluster.
const SPREAD_US: u64 = 10;
const MAX_PENDING: usize = 16;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: LinkState,
    pub(super) epoch: Epoch,
    pub(super) is_refused: bool,
    pub(super) hello_at_us: Option<u64>,
    pub(super) heard_at_us: Option<u64>,

    // Publishing.
    /// Tickets below are logged in this life of the broker.
    pub(super) received: u64,
    /// Tickets below were accepted by this broker, in whatever life.
    pub(super) accepted: u64,
    pub(super) sent: u64,
    pub(super) progress_at_us: u64,
    /// How long progress is waited for.
    pub(super) patience_us: u64,
    /// What the broker missed last, and when that was sent.
    pub(super) missed: Option<(u64, u64)>,
    /// Which ticket is settled when which position is.
    pub(super) to_settle: VecDeque<(u64, u64)>,
    pub(super) settled: u64,
    /// Own tickets below are logged in this life, or were settled before it.
    logged: Option<u64>,
    /// Own tickets below, of those that are not logged in this life, were read for it.
    read_to: u64,

    // Following.
    /// Each topic was applied through this position.
    through: [u64; TOPICS],
    pub(super) topics: u64,
    ahead: Vec<Ahead>,
    /// Of each topic nothing was applied that has a later position in this life, with gaps or without.
    seen: [u64; TOPICS],
    pub(super) gap_since_us: Option<u64>,
    pub(super) replay_at_us: Option<u64>,
    /// How long an answer to the last question for what is missing is waited for.
    pub(super) replay_patience_us: u64,
    pub(super) join_patience: Patience,

    // Trust.
    pub(super) asked_at_us: Option<u64>,
    /// Something was applied, or became known, that the broker waits to hear of.
    pub(super) report_due_us: Option<u64>,
    pub(super) pending: VecDeque<Pending>,
    /// Whatever the broker had logged before this time was applied.
    pub(super) confirmed_us: Option<u64>,
    pub(super) confirmed_topics: u64,
    /// All topics were applied through this position.
    pub(super) applied: u64,

    // Members.
    pub(super) members_version: u64,
    pub(super) members: Option<BTreeSet<Origin>>,
    /// In which life of the broker.
    pub(super) members_epoch: Epoch,
    /// Whether who is not on the list is accepted by nobody that goes by the list's life, or by the next.
    pub(super) is_list_ripe: bool,
    /// When the broker was asked last that said that it counts this host's records as accepted.
    pub(super) known_at_us: Option<u64>,
    pub(super) list_patience: Patience,
    /// The newest version of the list that was heard of.
    pub(super) newest_version: u64,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            state: LinkState::Silent,
            epoch: Epoch(0),
            is_refused: false,
            hello_at_us: None,
            heard_at_us: None,
            received: 0,
            accepted: 0,
            sent: 0,
            progress_at_us: 0,
            patience_us: super::publish::RESEND_US,
            missed: None,
            to_settle: VecDeque::new(),
            settled: 0,
            logged: None,
            read_to: 0,
            through: [0; TOPICS],
            topics: 0,
            ahead: Vec::new(),
            seen: [0; TOPICS],
            gap_since_us: None,
            replay_at_us: None,
            replay_patience_us: super::follow::REPLAY_EVERY_US,
            join_patience: Patience::default(),
            asked_at_us: None,
            report_due_us: None,
            pending: VecDeque::new(),
            confirmed_us: None,
            confirmed_topics: 0,
            applied: 0,
            members_version: 0,
            members: None,
            members_epoch: Epoch(0),
            is_list_ripe: false,
            known_at_us: None,
            list_patience: Patience::default(),
            newest_version: 0,
        }
    }

    /// How often heads are asked for: more often while something is not known to be applied everywhere, which the
    /// answers tell.
    pub(super) fn ask_every_us(&self, usual_us: u64) -> u64 {
        if self.to_settle.is_empty() {
            usual_us
        } else {
            usual_us.min(UNSETTLED_ASK_US + self.spread_us())
        }
    }

    /// How long ago the time was until which everything that the broker had logged is applied; for ever, if there
    /// was none.
    pub(super) fn age_us(&self, now_us: u64) -> u64 {
        self.confirmed_us
            .map_or(u64::MAX, |at_us| now_us.saturating_sub(at_us))
    }

    /// How much later things are said that all hosts say: brokers hear from all.
    pub(super) fn spread_us(&self) -> u64 {
        self.member_count() as u64 * SPREAD_US
    }

    /// How many hosts its list names.
    pub(super) fn member_count(&self) -> usize {
        self.members.as_ref().map_or(0, BTreeSet::len)
    }

    pub(super) fn through(&self, topic: Topic) -> u64 {
        self.through.get(topic.index()).copied().unwrap_or(0)
    }

    /// Each topic of `topics` is applied through `position`.
    pub(super) fn begin(&mut self, topics: u64, position: u64) {
        for topic in topics_of(topics) {
            if let Some(through) = self.through.get_mut(topic.index()) {
                *through = position;
            }
            self.see(topic, position);
        }
        self.topics |= topics;
    }

    /// Something of this position is applied, whatever may be missing before it.
    pub(super) fn see(&mut self, topic: Topic, position: u64) {
        if let Some(seen) = self.seen.get_mut(topic.index()) {
            *seen = (*seen).max(position);
        }
    }

    pub(super) fn seen(&self, topic: Topic) -> u64 {
        self.seen.get(topic.index()).copied().unwrap_or(0)
    }

    /// The broker has begun anew and has own tickets below `next`: nothing of this life was applied yet.
    pub(super) fn begin_life(&mut self, epoch: Epoch, next: u64) {
        self.epoch = epoch;
        self.seen = [0; TOPICS];
        self.logged = None;
        self.read_to = next;
    }

    /// Own tickets from `first` to before `after` were read to be sent.
    pub(super) fn note_read(&mut self, first: u64, after: u64) {
        if first <= self.read_to {
            self.read_to = self.read_to.max(after);
        }
    }

    /// Own tickets below `next` are logged at positions up to `position`, and count as applied there. `said`: before
    /// which ticket the last own record of each topic is, of those that were read.
    pub(super) fn note_logged(&mut self, next: u64, position: u64, said: &[u64; TOPICS]) {
        let before = self.logged;
        if before.is_some_and(|logged| next <= logged) {
            return;
        }
        self.logged = Some(next);
        // What the agent before this one sent was not read by this one, and may be of any topic.
        let unread = before.is_none() || next > self.read_to;
        for (index, said) in said.iter().enumerate() {
            if unread || before.is_some_and(|before| *said > before) {
                self.see(Topic::of_index(index), position);
            }
        }
        // What an agent before this one sent is counted above, once.
        self.read_to = self.read_to.max(next);
    }

    /// Whether all own tickets below `head` are logged in this life, or were settled before it.
    pub(super) fn has_logged(&self, head: u64) -> bool {
        self.logged.map_or(head == 0, |next| next >= head)
    }

    fn advance_to(&mut self, topic: Topic, position: u64) {
        if let Some(through) = self.through.get_mut(topic.index()) {
            *through = (*through).max(position);
        }
    }

    /// Notes that an entry was applied; false if something before it is missing.
    pub(super) fn advance(&mut self, topic: Topic, previous: u64, position: u64) -> bool {
        let is_next = previous <= self.through(topic);
        if is_next || Mutant::ToleranceOne.is_on() && self.ahead.is_empty() {
            self.advance_to(topic, position);
            return true;
        }
        let has_room = self.ahead.len() < MAX_AHEAD;
        let before = self
            .ahead
            .iter_mut()
            .find(|ahead| ahead.topic == topic && ahead.last == previous);
        if let Some(ahead) = before {
            ahead.last = position;
        } else if has_room {
            self.ahead.push(Ahead {
                topic,
                previous,
                last: position,
            });
        }
        false
    }

    /// Notes that `topics`, where they were applied through `after`, are applied through `through`.
    pub(super) fn advance_all(&mut self, topics: u64, after: u64, through: u64) {
        for topic in topics_of(topics) {
            if self.through(topic) >= after {
                self.advance_to(topic, through);
            }
        }
        self.close_up();
    }

    /// What was applied beyond a gap counts when the gap is closed.
    pub(super) fn close_up(&mut self) {
        loop {
            let joined = self
                .ahead
                .iter()
                .position(|ahead| ahead.previous <= self.through(ahead.topic));
            let Some(index) = joined else {
                break;
            };
            let ahead = self.ahead.swap_remove(index);
            self.advance_to(ahead.topic, ahead.last);
        }
    }

    /// The topics whose entries are known to be missing, and from where.
    pub(super) fn missing(&self) -> Option<(u64, u64)> {
        let mut topics = 0;
        for ahead in &self.ahead {
            topics |= ahead.topic.bit();
        }
        for pending in &self.pending {
            for (topic, &head) in topics_of(pending.topics).zip(&pending.heads) {
                if head > self.through(topic) {
                    topics |= topic.bit();
                }
            }
        }
        topics &= self.topics;
        let after = topics_of(topics).map(|topic| self.through(topic)).min()?;
        Some((topics, after))
    }

    pub(super) fn push_pending(&mut self, pending: Pending) {
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_back();
        }
        self.pending.push_back(pending);
    }

    /// Confirms what the answers name, as far as it is applied; says whether anything was.
    pub(super) fn confirm(&mut self) -> bool {
        let mut is_any = false;
        while let Some(pending) = self.pending.front() {
            let mut is_applied = topics_of(pending.topics)
                .zip(&pending.heads)
                .all(|(topic, &head)| head <= self.through(topic));
            if Mutant::TopicHoles.is_on() {
                is_applied |= pending.heads.iter().max() <= self.through.iter().max();
            }
            if !is_applied {
                break;
            }
            if let Some(pending) = self.pending.pop_front() {
                for topic in topics_of(pending.topics) {
                    self.advance_to(topic, pending.position);
                }
                if self.confirmed_us.is_none_or(|at_us| pending.asked_at_us >= at_us) {
                    self.confirmed_us = Some(pending.asked_at_us);
                    self.confirmed_topics = pending.topics;
                    if pending.topics & self.topics == self.topics {
                        self.applied = self.applied.max(pending.position);
                    }
                }
                is_any = true;
            }
        }
        is_any
    }

    /// Whether the broker's list may replace the one that is held: while a new life's stream is not entered,
    /// the list of the last one is what counts.
    pub(super) fn takes_members(&self) -> bool {
        match self.state {
            LinkState::Silent => false,
            LinkState::Joining => self.members_epoch == self.epoch,
            LinkState::Following => true,
        }
    }

    /// Whether the list that is held is of this life of the broker, and not older than `version`.
    pub(super) fn knows_members(&self, version: u64) -> bool {
        self.members.is_some() && self.members_epoch == self.epoch && self.members_version >= version
    }

    /// Nothing that was known of the stream holds any more.
    pub(super) fn lose_stream(&mut self) {
        self.state = LinkState::Joining;
        self.join_patience.end();
        self.pending.clear();
        self.ahead.clear();
        self.gap_since_us = None;
        self.replay_at_us = None;
        self.topics = 0;
        self.applied = 0;
        self.through = [0; TOPICS];
    }
}
