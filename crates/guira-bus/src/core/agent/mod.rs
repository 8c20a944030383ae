//! The agent: publishes its host's records to every broker, follows what they relay, and extends trust.

mod fetching;
mod follow;
mod join;
mod leases;
mod link;
mod patience;
mod publish;
mod recent;
mod settings;
mod trust;

use std::collections::VecDeque;

use leases::Leases;
use link::Link;
use recent::Recent;

use super::Host;
use crate::wire::{Hello, KeyId, MAX_HOST_BYTES, MAX_MEMBERS, Origin, Stream, TOPICS, ToAgent, ToBroker};

pub use leases::{LeaseOutcome, LeaseWish};
pub use link::LinkState;
pub use settings::{AgentEvent, AgentSettings, Entry as EntryInto};

/// What an agent wants to be done.
#[derive(Clone, PartialEq, Debug)]
pub enum Flow {
    /// To a broker, by its place in the list.
    Send { broker: usize, frame: ToBroker },
    /// The stream of these topics, of that broker.
    Subscribe { broker: usize, topics: u64 },
    /// What came of a worker's [`AgentCore::lease_want`].
    Lease {
        key: KeyId,
        number: u64,
        outcome: LeaseOutcome,
    },
    /// For people, metrics and the application.
    Event(AgentEvent),
}

/// Where an agent stands with a broker, for reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkStatus {
    pub state: LinkState,
    /// Since the broker was last heard.
    pub silent_us: Option<u64>,
    /// Since the time up to which everything it had logged was applied.
    pub confirmed_ago_us: Option<u64>,
    /// The next ticket it expects.
    pub received: u64,
    /// How far its stream was applied.
    pub applied: u64,
    /// Hosts on its list.
    pub members: usize,
}

/// The state of an agent.
#[derive(Debug)]
pub struct AgentCore {
    settings: AgentSettings,
    links: Vec<Link>,
    /// Own records below were completed.
    finished: u64,
    accepted: u64,
    settled: u64,
    /// Before which ticket the last own record of each topic is, of those that were sent.
    said: [u64; TOPICS],
    /// When which ticket was accepted, as far back as an origin must be able to publish again.
    history: VecDeque<(u64, u64)>,
    /// Whatever a majority had logged before this time was applied.
    trust_us: Option<u64>,
    recent: Recent,
    subscribed: u64,
    leases: Leases,
}

/// How often a greeting is repeated.
const HELLO_EVERY_US: u64 = 50_000;
/// How often one is repeated that was refused.
const REFUSED_EVERY_US: u64 = 1_000_000;

impl AgentCore {
    /// An agent that takes up where the last one of this host left.
    pub fn new(mut settings: AgentSettings, now_us: u64, host: &mut impl Host) -> Self {
        settings.bound_us = settings.bound_us.min(AgentSettings::LONGEST_BOUND_US);
        let accepted = host.accepted_before();
        let mut links: Vec<Link> = (0..settings.brokers).map(|_| Link::new()).collect();
        let mut confirmed: Vec<Option<u64>> = Vec::new();
        for (broker, link) in links.iter_mut().enumerate() {
            if let Some(mark) = host.mark(broker) {
                link.epoch = mark.epoch;
                link.begin(mark.topics, mark.applied);
                link.applied = mark.applied;
                link.confirmed_us = Some(mark.confirmed_us);
                link.confirmed_topics = mark.topics;
            }
            confirmed.push(link.confirmed_us);
        }
        let trust_us = majority_of(&mut confirmed, settings.majority());
        let mut leases = Leases::new(links.len());
        if links.iter().any(|link| link.confirmed_us.is_some()) {
            leases.seeks.outlive(now_us);
        }
        Self {
            leases,
            links,
            finished: accepted.max(host.oldest()),
            accepted,
            settled: host.settled_before(),
            said: [0; TOPICS],
            history: VecDeque::from([(now_us, accepted)]),
            trust_us,
            recent: Recent::default(),
            subscribed: 0,
            settings,
        }
    }

