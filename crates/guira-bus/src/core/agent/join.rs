//! Entering a broker's stream: where it was left, from before the broker last confirmed, or at the head with nothing kept.
//!
//! The rule is in the documentation of [`core`](crate::core). What an agent knows of members is, for each
//! broker, the list of that broker's last life until the new stream is entered.

use std::collections::BTreeSet;

use super::link::{Link, LinkState};
use super::settings::Entry;
use super::{AgentCore, AgentEvent, AgentSettings, Flow};
use crate::core::Host;
use crate::core::mutant::Mutant;
use crate::wire::{Epoch, Origin, Start, ToBroker};

/// How much older than it is the last confirmation is said to be: the question takes a while to come.
const AGE_SLACK_US: u64 = 300_000;

impl AgentCore {
    pub(super) fn on_welcome(
        &mut self,
        now_us: u64,
        broker: usize,
        epoch: Epoch,
        next: u64,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        if link.state != LinkState::Silent && link.epoch == epoch {
            return;
        }
        link.is_refused = false;
        flow.push(Flow::Event(AgentEvent::Welcomed { broker }));
        flow.push(Flow::Subscribe {
            broker,
            topics: self.subscribed,
        });
        link.received = next;
        link.sent = next;
        link.progress_at_us = now_us;
        link.asked_at_us = None;
        if link.epoch == epoch && link.topics != 0 {
            link.state = LinkState::Following;
            flow.push(Flow::Event(AgentEvent::Following {
                broker,
                why: Entry::Resumed,
            }));
        } else {
            if link.epoch != epoch {
                link.to_settle.clear();
                link.members_version = 0;
                link.newest_version = 0;
                if link.epoch != Epoch(0) {
                    self.leases.seeks.outlive(now_us);
                }
                link.begin_life(epoch, next);
            }
            link.lose_stream();
            self.ask_to_join(now_us, broker, host, flow);
        }
        self.pump(now_us, broker, host, flow);
        self.ask(now_us, broker, host, flow);
    }

    pub(super) fn ask_to_join(&mut self, now_us: u64, broker: usize, host: &impl Host, flow: &mut Vec<Flow>) {
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        // By this broker's own confirmation: a majority's says nothing of what this one alone had logged by then.
        let age_us = link.age_us(now_us).saturating_add(AGE_SLACK_US);
        let members = link.member_count();
        if !link.join_patience.ask(now_us, host.origin(), members) {
            return;
        }
        let frame = ToBroker::Join {
            epoch: link.epoch,
            age_us,
        };
        flow.push(Flow::Send { broker, frame });
    }

    pub(super) fn on_start(
        &mut self,
        now_us: u64,
        broker: usize,
        start: &Start,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let topics = host.topics();
        let Some(link) = self.links.get(broker) else {
            return;
        };
        let state = link.state;
        let added = topics & !link.topics;
        match state {
            LinkState::Following if added != 0 => {
                // Namespaces that were not followed: what they hold may be of any age.
                if !Mutant::NewTopicTrusted.is_on() {
                    host.raise_floor(added);
                }
                flow.push(Flow::Event(AgentEvent::FloorRaised {
                    broker,
                    topics: added,
                }));
                if let Some(link) = self.links.get_mut(broker) {
                    link.begin(added, start.head);
                    link.join_patience.end();
                    link.asked_at_us = None;
                }
            }
            LinkState::Joining => {
                let trust_age_us = self.trust_us.map(|at_us| now_us.saturating_sub(at_us));
                let Some(from) =
                    self.entry_into(now_us, trust_age_us, link.age_us(now_us), host.origin(), start)
                else {
                    return;
                };
                let position = match from {
                    Entry::Continued if Mutant::FreshBrokerTrusted.is_on() => start.head,
                    Entry::Continued => start.position,
                    Entry::Resumed | Entry::Fresh => {
                        if !Mutant::FloorKept.is_on() {
                            host.raise_floor(u64::MAX);
                        }
                        flow.push(Flow::Event(AgentEvent::FloorRaised {
                            broker,
                            topics: u64::MAX,
                        }));
                        start.head
                    }
                };
                self.leases.seeks.enter(now_us);
                if let Some(link) = self.links.get_mut(broker) {
                    link.begin(topics, position);
                    link.applied = position;
                    link.state = LinkState::Following;
                    link.join_patience.end();
                    link.members = Some(start.members.iter().copied().collect());
                    // Who was on the list and counts is on the new one, too.
                    link.is_list_ripe &= from == Entry::Continued;
                    link.members_epoch = start.epoch;
                    link.members_version = start.members_version;
                    link.newest_version = link.newest_version.max(start.members_version);
                    link.asked_at_us = None;
                }
                flow.push(Flow::Event(AgentEvent::Following { broker, why: from }));
            }
            LinkState::Following | LinkState::Silent => return,
        }
        self.ask(now_us, broker, host, flow);
    }

