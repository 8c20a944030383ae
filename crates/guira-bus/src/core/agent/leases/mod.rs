//! One computation per key in the cluster: asks brokers for leases on behalf of the host's workers.
//!
//! ```text
//!          a majority granted             done, abandoned
//!  Asking --------------------> Holding -------------------+
//!   |  |  (first Seeking, if the worker wishes so)          |
//!   |  |  another has it: Found, perhaps after Fetching    v
//!   |  +------------------------------------------------> Closing: told until they know, for a term at most
//!   +--- too few answer: Alone ----------------------------^
//! ```
//!
//! A lease saves work and confers no safety: two may compute where brokers were silent for a term. That nothing
//! old is stored is the business of tokens; that of a found value is its [`clock`](LeaseOutcome::Found), and what is
//! sought is told in [`fetching`](super::fetching).

mod ballot;
mod claim;
mod clocks;
mod seeking;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use claim::{Asked, Brokers, Claim, Done, Phase};
use clocks::Clocks;
pub use seeking::LeaseWish;

use super::fetching::Seeks;
use super::{AgentCore, Flow};
use crate::core::Host;
use crate::core::mutant::Mutant;
use crate::wire::{
    Epoch, KeyId, LeaseAnswer, LeaseRequest, LeaseStep, LeaseVerdict, MAX_FETCHED_BYTES, Origin, ToBroker,
};

/// The largest value that is told to all who wait for it.
const MAX_TOLD_BYTES: usize = 16 << 10;
/// For how long a value is waited for that its owner was asked for.
const FETCH_US: u64 = 250_000;
/// For how long after a computation others may ask for its value.
const KEPT_US: u64 = 2_000_000;

/// What an agent says to the worker that wants a lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LeaseOutcome {
    /// Another computes: wait. Not the last word.
    Busy { owner: Origin },
    /// Compute, with a token that is taken now: one from before does not count for what others are given.
    Granted,
    /// Another host has it.
    Found {
        owner: Origin,
        /// In stored form; `None` where it is too large, or gone by now.
        value: Option<Vec<u8>>,
        /// It may be stored with a token of this clock. Without one it may not be stored, though whoever began to
        /// wait before may have it.
        clock: Option<u64>,
    },
    /// Another host had it before.
    Fetched {
        owner: Origin,
        /// In stored form.
        value: Vec<u8>,
        /// It may be stored with a token of this clock.
        clock: u64,
    },
    /// Too few brokers answer: compute without; or nobody has what was only sought.
    Alone,
}

/// The leases of an agent.
#[derive(Debug)]
pub(super) struct Leases {
    claims: BTreeMap<u64, Claim>,
    clocks: Vec<Clocks>,
    /// What was computed a moment ago: tokens of values that may be given away are not older, and until when.
    computed: BTreeMap<KeyId, (u64, u64)>,
    pub(super) seeks: Seeks,
}

impl Leases {
    pub(super) fn new(brokers: usize) -> Self {
        Self {
            claims: BTreeMap::new(),
            clocks: (0..brokers).map(|_| Clocks::default()).collect(),
            computed: BTreeMap::new(),
            seeks: Seeks::default(),
        }
    }

    /// A broker is asked for its heads.
    pub(super) fn note_question(&mut self, broker: usize, epoch: Epoch, now_us: u64, clock: u64) {
        if let Some(clocks) = self.clocks.get_mut(broker) {
            clocks.ask(epoch, now_us, clock);
        }
    }

    /// It answered.
    pub(super) fn note_answer(&mut self, broker: usize, epoch: Epoch, asked_at_us: u64, grants: u64) {
        if let Some(clocks) = self.clocks.get_mut(broker) {
            clocks.answer(epoch, asked_at_us, grants);
        }
    }

    /// When there is something to do next.
    pub(super) fn next_due_us(&self, at: Brokers<'_>) -> u64 {
        let soonest = self.claims.values().map(|claim| claim.due_us(at)).min();
        soonest.unwrap_or(u64::MAX).min(self.seeks.next_due_us(at.now_us))
    }

    /// Does what is due for one computation.
    fn advance(&mut self, at: Brokers<'_>, number: u64, host: &mut impl Host, flow: &mut Vec<Flow>) {
        let Some(claim) = self.claims.get_mut(&number) else {
            return;
        };
        claim.refresh(at);
        match claim.phase {
            Phase::Asking => match claim.ask(at, flow) {
                None => {}
                Some(Asked::Granted) => match claim.wish {
                    LeaseWish::FetchOrCompute { wait_us }
                        if self
                            .seeks
                            .begin(number, claim.key, at.now_us.saturating_add(wait_us)) =>
                    {
                        claim.phase = Phase::Seeking { holds: true };
                    }
                    _ => claim.begin_to_hold(host, flow),
                },
                Some(Asked::Alone) => {
                    claim.begin_to_close(at, None);
                    flow.push(told(claim, LeaseOutcome::Alone));
                }
            },
            Phase::Holding { .. } | Phase::Seeking { holds: true } => claim.renew(at, flow),
            Phase::Fetching {
                broker,
                owner,
                until_us,
                ..
            } => {
                if at.now_us < until_us {
                    claim.fetch(at, broker, owner, flow);
                } else {
                    self.find(at, number, owner, None, None, flow);
                }
            }
            Phase::Seeking { holds: false } | Phase::Closing { .. } => {}
        }
        if let Some(claim) = self.claims.get_mut(&number)
            && claim.close(at, flow)
        {
            self.claims.remove(&number);
        }
    }