    /// How it works.
    #[must_use]
    pub const fn settings(&self) -> &AgentSettings {
        &self.settings
    }

    /// Where it stands with each broker.
    #[must_use]
    pub fn links(&self, now_us: u64) -> Vec<LinkStatus> {
        let ago = |at_us: u64| now_us.saturating_sub(at_us);
        self.links
            .iter()
            .map(|link| LinkStatus {
                state: link.state,
                silent_us: link.heard_at_us.map(ago),
                confirmed_ago_us: link.confirmed_us.map(ago),
                received: link.received,
                applied: link.applied,
                members: link.members.as_ref().map_or(0, std::collections::BTreeSet::len),
            })
            .collect()
    }

    /// A frame came from a broker.
    pub fn on_frame(
        &mut self,
        now_us: u64,
        broker: usize,
        frame: ToAgent,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        link.heard_at_us = Some(now_us);
        match frame {
            ToAgent::Welcome { epoch, next } => self.on_welcome(now_us, broker, epoch, next, host, flow),
            ToAgent::Refused { reason, .. } => {
                link.state = LinkState::Silent;
                if !link.is_refused {
                    link.is_refused = true;
                    flow.push(Flow::Event(AgentEvent::Refused { broker, reason }));
                }
            }
            ToAgent::WhoAreYou { epoch }
                if (link.state != LinkState::Silent || link.hello_at_us.is_none()) =>
            {
                flow.push(Flow::Event(AgentEvent::Again {
                    broker,
                    is_new_life: epoch != link.epoch,
                }));
                link.state = LinkState::Silent;
                link.hello_at_us = None;
                self.greet(now_us, broker, host, flow);
            }
            ToAgent::Ack {
                epoch,
                next,
                position,
                is_accepted,
            } if epoch == link.epoch => {
                self.on_ack(now_us, broker, next, Some(position), is_accepted, host);
                self.pump(now_us, broker, host, flow);
            }
            ToAgent::Resend { epoch, next } if epoch == link.epoch => {
                self.on_resend(now_us, broker, next);
                self.pump(now_us, broker, host, flow);
            }
            ToAgent::Answer(answer) if answer.epoch == link.epoch => {
                self.on_answer(now_us, broker, answer, host, flow);
            }
            ToAgent::Members {
                epoch,
                version,
                members,
                ..
            } if epoch == link.epoch => self.on_members(now_us, broker, version, members, host, flow),
            ToAgent::Start(start) if start.epoch == link.epoch => {
                self.on_start(now_us, broker, &start, host, flow);
            }
            ToAgent::Replayed {
                epoch,
                topics,
                after,
                through,
                head,
                entries,
            } if epoch == link.epoch => {
                self.on_replayed(now_us, broker, topics, after, through, &entries, host, flow);
                self.ask_for_missing(now_us, broker, through < head, flow);
            }
            ToAgent::Trimmed { epoch } if epoch == link.epoch && link.state == LinkState::Following => {
                link.lose_stream();
            }
            ToAgent::Lease(answer) if answer.epoch == link.epoch => {
                self.on_lease_answer(now_us, broker, answer, host, flow);
            }
            ToAgent::Pong {
                from,
                host: name,
                ticket,
            } => flow.push(Flow::Event(AgentEvent::Pong {
                from,
                host: name,
                ticket,
            })),
            ToAgent::Inspected {
                from,
                host: name,
                number,
                age_ms,
            } => flow.push(Flow::Event(AgentEvent::Inspected {
                from,
                host: name,
                number,
                age_ms,
            })),
            ToAgent::Seek { epoch, from, seek } if epoch == link.epoch => {
                self.on_seek(now_us, broker, from, &seek, true, host, flow);
            }
            ToAgent::Sought {
                from,
                number,
                asked_at_us,
                found,
                ..
            } => self.on_sought(now_us, from, (number, asked_at_us), found, host, flow),
            // Of another life of the broker, or for somebody else.
            _ => {}
        }
    }

