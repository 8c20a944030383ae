//! A host without a cache: joins, publishes, follows the stream and heals its gaps.

use std::time::{Duration, Instant};

use guira_bus::transport::{AgentEvent, AgentOptions, AgentSockets, Channel, Sent};
use guira_bus::wire::{
    Ask, Cluster, Entry, Epoch, Hello, Item, Origin, Record, RecordKind, Stream, TOPICS, ToAgent, ToBroker,
    decode, encode,
};

use crate::Outcome;
use crate::broker::{BrokerProcess, CLUSTER};

const PATIENCE: Duration = Duration::from_secs(20);
/// How often an unanswered question is repeated.
const AGAIN: Duration = Duration::from_millis(50);
/// Records go by turns to so many namespaces.
const NAMESPACES: u64 = 8;

pub(crate) struct Host {
    sockets: AgentSockets,
    cluster: Cluster,
    origin: Origin,
    epoch: Epoch,
    inbox: Vec<AgentEvent>,
    /// Its next ticket, and the first that is not acknowledged.
    pub(crate) next: u64,
    pub(crate) acked: u64,
    /// The last position of each topic that it has seen all of.
    seen: [u64; TOPICS],
    pub(crate) received: u64,
    pub(crate) gaps: u64,
    replay_at: Option<Instant>,
    looked: (u64, u64),
}

/// The first words of the host `number`.
pub(crate) fn hello(number: u128) -> Hello {
    Hello {
        origin: Origin(number << 64),
        host: format!("host-{number}"),
        machine: number as u64,
        seed_check: 1,
        brokers: 1,
        bound_us: 500_000,
        first: 0,
        head: 0,
        reach_us: 0,
        known_ago_us: Some(0),
        members: Vec::new(),
    }
}

impl Host {
    /// Connected, following all topics, and welcome.
    pub(crate) fn join(broker: &BrokerProcess, number: u128) -> Outcome<Self> {
        let mut options = AgentOptions::new([broker.address.clone()]);
        options.keys = broker.keys.clone();
        let mut sockets = AgentSockets::connect(&options)?;
        for topic in 0..TOPICS {
            sockets.subscribe(topic as u8)?;
        }
        let mut host = Self {
            sockets,
            cluster: Cluster::of_name(CLUSTER),
            origin: Origin(number << 64),
            epoch: Epoch(0),
            inbox: Vec::new(),
            next: 0,
            acked: 0,
            seen: [0; TOPICS],
            received: 0,
            gaps: 0,
            replay_at: None,
            looked: (0, 0),
        };
        let began = Instant::now();
        while host.epoch == Epoch(0) {
            if began.elapsed() > PATIENCE {
                return Err("the broker does not welcome a host".into());
            }
            if host.sockets.is_connected(0, Channel::Stream) {
                host.send(&ToBroker::Hello(hello(number)));
            }
            host.turn(AGAIN)?;
        }
        Ok(host)
    }

    fn send(&mut self, frame: &ToBroker) -> bool {
        self.sockets.send(0, encode(self.cluster, frame)) == Sent::Queued
    }

    /// Publishes the next `count` records, unless the queue is full.
    pub(crate) fn publish(&mut self, count: u64) -> bool {
        let items = (self.next..self.next + count)
            .map(|ticket| {
                Item::Record(Record {
                    kind: RecordKind::Invalidate,
                    namespace: ticket % NAMESPACES,
                    hash: ticket.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                    wall_ms: 1_700_000_000_000 + ticket,
                    stamp: ticket,
                })
            })
            .collect();
        let frame = ToBroker::Publish {
            epoch: self.epoch,
            first: self.next,
            items,
        };
        let is_sent = self.send(&frame);
        if is_sent {
            self.next += count;
        }
        is_sent
    }

    /// So that the broker knows that it lives, and what it applied.
    pub(crate) fn ask(&mut self) {
        let applied = self.seen.iter().copied().max().unwrap_or(0);
        self.send(&ToBroker::Ask(Ask {
            epoch: self.epoch,
            asked_at_us: 1,
            topics: u64::MAX,
            applied,
            members_version: u64::MAX,
        }));
    }

    /// Takes what comes within `timeout`, or is there.
    pub(crate) fn turn(&mut self, timeout: Duration) -> Outcome<()> {
        let mut inbox = std::mem::take(&mut self.inbox);
        self.sockets.poll(timeout, &mut inbox)?;
        for event in inbox.drain(..) {
            match event {
                AgentEvent::Control { frame, .. } => self.on_frame(decode(self.cluster, &frame)?)?,
                AgentEvent::Stream { frame, .. } => {
                    if let Stream::Entries { entries, .. } = decode(self.cluster, &frame)? {
                        self.on_entries(&entries);
                    }
                }
                AgentEvent::Link { .. } => {}
            }
        }
        self.inbox = inbox;
        if self.replay_at.is_some_and(|at| at.elapsed() > AGAIN) {
            self.replay();
        }
        Ok(())
    }

    fn on_frame(&mut self, frame: ToAgent) -> Outcome<()> {
        match frame {
            ToAgent::Welcome { epoch, .. } => self.epoch = epoch,
            ToAgent::Ack { next, .. } => self.acked = self.acked.max(next),
            ToAgent::Resend { next, .. } => self.next = next,
            ToAgent::Replayed {
                entries,
                through,
                head,
                ..
            } => {
                self.replay_at = None;
                for entry in entries {
                    let seen = &mut self.seen[entry.topic.index()];
                    if entry.position > *seen {
                        *seen = entry.position;
                        self.received += 1;
                    }
                }
                for seen in &mut self.seen {
                    *seen = (*seen).max(through);
                }
                if through < head {
                    self.replay();
                }
            }
            ToAgent::Trimmed { .. } => return Err("the log was trimmed before a host had it".into()),
            _ => {}
        }
        Ok(())
    }

    fn on_entries(&mut self, entries: &[Entry]) {
        for entry in entries {
            let seen = &mut self.seen[entry.topic.index()];
            if entry.position <= *seen {
                continue;
            }
            // A topic that is seen beyond what it had by a replay has nothing between.
            if entry.previous <= *seen {
                *seen = entry.position;
                self.received += 1;
            } else if self.replay_at.is_none() {
                self.gaps += 1;
                self.replay();
            }
        }
    }

    fn replay(&mut self) {
        self.replay_at = Some(Instant::now());
        let after = self.seen.iter().copied().min().unwrap_or(0);
        self.send(&ToBroker::Replay {
            epoch: self.epoch,
            topics: u64::MAX,
            after,
        });
    }

    /// Asks again for what is missing when nothing new tells.
    pub(crate) fn look_for_losses(&mut self, expected: u64) {
        if self.received < expected && self.replay_at.is_none() {
            self.replay();
        }
    }

    /// Whether nothing came since the last look.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let now = (self.received, self.acked);
        std::mem::replace(&mut self.looked, now) == now
    }

    /// From the first record that nobody acknowledged.
    pub(crate) const fn publish_again(&mut self) {
        self.next = self.acked;
    }

    pub(crate) const fn origin(&self) -> Origin {
        self.origin
    }
}