    fn find(
        &mut self,
        at: Brokers<'_>,
        number: u64,
        owner: Origin,
        value: Option<Vec<u8>>,
        clock: Option<u64>,
        flow: &mut Vec<Flow>,
    ) {
        if let Some(claim) = self.claims.get_mut(&number) {
            claim.begin_to_close(at, None);
            flow.push(told(claim, LeaseOutcome::Found { owner, value, clock }));
        }
    }

    /// A broker answers, or passes something on.
    fn on_answer(
        &mut self,
        at: Brokers<'_>,
        broker: usize,
        answer: LeaseAnswer,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let LeaseAnswer {
            epoch, key, number, ..
        } = answer;
        if let LeaseVerdict::Fetch { from } = answer.verdict {
            let value = self
                .computed
                .get(&key)
                .and_then(|&(since, _)| host.value(key, MAX_FETCHED_BYTES, since));
            let step = LeaseStep::Fetched { to: from, value };
            flow.push(request(broker, &answer, answer.asked_at_us, step));
            return;
        }
        let Some(claim) = self.claims.get_mut(&number).filter(|claim| claim.key == key) else {
            return decline(at, broker, &answer, flow);
        };
        claim.refresh(at);
        let Some(ballot) = claim.ballots.get_mut(broker) else {
            return;
        };
        if !ballot.take(at.now_us, at.settings.lease_term_us, &answer) {
            if ballot.is_closed {
                decline(at, broker, &answer, flow);
            }
            return;
        }
        match (answer.verdict, &claim.phase) {
            (LeaseVerdict::Closed, Phase::Closing { .. }) => ballot.is_closed = true,
            (LeaseVerdict::Busy { owner, .. }, Phase::Asking) if !claim.is_told_busy => {
                claim.is_told_busy = true;
                flow.push(told(claim, LeaseOutcome::Busy { owner }));
            }
            (LeaseVerdict::Done { owner, grant, value }, Phase::Asking) => {
                let clock = if Mutant::DoneWithoutPosition.is_on() {
                    Some(host.clock())
                } else {
                    let clocks = self.clocks.get(broker);
                    grant.and_then(|grant| clocks?.before(epoch, grant))
                };
                if value.is_some() || owner == host.origin() {
                    self.find(at, number, owner, value, clock, flow);
                } else {
                    ballot.ask_at_once();
                    claim.phase = Phase::Fetching {
                        broker,
                        owner,
                        clock,
                        until_us: at.now_us + FETCH_US,
                    };
                }
            }
            (
                LeaseVerdict::Fetched { owner, value },
                Phase::Fetching {
                    owner: asked, clock, ..
                },
            ) if owner == *asked => {
                let clock = *clock;
                self.find(at, number, owner, value, clock, flow);
            }
            _ => {}
        }
        self.advance(at, number, host, flow);
    }
}

/// Gives back what was granted, or is waited for, by a question that came late.
fn decline(at: Brokers<'_>, broker: usize, answer: &LeaseAnswer, flow: &mut Vec<Flow>) {
    let is_late = matches!(
        answer.verdict,
        LeaseVerdict::Granted { .. } | LeaseVerdict::Busy { .. }
    );
    if is_late {
        flow.push(request(broker, answer, at.now_us, LeaseStep::Abandon));
    }
}

fn told(claim: &Claim, outcome: LeaseOutcome) -> Flow {
    Flow::Lease {
        key: claim.key,
        number: claim.number,
        outcome,
    }
}

/// Says something about what an answer is about.
fn request(broker: usize, answer: &LeaseAnswer, asked_at_us: u64, step: LeaseStep) -> Flow {
    let frame = ToBroker::Lease(LeaseRequest {
        epoch: answer.epoch,
        key: answer.key,
        number: answer.number,
        asked_at_us,
        step,
    });
    Flow::Send { broker, frame }
}

impl AgentCore {
    /// A worker that missed wants to compute `key`, or to be given its value, under a number that no other computation
    /// of this host has. What comes of it comes as [`Flow::Lease`], perhaps at once. Again for the same number does nothing.
    pub fn lease_want(
        &mut self,
        now_us: u64,
        key: KeyId,
        number: u64,
        wish: LeaseWish,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let origin = host.origin();
        let brokers = self.links.len();
        let (leases, at) = self.leases_at(now_us);
        if !leases.claims.contains_key(&number) {
            let mut claim = Claim::new(key, number, origin, brokers, Phase::Asking);
            claim.wish = wish;
            if let LeaseWish::Fetch { wait_us } = wish {
                let until_us = now_us.saturating_add(wait_us);
                claim.phase = Phase::Seeking { holds: false };
                if !leases.seeks.begin(number, key, until_us) {
                    return flow.push(told(&claim, LeaseOutcome::Alone));
                }
            }
            leases.claims.insert(number, claim);
        }
        leases.advance(at, number, host, flow);
        self.advance_seeks(now_us, host, flow);
    }

