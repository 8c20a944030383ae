//! The broker: takes records in order, logs and relays them, answers for trust, grants leases.

mod finished;
mod greeting;
mod known;
mod leases;
mod lending;
mod log;
mod members;
mod records;
mod trust;

use std::collections::VecDeque;

use leases::Leases;
use log::Log;
use members::Members;

use crate::core::mutant::Mutant;
use crate::wire::{BrokerStatus, Entry, Epoch, Origin, Refusal, Seek, Stream, ToAgent, ToBroker, Topic};

/// Whoever sent a frame, as the transport tells senders apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Peer(pub u64);

/// How a broker works.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// How many brokers the cluster has, this one included.
    pub brokers: u8,
    /// Bytes of memory for the replay log.
    pub log_bytes: u64,
    /// Who is silent for so long is forgotten. Agents hold it to be at least [`Self::GONE_AFTER_US`].
    pub gone_after_us: u64,
    /// How long a lease lasts that is not renewed.
    pub lease_term_us: u64,
    /// Most hosts.
    pub max_members: usize,
}

impl BrokerSettings {
    /// After this much silence a host is forgotten.
    pub const GONE_AFTER_US: u64 = 2_000_000;
    /// The term of a lease.
    pub const LEASE_TERM_US: u64 = 500_000;
}

impl Default for BrokerSettings {
    fn default() -> Self {
        Self {
            brokers: 1,
            log_bytes: 64 << 20,
            gone_after_us: Self::GONE_AFTER_US,
            lease_term_us: Self::LEASE_TERM_US,
            max_members: 10_000,
        }
    }
}

/// What a broker wants to be done.
#[derive(Clone, PartialEq, Debug)]
pub enum BrokerAction {
    /// To one agent.
    Send { to: Peer, frame: ToAgent },
    /// To all that asked for the topic.
    Publish { topic: Topic, frame: Stream },
    /// For the log of the process.
    Say(BrokerNews),
}

/// What people may want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BrokerNews {
    Joined {
        origin: Origin,
        host: String,
    },
    /// It left in order, or was silent for too long.
    Gone {
        origin: Origin,
        host: String,
        in_order: bool,
    },
    Refused {
        host: String,
        reason: Refusal,
    },
    Lost {
        origin: Origin,
        tickets: u64,
    },
}

/// The state of a broker.
#[derive(Debug)]
pub struct BrokerCore {
    settings: BrokerSettings,
    epoch: Epoch,
    started_at_us: u64,
    seed_check: Option<u64>,
    log: Log,
    members: Members,
    leases: Leases,
    /// What is settled, and when that was computed: a look at all members, not made for each question.
    settled: u64,
    settled_at_us: u64,
    /// Which position the log had when, as far back as hosts may trust.
    positions: VecDeque<(u64, u64)>,
    ticked_at_us: u64,
    /// When it looked for silent hosts.
    looked_at_us: u64,
    /// Whether all were told of the present list of members, and when they were told last.
    is_told: bool,
    told_at_us: u64,
    told_version: u64,
    /// When it went on after a stop: nobody is forgotten whose words may still be in a queue.
    resumed_at_us: u64,
}

/// How often silent hosts are looked for in the time after which they are gone.
const LOOKS_WHILE_SILENT: u64 = 20;
/// Hosts sample their clock before they ask, and brokers after: what a comparison of ages allows for.
const AGE_MARGIN_US: u64 = 20_000;

impl BrokerCore {
    /// A broker with an empty log. `epoch` is random and not 0.
    #[must_use]
    pub fn new(settings: BrokerSettings, epoch: Epoch, now_us: u64) -> Self {
        Self {
            log: Log::new(settings.log_bytes),
            leases: Leases::new(
                settings.lease_term_us,
                if Mutant::FreshBrokerGrants.is_on() {
                    now_us
                } else {
                    now_us + settings.lease_term_us
                },
            ),
            settings,
            epoch,
            started_at_us: now_us,
            seed_check: None,
            members: Members::default(),
            settled: 0,
            settled_at_us: 0,
            positions: VecDeque::new(),
            ticked_at_us: now_us,
            looked_at_us: now_us,
            is_told: true,
            told_at_us: 0,
            told_version: 0,
            resumed_at_us: now_us,
        }
    }

