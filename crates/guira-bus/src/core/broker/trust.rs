//! Answers for trust, where an agent may begin, and what was applied everywhere.

use super::{AGE_MARGIN_US, BrokerAction, BrokerCore, Peer};
use crate::core::agent::AgentSettings;
use crate::core::mutant::Mutant;
use crate::wire::{Answer, Ask, Origin, Start, ToAgent};

/// How old what is known of settled positions may be, and for each member more: a look at all of them.
const SETTLED_LOOK_US: u64 = 2_000;
const US_PER_MEMBER: u64 = 2;

impl BrokerCore {
    pub(super) fn on_ask(
        &mut self,
        now_us: u64,
        peer: Peer,
        origin: Origin,
        ask: &Ask,
        actions: &mut Vec<BrokerAction>,
    ) {
        self.members.report(origin, ask.members_version);
        self.look_at_settled(now_us);
        let is_ripe = self.is_ripe(now_us);
        let is_accepted = self.members.is_known(now_us, origin, is_ripe);
        let Some(member) = self.members.get_mut(origin) else {
            return;
        };
        member.applied = member.applied.max(ask.applied.min(self.log.position()));
        member.answered_at_us = Some(now_us);
        let since_version = member.since_version;
        let answer = Answer {
            epoch: self.epoch,
            asked_at_us: ask.asked_at_us,
            topics: ask.topics,
            position: self.log.position(),
            heads: self.log.heads(ask.topics),
            settled: self.settled,
            members_version: self.told_version,
            next: self.members.get(origin).map_or(0, |member| member.next),
            is_accepted,
            is_ripe,
            since_version,
            grants: self.leases.grants(),
        };
        actions.push(BrokerAction::Send {
            to: peer,
            frame: ToAgent::Answer(answer),
        });
    }

    /// Whether whoever trusts by what the last life said has come back to this one, or is forgotten.
    pub(super) const fn is_ripe(&self, now_us: u64) -> bool {
        let within_us = AgentSettings::continues_within_us(self.settings.gone_after_us);
        now_us >= self.started_at_us + within_us + AGE_MARGIN_US
    }

    pub(super) fn start(&self, now_us: u64, age_us: u64) -> Start {
        let begin_us = now_us.saturating_sub(age_us.saturating_add(AGE_MARGIN_US));
        let kept_us = self.log.trimmed_at_us().map_or(u64::MAX, |trimmed_at_us| {
            now_us.saturating_sub(trimmed_at_us).saturating_sub(AGE_MARGIN_US)
        });
        let reach_us = self.members.reach_us(now_us).saturating_sub(AGE_MARGIN_US);
        Start {
            epoch: self.epoch,
            age_us,
            position: self.log.before(begin_us),
            head: self.log.position(),
            reach_us,
            kept_us,
            gone_after_us: self.settings.gone_after_us,
            members_version: self.members.version(),
            members: self.members.origins(),
            incomplete: self.members.incomplete(),
        }
    }

    /// Recomputes what is settled, if that was not done a moment ago.
    fn look_at_settled(&mut self, now_us: u64) {
        let look_us = SETTLED_LOOK_US + US_PER_MEMBER * self.members.len() as u64;
        if now_us < self.settled_at_us + look_us {
            return;
        }
        self.settled_at_us = now_us;
        let bound_us = self.members.longest_bound_us();
        // By the longest bound there may be: who has not come back yet may trust what the last broker confirmed.
        let begin_us = self.started_at_us + AgentSettings::LONGEST_BOUND_US + AGE_MARGIN_US;
        if now_us < begin_us && !Mutant::FreshBrokerSettles.is_on() {
            return;
        }
        let trusted_since_us = now_us.saturating_sub(bound_us + AGE_MARGIN_US);
        let applied = self
            .members
            .iter()
            .filter(|(_, member)| {
                member
                    .answered_at_us
                    .is_some_and(|at_us| at_us >= trusted_since_us)
            })
            .map(|(_, member)| member.applied)
            .min()
            .unwrap_or(self.log.position());
        // Not from the log: what it trimmed may be newer than that.
        while let Some(&(_, position)) = self
            .positions
            .front()
            .filter(|(at_us, _)| *at_us <= trusted_since_us)
        {
            self.settled = self.settled.max(position);
            self.positions.pop_front();
        }
        self.positions.push_back((now_us, self.log.position()));
        self.settled = self.settled.max(applied);
        if Mutant::SettledUnapplied.is_on() {
            self.settled = self.log.position();
        }
    }
}