    /// How the stream may be entered, if it may be now.
    fn entry_into(
        &self,
        now_us: u64,
        trust_age_us: Option<u64>,
        link_age_us: u64,
        own: Origin,
        start: &Start,
    ) -> Option<Entry> {
        let Some(age_us) = trust_age_us else {
            return Some(Entry::Fresh);
        };
        let gone_after_us = start.gone_after_us.min(self.settings.gone_after_us);
        let forgotten_us = AgentSettings::continues_within_us(gone_after_us);
        if age_us >= forgotten_us {
            return Some(Entry::Fresh);
        }
        let others_trust = self
            .links
            .iter()
            .filter(|link| link.state == LinkState::Following)
            .count()
            >= self.settings.majority();
        if Mutant::FreshBrokerTrusted.is_on() {
            return Some(Entry::Continued);
        }
        if start.kept_us != u64::MAX && link_age_us >= start.kept_us {
            // What this broker logged and this host has not applied is partly gone.
            return Some(Entry::Fresh);
        }
        if age_us >= start.reach_us {
            // Both grow alike unless the other brokers extend trust meanwhile.
            return (!others_trust).then_some(Entry::Fresh);
        }
        if link_age_us > start.age_us {
            return None;
        }
        let incomplete: BTreeSet<Origin> = start.incomplete.iter().copied().collect();
        let members: BTreeSet<Origin> = start.members.iter().copied().collect();
        if Mutant::MembersIgnored.is_on() {
            return Some(Entry::Continued);
        }
        let Some(known) = self.known_members(now_us, forgotten_us) else {
            return (!others_trust).then_some(Entry::Fresh);
        };
        known
            .iter()
            .all(|origin| *origin == own || members.contains(origin) && !incomplete.contains(origin))
            .then_some(Entry::Continued)
    }

    /// Every origin that may have had something accepted since the last trust: all but those that a majority
    /// of the brokers' lists leaves out, of lists that are ripe and of a broker that confirmed lately. `None` while such
    /// lists are missing.
    fn known_members(&self, now_us: u64, forgotten_us: u64) -> Option<BTreeSet<Origin>> {
        self.listed_by_majority(|link| {
            let is_ripe = link.is_list_ripe || Mutant::ShortListCounts.is_on();
            let counts = is_ripe && link.age_us(now_us) < forgotten_us;
            link.members.as_ref().filter(|_| counts)
        })
    }

    /// All but those that a majority of lists leaves out; `None` if there are not as many.
    pub(super) fn listed_by_majority<'a>(
        &'a self,
        list_of: impl Fn(&'a Link) -> Option<&'a BTreeSet<Origin>>,
    ) -> Option<BTreeSet<Origin>> {
        let lists: Vec<&BTreeSet<Origin>> = self.links.iter().filter_map(list_of).collect();
        let unknown = self.links.len() - lists.len();
        if unknown >= self.settings.majority() {
            return None;
        }
        let mut known = BTreeSet::new();
        for origin in lists.iter().copied().flatten() {
            let without = lists.iter().filter(|list| !list.contains(origin)).count();
            if without < self.settings.majority() {
                known.insert(*origin);
            }
        }
        Some(known)
    }
}
