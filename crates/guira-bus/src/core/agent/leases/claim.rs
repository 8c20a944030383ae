//! One computation: whom to ask for it, when enough granted it, when to do without.
//!
//! First is asked the broker that a hash of the key names among those that are there, which is the same one for
//! all hosts: two that want a key at once meet there, and who is second waits there. When it grants, or does not
//! answer soon, the others are asked. Two that each have a part of the brokers give theirs back after a random
//! pause; whoever waits at a broker that is given back has it then.

use super::LeaseWish;
use super::ballot::{Ballot, Vote};
use crate::core::agent::link::{Link, LinkState};
use crate::core::agent::{AgentSettings, Flow};
use crate::wire::{Epoch, KeyId, LeaseRequest, LeaseStep, Origin, ToBroker};

/// Who waits says so so often.
const WANT_EVERY_US: u64 = 200_000;
/// What is not answered is asked again after this time.
const AGAIN_US: u64 = 50_000;
/// The first broker has so long to answer before the others are asked.
const FIRST_US: u64 = 30_000;
/// The longest pause before a part of the brokers is given back.
const PAUSE_US: u64 = 40_000;

/// Where the brokers stand at this time.
#[derive(Clone, Copy)]
pub(in crate::core::agent) struct Brokers<'a> {
    pub(in crate::core::agent) now_us: u64,
    pub(in crate::core::agent) links: &'a [Link],
    pub(in crate::core::agent) settings: &'a AgentSettings,
}

#[derive(Debug)]
pub(super) enum Phase {
    Asking,
    Holding {
        /// The invalidation clock when the computation began; unknown to an agent that took over.
        since: Option<u64>,
        /// What each broker had granted before it began.
        grants: Vec<Option<(Epoch, u64)>>,
    },
    /// Other hosts are asked for the value, with the lease or without one.
    Seeking {
        holds: bool,
    },
    /// Somebody has it; the value is being asked for.
    Fetching {
        broker: usize,
        owner: Origin,
        clock: Option<u64>,
        until_us: u64,
    },
    /// The brokers are told until they know.
    Closing {
        done: Option<Done>,
        until_us: u64,
    },
}

#[derive(Debug)]
pub(super) struct Done {
    pub(super) grants: Vec<Option<(Epoch, u64)>>,
    pub(super) value: Option<Vec<u8>>,
}

/// What became of asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Granted,
    Alone,
}

#[derive(Debug)]
pub(super) struct Claim {
    pub(super) key: KeyId,
    pub(super) number: u64,
    pub(super) wish: LeaseWish,
    pub(super) phase: Phase,
    pub(super) ballots: Vec<Ballot>,
    /// Not the first broker alone is asked.
    is_wide: bool,
    yield_at_us: Option<u64>,
    /// Makes pauses differ.
    chance: u64,
    /// Since then too few brokers grant or refuse: they began a moment ago.
    few_since_us: Option<u64>,
    pub(super) is_told_busy: bool,
}

impl Brokers<'_> {
    fn is_reachable(&self, broker: usize) -> bool {
        self.links
            .get(broker)
            .is_some_and(|link| link.state != LinkState::Silent)
    }

    pub(super) fn epoch(&self, broker: usize) -> Epoch {
        self.links.get(broker).map_or(Epoch(0), |link| link.epoch)
    }

    /// The broker that a hash of the key names; by their lives, which are the same to all hosts.
    fn first(&self, key: KeyId) -> Option<usize> {
        (0..self.links.len())
            .filter(|&broker| self.is_reachable(broker))
            .max_by_key(|&broker| mixed(key.hash ^ key.namespace.rotate_left(32) ^ self.epoch(broker).0))
    }
}

fn mixed(value: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&value.to_le_bytes())
}

impl Claim {
    pub(super) fn new(key: KeyId, number: u64, origin: Origin, brokers: usize, phase: Phase) -> Self {
        Self {
            key,
            number,
            wish: LeaseWish::default(),
            phase,
            ballots: vec![Ballot::default(); brokers],
            is_wide: false,
            yield_at_us: None,
            chance: mixed(number ^ (origin.0 as u64) ^ ((origin.0 >> 64) as u64)),
            few_since_us: None,
            is_told_busy: false,
        }
    }

    pub(super) fn refresh(&mut self, at: Brokers<'_>) {
        for (broker, ballot) in self.ballots.iter_mut().enumerate() {
            ballot.refresh(at.now_us, at.epoch(broker), at.is_reachable(broker));
        }
    }