    /// This broker's life.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A frame came from `peer`.
    pub fn on_frame(&mut self, now_us: u64, peer: Peer, frame: ToBroker, actions: &mut Vec<BrokerAction>) {
        match frame {
            ToBroker::Hello(hello) => return self.on_hello(now_us, peer, &hello, actions),
            ToBroker::Status => {
                let frame = ToAgent::Status(self.status(now_us));
                return actions.push(BrokerAction::Send { to: peer, frame });
            }
            _ => {}
        }
        let Some(origin) = self.members.origin_of(peer) else {
            let frame = ToAgent::WhoAreYou { epoch: self.epoch };
            return actions.push(BrokerAction::Send { to: peer, frame });
        };
        if let Some(member) = self.members.get_mut(origin) {
            member.heard_at_us = now_us;
        }
        if Self::epoch_of(&frame).is_some_and(|epoch| epoch != self.epoch) {
            let frame = ToAgent::WhoAreYou { epoch: self.epoch };
            return actions.push(BrokerAction::Send { to: peer, frame });
        }
        match frame {
            ToBroker::Publish { first, items, .. } => {
                self.on_publish(now_us, peer, origin, first, &items, actions);
            }
            ToBroker::Ask(ask) => self.on_ask(now_us, peer, origin, &ask, actions),
            ToBroker::Join { age_us, .. } => {
                let frame = ToAgent::Start(self.start(now_us, age_us));
                actions.push(BrokerAction::Send { to: peer, frame });
            }
            ToBroker::Replay { topics, after, .. } => self.on_replay(peer, topics, after, actions),
            ToBroker::Members { .. } => {
                let frame = ToAgent::Members {
                    epoch: self.epoch,
                    version: self.members.version(),
                    members: self.members.origins(),
                };
                actions.push(BrokerAction::Send { to: peer, frame });
            }
            ToBroker::Lease(request) => self.on_lease(now_us, origin, request, actions),
            ToBroker::Pong { to, ticket, .. } => self.relay(origin, to, actions, |host| ToAgent::Pong {
                from: origin,
                host,
                ticket,
            }),
            ToBroker::Inspect { number, key, .. } => actions.push(BrokerAction::Publish {
                topic: Topic::CONTROL,
                frame: Stream::Inspect {
                    epoch: self.epoch,
                    from: origin,
                    number,
                    key,
                },
            }),
            ToBroker::Inspected {
                to, number, age_ms, ..
            } => self.relay(origin, to, actions, |host| ToAgent::Inspected {
                from: origin,
                host,
                number,
                age_ms,
            }),
            ToBroker::Seek { of, seek, .. } => self.pass_on_seek(origin, of, seek, actions),
            ToBroker::Sought {
                to,
                number,
                asked_at_us,
                found,
                ..
            } => self.relay(origin, to, actions, |_| ToAgent::Sought {
                epoch: self.epoch,
                from: origin,
                number,
                asked_at_us,
                found,
            }),
            ToBroker::Goodbye { .. } => self.on_goodbye(now_us, origin, actions),
            ToBroker::Hello(_) | ToBroker::Status => {}
        }
    }

    /// Time has passed; at least each 20 ms.
    pub fn on_tick(&mut self, now_us: u64, actions: &mut Vec<BrokerAction>) {
        if now_us > self.ticked_at_us + self.settings.gone_after_us / 4 {
            self.resumed_at_us = now_us;
            self.leases.resume(now_us);
        }
        self.ticked_at_us = now_us;
        self.forget_silent(now_us, actions);
        self.tell_members_changed(now_us, actions);
        self.accept_late(now_us, actions);
        for notice in self.leases.expire(now_us) {
            self.tell(notice, actions);
        }
    }