    /// Something came with a broker's stream.
    pub fn on_stream(
        &mut self,
        now_us: u64,
        broker: usize,
        frame: Stream,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        match frame {
            Stream::Entries { epoch, entries } if epoch == link.epoch => {
                link.heard_at_us = Some(now_us);
                self.on_entries(now_us, broker, &entries, host, flow);
            }
            Stream::MembersChanged { epoch, version } if epoch == link.epoch => {
                link.newest_version = link.newest_version.max(version);
                let members = link.member_count();
                // A list that was asked for a moment ago may be older.
                link.list_patience.begin(now_us, host.origin(), members);
                // Who waits for others to be complete hears of it so.
                link.join_patience.begin(now_us, host.origin(), members);
                self.ask_for_members(now_us, broker, host, flow);
            }
            Stream::Inspect {
                epoch,
                from,
                number,
                key,
            } if epoch == link.epoch && from != host.origin() => {
                let frame = ToBroker::Inspected {
                    epoch,
                    to: from,
                    number,
                    age_ms: host.age_ms(key),
                };
                flow.push(Flow::Send { broker, frame });
            }
            Stream::Seek { epoch, from, seek } if epoch == link.epoch && from != host.origin() => {
                self.on_seek(now_us, broker, from, &seek, false, host, flow);
            }
            _ => {}
        }
    }

    /// Asks every host, by one broker whose stream is followed, how old what it gives for `key` is. Each answers
    /// with [`AgentEvent::Inspected`], unless the question or the answer is lost. False if there is no such broker.
    pub fn inspect(&self, number: u64, key: KeyId, flow: &mut Vec<Flow>) -> bool {
        let is_followed = |link: &Link| link.state == LinkState::Following;
        let Some(broker) = self.links.iter().position(is_followed) else {
            return false;
        };
        if let Some(link) = self.links.get(broker) {
            let epoch = link.epoch;
            let frame = ToBroker::Inspect { epoch, number, key };
            flow.push(Flow::Send { broker, frame });
        }
        true
    }

    /// Time has passed, the journal has grown, or a namespace is new: whatever is due.
    pub fn on_tick(&mut self, now_us: u64, host: &mut impl Host, flow: &mut Vec<Flow>) {
        self.finish_own(host);
        self.keep_history(now_us);
        let topics = host.topics();
        if topics != self.subscribed {
            self.subscribed = topics;
            for broker in 0..self.links.len() {
                flow.push(Flow::Subscribe { broker, topics });
            }
        }
        for broker in 0..self.links.len() {
            match self.links.get(broker).map(|link| link.state) {
                None => {}
                Some(LinkState::Silent) => self.greet(now_us, broker, host, flow),
                Some(LinkState::Joining) => {
                    self.ask_to_join(now_us, broker, host, flow);
                    self.ask_for_members(now_us, broker, host, flow);
                    self.pump(now_us, broker, host, flow);
                    self.ask(now_us, broker, host, flow);
                }
                Some(LinkState::Following) => {
                    if self
                        .links
                        .get(broker)
                        .is_some_and(|link| topics & !link.topics != 0)
                    {
                        self.ask_to_join(now_us, broker, host, flow);
                    }
                    self.ask_for_members(now_us, broker, host, flow);
                    self.pump(now_us, broker, host, flow);
                    self.ask(now_us, broker, host, flow);
                    self.ask_for_missing(now_us, broker, false, flow);
                }
            }
        }
        self.advance_leases(now_us, host, flow);
    }

