//! Who comes and who goes: greetings are taken or refused, and all are told when the list of members changed.

use super::{BrokerAction, BrokerCore, BrokerNews, Peer};
use crate::core::agent::AgentSettings;
use crate::wire::{Hello, MAX_HOST_BYTES, Origin, Refusal, Stream, ToAgent, Topic};

/// Each announcement of a new list costs a list for each of its members, in bytes a second so much at most; a few
/// hosts hear of it at once.
const LIST_BYTES_PER_SECOND: u64 = 200_000_000;
/// How long a greeting may have been on its way.
const GREETING_US: u64 = 300_000;
const MEMBER_BYTES: u64 = size_of::<Origin>() as u64;

impl BrokerCore {
    pub(super) fn on_hello(
        &mut self,
        now_us: u64,
        peer: Peer,
        hello: &Hello,
        actions: &mut Vec<BrokerAction>,
    ) {
        if let Some(reason) = self.refusal(now_us, peer, hello) {
            actions.push(BrokerAction::Say(BrokerNews::Refused {
                host: hello.host.chars().take(MAX_HOST_BYTES).collect(),
                reason: reason.clone(),
            }));
            let frame = ToAgent::Refused {
                epoch: self.epoch,
                reason,
            };
            return actions.push(BrokerAction::Send { to: peer, frame });
        }
        self.seed_check.get_or_insert(hello.seed_check);
        let expected_until_us = now_us + self.settings.gone_after_us;
        let within_us = AgentSettings::continues_within_us(self.settings.gone_after_us);
        let was_known = hello
            .known_ago_us
            .is_some_and(|ago_us| ago_us.saturating_add(GREETING_US) < within_us);
        if self
            .members
            .meet(now_us, peer, hello, expected_until_us, was_known)
        {
            actions.push(BrokerAction::Say(BrokerNews::Joined {
                origin: hello.origin,
                host: hello.host.clone(),
            }));
            self.is_told = false;
        }
        let next = self.members.get(hello.origin).map_or(0, |member| member.next);
        let frame = ToAgent::Welcome {
            epoch: self.epoch,
            next,
        };
        actions.push(BrokerAction::Send { to: peer, frame });
    }

    fn refusal(&self, now_us: u64, peer: Peer, hello: &Hello) -> Option<Refusal> {
        if self.seed_check.is_some_and(|check| check != hello.seed_check) {
            return Some(Refusal::OtherSeed);
        }
        if hello.brokers != self.settings.brokers {
            return Some(Refusal::OtherBrokers {
                broker_names: self.settings.brokers,
                agent_names: hello.brokers,
            });
        }
        // The same connection may bring an older greeting once more.
        let is_repeated = self
            .members
            .get(hello.origin)
            .is_some_and(|member| member.peer == peer);
        let known = self
            .members
            .known_next(hello.origin)
            .filter(|&known| known > hello.head);
        if let Some(known) = known.filter(|_| !is_repeated) {
            return Some(Refusal::OldCopy {
                known,
                named: hello.head,
            });
        }
        match self.members.get(hello.origin) {
            Some(member)
                if member.machine != hello.machine
                    && now_us < member.heard_at_us + self.settings.gone_after_us =>
            {
                Some(Refusal::SecondCopy)
            }
            None if self.members.len() >= self.settings.max_members => Some(Refusal::Full {
                hosts: u32::try_from(self.settings.max_members).unwrap_or(u32::MAX),
            }),
            _ => None,
        }
    }

    pub(super) fn on_goodbye(&mut self, _now_us: u64, origin: Origin, actions: &mut Vec<BrokerAction>) {
        let host = self.members.forget(origin).unwrap_or_default();
        actions.push(BrokerAction::Say(BrokerNews::Gone {
            origin,
            host,
            in_order: true,
        }));
        self.is_told = false;
    }

    /// Tells all that the list of members changed, but not for each of a crowd that comes at once.
    pub(super) fn tell_members_changed(&mut self, now_us: u64, actions: &mut Vec<BrokerAction>) {
        let bytes = (self.members.len() as u64).pow(2) * MEMBER_BYTES;
        let every_us = bytes * 1_000_000 / LIST_BYTES_PER_SECOND;
        if self.is_told || now_us < self.told_at_us + every_us {
            return;
        }
        self.is_told = true;
        self.told_at_us = now_us;
        self.told_version = self.members.version();
        actions.push(BrokerAction::Publish {
            topic: Topic::CONTROL,
            frame: Stream::MembersChanged {
                epoch: self.epoch,
                version: self.members.version(),
            },
        });
    }
}