    fn forget_silent(&mut self, now_us: u64, actions: &mut Vec<BrokerAction>) {
        let since_us = now_us.saturating_sub(self.settings.gone_after_us);
        let look_us = self.settings.gone_after_us / LOOKS_WHILE_SILENT;
        if since_us <= self.resumed_at_us || now_us < self.looked_at_us + look_us {
            return;
        }
        self.looked_at_us = now_us;
        for (origin, host) in self.members.forget_silent(since_us) {
            self.is_told = false;
            actions.push(BrokerAction::Say(BrokerNews::Gone {
                origin,
                host,
                in_order: false,
            }));
        }
    }

    /// What it would tell people.
    #[must_use]
    pub fn status(&self, now_us: u64) -> BrokerStatus {
        BrokerStatus {
            epoch: self.epoch,
            uptime_us: now_us - self.started_at_us,
            brokers: self.settings.brokers,
            position: self.log.position(),
            oldest: self.log.oldest(),
            log_bytes: self.log.bytes(),
            log_limit_bytes: self.settings.log_bytes,
            leases: u32::try_from(self.leases.len()).unwrap_or(u32::MAX),
            hosts: u32::try_from(self.members.len()).unwrap_or(u32::MAX),
            members: self.members.statuses(now_us),
        }
    }

    /// The epoch that a frame was meant for, if it names one.
    const fn epoch_of(frame: &ToBroker) -> Option<Epoch> {
        match frame {
            ToBroker::Publish { epoch, .. }
            | ToBroker::Join { epoch, .. }
            | ToBroker::Replay { epoch, .. }
            | ToBroker::Members { epoch }
            | ToBroker::Pong { epoch, .. }
            | ToBroker::Inspect { epoch, .. }
            | ToBroker::Inspected { epoch, .. }
            | ToBroker::Seek { epoch, .. }
            | ToBroker::Sought { epoch, .. }
            | ToBroker::Goodbye { epoch } => Some(*epoch),
            ToBroker::Ask(ask) => Some(ask.epoch),
            ToBroker::Lease(request) => Some(request.epoch),
            ToBroker::Hello(_) | ToBroker::Status => None,
        }
    }

    fn on_replay(&self, peer: Peer, topics: u64, after: u64, actions: &mut Vec<BrokerAction>) {
        let frame = match self.log.part(topics, after) {
            Some(part) => ToAgent::Replayed {
                epoch: self.epoch,
                topics,
                after,
                through: part.through,
                head: self.log.position(),
                entries: part.entries,
            },
            None => ToAgent::Trimmed { epoch: self.epoch },
        };
        actions.push(BrokerAction::Send { to: peer, frame });
    }

    /// One host's answer to another's question, with the name of who answers.
    fn relay(
        &self,
        from: Origin,
        to: Origin,
        actions: &mut Vec<BrokerAction>,
        answer: impl FnOnce(String) -> ToAgent,
    ) {
        if let (Some(asker), Some(answerer)) = (self.members.get(to), self.members.get(from)) {
            actions.push(BrokerAction::Send {
                to: asker.peer,
                frame: answer(answerer.host.clone()),
            });
        }
    }

    /// Asks everybody for a value, or one host that has it.
    fn pass_on_seek(&self, from: Origin, of: Option<Origin>, seek: Seek, actions: &mut Vec<BrokerAction>) {
        let epoch = self.epoch;
        match of {
            None => actions.push(BrokerAction::Publish {
                topic: Topic::CONTROL,
                frame: Stream::Seek { epoch, from, seek },
            }),
            Some(of) => self.relay(from, of, actions, |_| ToAgent::Seek { epoch, from, seek }),
        }
    }

    /// Entries go out by topic, those of a topic in one frame.
    fn publish(&self, mut entries: Vec<Entry>, actions: &mut Vec<BrokerAction>) {
        // Stable: those of a topic stay in order.
        entries.sort_by_key(|entry| entry.topic);
        for of_topic in entries.chunk_by(|one, other| one.topic == other.topic) {
            let entries = of_topic.to_vec();
            let topic = of_topic[0].topic;
            let frame = Stream::Entries {
                epoch: self.epoch,
                entries,
            };
            actions.push(BrokerAction::Publish { topic, frame });
        }
    }
}
