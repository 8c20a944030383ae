//! An agent without a host: sends what a test says, and keeps what comes.

use std::time::{Duration, Instant};

use guira_bus::runtime::{Broker, BrokerConfig, BrokerHandle};
use guira_bus::transport::{AgentEvent, AgentOptions, AgentSockets, Channel, Sent};
use guira_bus::wire::{
    Cluster, Epoch, Hello, Item, Origin, Record, RecordKind, Stream, ToAgent, ToBroker, decode, encode,
};

use crate::place::anywhere;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_millis(5);
pub(super) const CLUSTER: &str = "shop";

pub(super) fn broker() -> BrokerHandle {
    let config = BrokerConfig::new(anywhere().parse().unwrap(), CLUSTER);
    Broker::bind(config).unwrap().spawn().unwrap()
}

pub(super) fn record(hash: u64) -> Item {
    Item::Record(Record {
        kind: RecordKind::Invalidate,
        namespace: 5,
        hash,
        wall_ms: 0,
        stamp: 0,
    })
}

pub(super) fn hello(number: u128) -> Hello {
    Hello {
        origin: Origin(number),
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

pub(super) struct Scripted {
    sockets: AgentSockets,
    cluster: Cluster,
    pub(super) epoch: Epoch,
    pub(super) answers: Vec<ToAgent>,
    pub(super) stream: Vec<Stream>,
    inbox: Vec<AgentEvent>,
}

impl Scripted {
    /// Connected, and following every topic.
    pub(super) fn connected(broker: &BrokerHandle) -> Self {
        let mut sockets = AgentSockets::connect(&AgentOptions::new([broker.endpoint().clone()])).unwrap();
        for topic in 0..64 {
            sockets.subscribe(topic).unwrap();
        }
        let mut agent = Self {
            sockets,
            cluster: Cluster::of_name(CLUSTER),
            epoch: Epoch(0),
            answers: Vec::new(),
            stream: Vec::new(),
            inbox: Vec::new(),
        };
        agent.until("connected", |agent| {
            agent.sockets.is_connected(0, Channel::Control) && agent.sockets.is_connected(0, Channel::Stream)
        });
        agent
    }

    /// And welcome.
    pub(super) fn joined(broker: &BrokerHandle, number: u128) -> Self {
        let mut agent = Self::connected(broker);
        agent.send(&ToBroker::Hello(hello(number)));
        agent.epoch = agent.answer("welcome", |answer| match answer {
            ToAgent::Welcome { epoch, .. } => Some(*epoch),
            _ => None,
        });
        agent
    }

    pub(super) fn send(&mut self, frame: &ToBroker) {
        self.send_bytes(encode(self.cluster, frame));
    }

    pub(super) fn send_bytes(&mut self, frame: Vec<u8>) {
        assert_eq!(self.sockets.send(0, frame), Sent::Queued);
    }

    pub(super) fn publish(&mut self, first: u64, items: Vec<Item>) {
        let epoch = self.epoch;
        self.send(&ToBroker::Publish { epoch, first, items });
    }

    pub(super) fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(
                began.elapsed() < PATIENCE,
                "never {what}: {:?} {:?}",
                self.answers,
                self.stream
            );
            self.turn();
        }
    }

    /// Waits for an answer; what came before it is kept.
    pub(super) fn answer<T>(&mut self, what: &str, find: impl Fn(&ToAgent) -> Option<T>) -> T {
        let mut found = None;
        self.until(what, |agent| {
            found = agent.answers.iter().find_map(&find);
            found.is_some()
        });
        found.unwrap()
    }

    fn turn(&mut self) {
        self.sockets.poll(TURN, &mut self.inbox).unwrap();
        for event in self.inbox.drain(..) {
            match event {
                AgentEvent::Control { frame, .. } => self.answers.push(decode(self.cluster, &frame).unwrap()),
                AgentEvent::Stream { frame, .. } => self.stream.push(decode(self.cluster, &frame).unwrap()),
                AgentEvent::Link { .. } => {}
            }
        }
    }

    /// The tickets of `origin` that came with the stream.
    pub(super) fn streamed(&self, origin: Origin) -> Vec<u64> {
        self.stream
            .iter()
            .flat_map(|frame| match frame {
                Stream::Entries { entries, .. } => entries.as_slice(),
                Stream::MembersChanged { .. } | Stream::Inspect { .. } | Stream::Seek { .. } => &[],
            })
            .filter(|entry| entry.origin == origin)
            .map(|entry| entry.ticket)
            .collect()
    }
}