    /// Says to a broker what there is to say.
    fn say(&mut self, at: Brokers<'_>, broker: usize, step: LeaseStep, flow: &mut Vec<Flow>) {
        let Some(ballot) = self.ballots.get_mut(broker) else {
            return;
        };
        ballot.ask(at.now_us);
        let frame = ToBroker::Lease(LeaseRequest {
            epoch: at.epoch(broker),
            key: self.key,
            number: self.number,
            asked_at_us: at.now_us,
            step,
        });
        flow.push(Flow::Send { broker, frame });
    }

    /// The brokers that are there and are to be asked, when so long has passed since they answered or did not.
    fn due(&self, at: Brokers<'_>, every_us: u64, again_us: u64) -> Vec<usize> {
        self.ballots
            .iter()
            .enumerate()
            .filter(|&(broker, ballot)| {
                at.is_reachable(broker) && ballot.is_due(at.now_us, every_us, again_us)
            })
            .map(|(broker, _)| broker)
            .collect()
    }

    fn count(&self, is_so: impl Fn(&Ballot) -> bool) -> usize {
        self.ballots.iter().filter(|ballot| is_so(ballot)).count()
    }

    /// Asks, and says what came of it.
    pub(super) fn ask(&mut self, at: Brokers<'_>, flow: &mut Vec<Flow>) -> Option<Asked> {
        let majority = at.settings.majority();
        if self.count(Ballot::is_granted) >= majority {
            return Some(Asked::Granted);
        }
        if self.is_to_do_alone(at) {
            return Some(Asked::Alone);
        }
        self.give_back(at, flow);
        let first = at.first(self.key);
        if let Some(ballot) = first.and_then(|first| self.ballots.get(first)) {
            self.is_wide |= matches!(ballot.vote, Vote::Granted { .. } | Vote::NotYet { .. })
                || ballot.is_silent(at.now_us, FIRST_US);
        }
        let due: Vec<usize> = (0..self.ballots.len())
            .filter(|&broker| at.is_reachable(broker) && (self.is_wide || first == Some(broker)))
            .filter(|&broker| {
                self.ballots
                    .get(broker)
                    .is_some_and(|it| at.now_us >= want_due_us(it))
            })
            .collect();
        for broker in due {
            self.say(at, broker, LeaseStep::Want, flow);
        }
        None
    }

    fn is_to_do_alone(&mut self, at: Brokers<'_>) -> bool {
        let majority = at.settings.majority();
        let alone_us = at.settings.alone_after_us;
        let silent = self.count(|ballot| ballot.is_silent(at.now_us, alone_us));
        if self.ballots.len() - silent < majority {
            return true;
        }
        let is_any_new = self.count(|ballot| matches!(ballot.vote, Vote::NotYet { .. })) > 0;
        let decided = self.count(|ballot| matches!(ballot.vote, Vote::Granted { .. } | Vote::Busy { .. }));
        if !is_any_new || decided >= majority {
            self.few_since_us = None;
            return false;
        }
        let since_us = *self.few_since_us.get_or_insert(at.now_us);
        at.now_us >= since_us + at.settings.lease_term_us + alone_us
    }

    /// Gives back what was granted, after a pause, where that and what others have is a majority of nobody's.
    fn give_back(&mut self, at: Brokers<'_>, flow: &mut Vec<Flow>) {
        if !self.is_stuck(at) {
            self.yield_at_us = None;
            return;
        }
        let chance = &mut self.chance;
        let yield_at_us = *self.yield_at_us.get_or_insert_with(|| {
            *chance = mixed(*chance);
            at.now_us + 4_000 + *chance % PAUSE_US
        });
        if at.now_us < yield_at_us {
            return;
        }
        self.yield_at_us = None;
        let granted: Vec<usize> = (0..self.ballots.len())
            .filter(|&broker| self.ballots.get(broker).is_some_and(Ballot::is_granted))
            .collect();
        for broker in granted {
            self.say(at, broker, LeaseStep::Abandon, flow);
            if let Some(ballot) = self.ballots.get_mut(broker) {
                ballot.begin_anew(at.now_us + 1);
            }
        }
    }

    fn is_stuck(&self, at: Brokers<'_>) -> bool {
        let majority = at.settings.majority();
        let granted = self.count(Ballot::is_granted);
        let undecided = (0..self.ballots.len())
            .filter(|&broker| at.is_reachable(broker))
            .filter_map(|broker| self.ballots.get(broker))
            .filter(|ballot| ballot.vote == Vote::None && !ballot.is_silent(at.now_us, FIRST_US))
            .count();
        let busy: Vec<(Origin, u64)> = self
            .ballots
            .iter()
            .filter_map(|ballot| match ballot.vote {
                Vote::Busy { owner, number } => Some((owner, number)),
                _ => None,
            })
            .collect();
        let most = busy
            .iter()
            .map(|holder| busy.iter().filter(|other| *other == holder).count())
            .max();
        granted > 0 && granted + undecided < majority && most.is_some_and(|most| most < majority)
    }

