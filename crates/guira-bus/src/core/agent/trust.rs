//! Trust: brokers are asked for their heads, and what was applied of them extends it.

use super::link::{self, LinkState};
use super::{AgentCore, Flow, majority_of};
use crate::core::mutant::Mutant;
use crate::core::{Host, Mark};
use crate::wire::{Answer, Ask, ToBroker};

/// What was applied is reported so soon, together with what is applied until then.
const REPORT_WITHIN_US: u64 = 4_000;
/// However many workers want to know at once, brokers are asked no more often than this.
const ASK_GAP_US: u64 = 300;

impl AgentCore {
    /// Asks for heads, if it is time to.
    pub(super) fn ask(&mut self, now_us: u64, broker: usize, host: &impl Host, flow: &mut Vec<Flow>) {
        let usual_us = self.settings.ask_every_us();
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        let every_us = link.ask_every_us(usual_us);
        let is_due = link.asked_at_us.is_none_or(|at_us| now_us >= at_us + every_us)
            || link.report_due_us.is_some_and(|at_us| now_us >= at_us);
        if !is_due {
            return;
        }
        link.asked_at_us = Some(now_us);
        link.report_due_us = None;
        self.leases
            .note_question(broker, link.epoch, now_us, host.clock());
        let frame = ToBroker::Ask(Ask {
            epoch: link.epoch,
            asked_at_us: now_us,
            topics: link.topics,
            applied: link.applied,
            members_version: link.members_version,
        });
        flow.push(Flow::Send { broker, frame });
    }

    /// Asks all brokers for their heads at the next tick, without waiting until it is time to: a worker wants to know
    /// of what was accepted until now.
    pub fn ask_soon(&mut self, now_us: u64) {
        for link in &mut self.links {
            let gap_us = link.asked_at_us.map_or(0, |at_us| at_us + ASK_GAP_US);
            let due_us = now_us.max(gap_us);
            link.report_due_us = Some(link.report_due_us.map_or(due_us, |at_us| at_us.min(due_us)));
        }
    }

    /// Lets a broker know soon what changed.
    pub(super) fn report_soon(&mut self, now_us: u64, broker: usize) {
        if let Some(link) = self.links.get_mut(broker) {
            let due_us = now_us + REPORT_WITHIN_US + link.spread_us();
            link.report_due_us = Some(link.report_due_us.map_or(due_us, |at_us| at_us.min(due_us)));
        }
    }

    pub(super) fn on_answer(
        &mut self,
        now_us: u64,
        broker: usize,
        answer: Answer,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let Answer {
            asked_at_us,
            topics,
            position,
            heads,
            settled,
            members_version,
            next,
            is_accepted,
            is_ripe,
            since_version,
            grants,
            epoch,
        } = answer;
        self.leases.note_answer(broker, epoch, asked_at_us, grants);
        self.on_ack(now_us, broker, next, None, false, host);
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        link.note_logged(next, position, &self.said);
        link.is_list_ripe |= is_ripe && link.members.is_some() && link.members_epoch == epoch;
        if is_accepted {
            link.known_at_us = link.known_at_us.max(Some(asked_at_us));
            link.accepted = link.accepted.max(next);
            host.logged(broker, epoch, next, position);
            // The acknowledgement that says so may be lost, and nothing more may come.
            if link.to_settle.back().map_or(link.settled, |&(ticket, _)| ticket) < next {
                link.to_settle.push_back((next, position));
            }
        }
        while let Some(&(ticket, at)) = link.to_settle.front().filter(|(_, at)| *at <= settled) {
            let _ = at;
            link.settled = link.settled.max(ticket);
            link.to_settle.pop_front();
        }
        link.newest_version = link.newest_version.max(members_version).max(since_version);
        if link.state == LinkState::Following
            && link.knows_members(since_version)
            && topics != 0
            && asked_at_us <= now_us
            && heads.len() == topics.count_ones() as usize
        {
            let asked_at_us = if Mutant::TrustOnArrival.is_on() {
                now_us
            } else {
                asked_at_us
            };
            link.push_pending(link::Pending {
                asked_at_us,
                topics,
                heads,
                position,
            });
        }
        self.ask_for_members(now_us, broker, host, flow);
        self.count_accepted(now_us, host);
        self.count_settled(host);
        self.confirm(now_us, broker, host);
        self.ask_for_missing(now_us, broker, false, flow);
    }

    /// Extends trust by what became applied.
    pub(super) fn confirm(&mut self, now_us: u64, broker: usize, host: &mut impl Host) {
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        let applied = link.applied;
        if !link.confirm() {
            return;
        }
        let is_further = link.applied > applied;
        if let Some(confirmed_us) = link.confirmed_us {
            host.note(
                broker,
                Mark {
                    epoch: link.epoch,
                    topics: link.topics,
                    applied: link.applied,
                    confirmed_us,
                },
            );
        }
        if is_further {
            self.report_soon(now_us, broker);
        }
        let mut confirmed: Vec<Option<u64>> = self.links.iter().map(|link| link.confirmed_us).collect();
        let needed = if Mutant::SingleBrokerTrusts.is_on() {
            1
        } else {
            self.settings.majority()
        };
        let Some(trust_us) = majority_of(&mut confirmed, needed) else {
            return;
        };
        if self.trust_us.is_some_and(|at_us| at_us >= trust_us) {
            return;
        }
        self.trust_us = Some(trust_us);
        let topics = self
            .links
            .iter()
            .filter(|link| link.confirmed_us.is_some_and(|at_us| at_us >= trust_us))
            .fold(u64::MAX, |topics, link| topics & link.confirmed_topics);
        host.trust(trust_us + self.settings.bound_us, topics);
    }
}