    /// A worker computes with a lease that was granted to the agent before this one: it is renewed. To be called
    /// for all of them before the first frame is taken: what is unknown is given back.
    pub fn lease_hold(
        &mut self,
        now_us: u64,
        key: KeyId,
        number: u64,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let origin = host.origin();
        let brokers = self.links.len();
        self.leases.claims.entry(number).or_insert_with(|| {
            let grants = vec![None; brokers];
            Claim::new(
                key,
                number,
                origin,
                brokers,
                Phase::Holding { since: None, grants },
            )
        });
        let (leases, at) = self.leases_at(now_us);
        leases.advance(at, number, host, flow);
    }

    /// The worker to whom it was granted has stored the value. Those who wait are told, with the value if it was
    /// stored with a token taken after the grant.
    pub fn lease_done(
        &mut self,
        now_us: u64,
        key: KeyId,
        number: u64,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        self.lease_hold(now_us, key, number, host, flow);
        let (leases, at) = self.leases_at(now_us);
        let Some(claim) = leases.claims.get_mut(&number) else {
            return;
        };
        let Phase::Holding { since, grants } = &mut claim.phase else {
            return;
        };
        let (since, grants) = (*since, std::mem::take(grants));
        let value = since.and_then(|since| host.value(key, MAX_TOLD_BYTES, since));
        if let Some(since) = since {
            leases.computed.insert(key, (since, now_us + KEPT_US));
        }
        claim.begin_to_close(at, Some(Done { grants, value }));
        leases.advance(at, number, host, flow);
    }

    /// The worker to whom it was granted gave up, or died.
    pub fn lease_abandon(
        &mut self,
        now_us: u64,
        key: KeyId,
        number: u64,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        self.lease_hold(now_us, key, number, host, flow);
        let (leases, at) = self.leases_at(now_us);
        if let Some(claim) = leases.claims.get_mut(&number)
            && !matches!(claim.phase, Phase::Closing { .. })
        {
            claim.begin_to_close(at, None);
        }
        leases.advance(at, number, host, flow);
    }

    /// A worker does not wait any more.
    pub fn lease_leave(
        &mut self,
        now_us: u64,
        key: KeyId,
        number: u64,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        self.lease_abandon(now_us, key, number, host, flow);
    }

    /// The worker's wish is no more: its time is over, or it vanished. What brokers have of it is given back. Does
    /// nothing for one that is at its end or unknown.
    pub fn lease_forget(&mut self, now_us: u64, number: u64, host: &mut impl Host, flow: &mut Vec<Flow>) {
        let (leases, at) = self.leases_at(now_us);
        let Some(claim) = leases.claims.get_mut(&number) else {
            return;
        };
        if !matches!(claim.phase, Phase::Closing { .. }) {
            claim.begin_to_close(at, None);
            leases.advance(at, number, host, flow);
        }
    }

    /// The computations that are asked for or held; not those whose end brokers are still told.
    #[must_use]
    pub fn lease_count(&self) -> usize {
        let is_open = |claim: &&Claim| !matches!(claim.phase, Phase::Closing { .. });
        self.leases.claims.values().filter(is_open).count()
    }

    pub(super) fn on_lease_answer(
        &mut self,
        now_us: u64,
        broker: usize,
        answer: LeaseAnswer,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let (leases, at) = self.leases_at(now_us);
        leases.on_answer(at, broker, answer, host, flow);
        self.advance_seeks(now_us, host, flow);
    }

    /// Does what is due for all computations.
    pub(super) fn advance_leases(&mut self, now_us: u64, host: &mut impl Host, flow: &mut Vec<Flow>) {
        let (leases, at) = self.leases_at(now_us);
        leases.computed.retain(|_, &mut (_, until_us)| now_us < until_us);
        let numbers: Vec<u64> = leases.claims.keys().copied().collect();
        for number in numbers {
            leases.advance(at, number, host, flow);
        }
        self.advance_seeks(now_us, host, flow);
    }

    pub(super) fn leases_due_us(&self, now_us: u64) -> u64 {
        self.leases.next_due_us(Brokers {
            now_us,
            links: &self.links,
            settings: &self.settings,
        })
    }

    pub(super) const fn leases_at(&mut self, now_us: u64) -> (&mut Leases, Brokers<'_>) {
        let at = Brokers {
            now_us,
            links: self.links.as_slice(),
            settings: &self.settings,
        };
        (&mut self.leases, at)
    }
}