    /// When [`Self::on_tick`] has something to do that does not come from outside, at the latest.
    #[must_use]
    pub fn next_due_us(&self, now_us: u64) -> u64 {
        let soonest = self
            .links
            .iter()
            .map(|link| match link.state {
                LinkState::Silent => link.hello_at_us.map_or(now_us, |at_us| at_us + HELLO_EVERY_US),
                LinkState::Joining => now_us + 5_000,
                LinkState::Following => {
                    let ask_us = link.asked_at_us.map_or(now_us, |at_us| {
                        at_us + link.ask_every_us(self.settings.ask_every_us())
                    });
                    let report_us = link.report_due_us.unwrap_or(u64::MAX);
                    let missing_us = if link.pending.is_empty() && link.gap_since_us.is_none() {
                        u64::MAX
                    } else {
                        now_us + 2_000
                    };
                    let resend_us = if link.sent > link.received {
                        now_us + 10_000
                    } else {
                        u64::MAX
                    };
                    ask_us.min(report_us).min(missing_us).min(resend_us)
                }
            })
            .min();
        soonest
            .unwrap_or(now_us + 100_000)
            .min(self.leases_due_us(now_us))
            .max(now_us)
    }

    /// Leaves in order: brokers forget this host at once, so it ends its own trust first, and whoever comes
    /// after begins afresh.
    pub fn leave(&mut self, host: &mut impl Host, flow: &mut Vec<Flow>) {
        host.end_trust();
        for (broker, link) in self.links.iter_mut().enumerate() {
            if link.state != LinkState::Silent {
                let frame = ToBroker::Goodbye { epoch: link.epoch };
                flow.push(Flow::Send { broker, frame });
                link.state = LinkState::Silent;
            }
        }
    }

    fn greet(&mut self, now_us: u64, broker: usize, host: &impl Host, flow: &mut Vec<Flow>) {
        let members = self.listed_by_majority(|link| link.members.as_ref());
        let (first, reach_us) = self.first_to_publish(now_us, host);
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        let every_us = if link.is_refused {
            REFUSED_EVERY_US
        } else {
            HELLO_EVERY_US
        };
        if link.hello_at_us.is_some_and(|at_us| now_us < at_us + every_us) {
            return;
        }
        link.hello_at_us = Some(now_us);
        let hello = Hello {
            origin: host.origin(),
            host: truncated(&self.settings.host),
            machine: self.settings.machine,
            seed_check: self.settings.seed_check,
            brokers: self.settings.brokers,
            bound_us: self.settings.bound_us,
            first,
            head: host.head(),
            reach_us,
            known_ago_us: link.known_at_us.map(|at_us| now_us.saturating_sub(at_us)),
            members: members.into_iter().flatten().take(MAX_MEMBERS).collect(),
        };
        let frame = ToBroker::Hello(hello);
        flow.push(Flow::Send { broker, frame });
    }

    fn ask_for_members(&mut self, now_us: u64, broker: usize, host: &impl Host, flow: &mut Vec<Flow>) {
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        let is_known = link.members.is_some() && link.members_version >= link.newest_version;
        if is_known || !link.takes_members() {
            return;
        }
        let members = link.member_count();
        if !link.list_patience.ask(now_us, host.origin(), members) {
            return;
        }
        let frame = ToBroker::Members { epoch: link.epoch };
        flow.push(Flow::Send { broker, frame });
    }

    fn on_members(
        &mut self,
        now_us: u64,
        broker: usize,
        version: u64,
        members: Vec<Origin>,
        host: &impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        if !link.takes_members() || (link.members.is_some() && version < link.members_version) {
            return;
        }
        link.members_version = version;
        link.members_epoch = link.epoch;
        link.newest_version = link.newest_version.max(version);
        link.list_patience.end();
        link.members = Some(members.into_iter().collect());
        // Others wait for this report: their first records count when everybody knows them.
        link.asked_at_us = None;
        self.ask(now_us, broker, host, flow);
    }
}

/// The `majority`-th largest of the values, if so many are known.
fn majority_of(values: &mut [Option<u64>], majority: usize) -> Option<u64> {
    values.sort_unstable_by(|left, right| right.cmp(left));
    values.get(majority.checked_sub(1)?).copied().flatten()
}

fn truncated(name: &str) -> String {
    let mut end = name.len().min(MAX_HOST_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or("").to_string()
}