    /// Renews what is held.
    pub(super) fn renew(&mut self, at: Brokers<'_>, flow: &mut Vec<Flow>) {
        let term_us = at.settings.lease_term_us;
        for broker in self.due(at, term_us / 3, term_us / 6) {
            self.say(at, broker, LeaseStep::Renew, flow);
        }
    }

    /// Asks again for the value.
    pub(super) fn fetch(&mut self, at: Brokers<'_>, broker: usize, owner: Origin, flow: &mut Vec<Flow>) {
        if self
            .ballots
            .get(broker)
            .is_some_and(|ballot| at.is_reachable(broker) && ballot.is_due(at.now_us, AGAIN_US, AGAIN_US))
        {
            self.say(at, broker, LeaseStep::Fetch { owner }, flow);
        }
    }

    /// From now on the brokers are told that it is over.
    pub(super) fn begin_to_close(&mut self, at: Brokers<'_>, done: Option<Done>) {
        for ballot in &mut self.ballots {
            ballot.begin_anew(at.now_us);
            ballot.ask_at_once();
        }
        let until_us = at.now_us + at.settings.lease_term_us;
        self.phase = Phase::Closing { done, until_us };
    }

    /// Tells who does not know yet; true when there is nobody left to tell.
    pub(super) fn close(&mut self, at: Brokers<'_>, flow: &mut Vec<Flow>) -> bool {
        let Phase::Closing { done, until_us } = &self.phase else {
            return false;
        };
        if at.now_us >= *until_us {
            return true;
        }
        let steps: Vec<(usize, LeaseStep)> = self
            .due(at, AGAIN_US, AGAIN_US)
            .into_iter()
            .filter(|&broker| self.is_to_know(broker))
            .map(|broker| (broker, step(at, done.as_ref(), broker)))
            .collect();
        for (broker, step) in steps {
            self.say(at, broker, step, flow);
        }
        !(0..self.ballots.len()).any(|broker| self.is_to_know(broker))
    }

    fn is_to_know(&self, broker: usize) -> bool {
        self.ballots
            .get(broker)
            .is_some_and(|ballot| ballot.is_involved() && !ballot.is_closed)
    }

    /// When there is something to do next.
    pub(super) fn due_us(&self, at: Brokers<'_>) -> u64 {
        let term_us = at.settings.lease_term_us;
        let of_ballot = |broker: usize, ballot: &Ballot| match &self.phase {
            Phase::Seeking { holds: false } => u64::MAX,
            _ if !at.is_reachable(broker) => at.now_us + AGAIN_US,
            // Not asked before the first has answered, or has not for a while.
            Phase::Asking if !self.is_wide && matches!(ballot.vote, Vote::None) && !ballot.is_asked() => {
                at.now_us + FIRST_US / 2
            }
            Phase::Asking if !self.is_wide => want_due_us(ballot).min(at.now_us + FIRST_US / 2),
            Phase::Asking => want_due_us(ballot),
            Phase::Holding { .. } | Phase::Seeking { holds: true } => ballot.due_us(term_us / 3, term_us / 6),
            Phase::Fetching { .. } => at.now_us + AGAIN_US / 2,
            Phase::Closing { .. } if self.is_to_know(broker) => ballot.due_us(AGAIN_US, AGAIN_US),
            Phase::Closing { .. } => u64::MAX,
        };
        let soonest = self
            .ballots
            .iter()
            .enumerate()
            .map(|(broker, ballot)| of_ballot(broker, ballot))
            .min();
        soonest.unwrap_or(u64::MAX).min(match self.phase {
            Phase::Asking => self.yield_at_us.unwrap_or(u64::MAX),
            _ => u64::MAX,
        })
    }
}

fn want_due_us(ballot: &Ballot) -> u64 {
    match ballot.vote {
        Vote::None => ballot.due_us(0, AGAIN_US),
        Vote::NotYet { until_us } => until_us.min(ballot.due_us(WANT_EVERY_US, AGAIN_US)),
        Vote::Granted { .. } | Vote::Busy { .. } => ballot.due_us(WANT_EVERY_US, AGAIN_US),
    }
}

fn step(at: Brokers<'_>, done: Option<&Done>, broker: usize) -> LeaseStep {
    let Some(done) = done else {
        return LeaseStep::Abandon;
    };
    let grant = done.grants.get(broker).copied().flatten();
    LeaseStep::Done {
        grant: grant
            .filter(|(epoch, _)| *epoch == at.epoch(broker))
            .map(|(_, grant)| grant),
        value: done.value.clone(),
    }
}
