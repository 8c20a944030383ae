//! A broker and an agent that are polled in turn, until something is so.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use guira_bus::transport::keys::KeyPair;
use guira_bus::transport::{
    AgentEvent, AgentOptions, AgentSockets, BrokerAddress, BrokerEvent, BrokerKeys, BrokerOptions,
    BrokerSockets, Channel, Endpoint, LinkChange, PeerId, Sent,
};

use crate::place::anywhere;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_millis(2);

pub(super) fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

pub(super) fn broker_at(text: &str) -> BrokerSockets {
    BrokerSockets::bind(&BrokerOptions::new(endpoint(text))).unwrap()
}

/// Keys of a broker and the folder of those it lets in.
pub(super) struct Keyring {
    pub(super) broker: KeyPair,
    folder: tempfile::TempDir,
}

impl Keyring {
    pub(super) fn new() -> Self {
        Self {
            broker: KeyPair::generate().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn allow(&self, name: &str, pair: &KeyPair) {
        std::fs::write(self.file(name), pair.public().to_string()).unwrap();
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.key"))
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn broker_options(&self, text: &str) -> BrokerOptions {
        let mut options = BrokerOptions::new(endpoint(text));
        options.keys = Some(BrokerKeys {
            pair: self.broker.clone(),
            allowed: self.folder().to_owned(),
        });
        options
    }

    pub(super) fn agent_options(&self, broker: &BrokerSockets, pair: &KeyPair) -> AgentOptions {
        let mut options = AgentOptions::new([BrokerAddress {
            endpoint: broker.endpoint().clone(),
            key: Some(self.broker.public()),
        }]);
        options.keys = Some(pair.clone());
        options
    }
}

pub(super) struct Pair {
    pub(super) broker: BrokerSockets,
    pub(super) agent: AgentSockets,
    pub(super) at_broker: Vec<BrokerEvent>,
    pub(super) at_agent: Vec<AgentEvent>,
}

impl Pair {
    pub(super) fn new(broker: BrokerSockets, agent: AgentSockets) -> Self {
        Self {
            broker,
            agent,
            at_broker: Vec::new(),
            at_agent: Vec::new(),
        }
    }

    /// Without keys, by loopback.
    pub(super) fn plain() -> Self {
        Self::at(broker_at(&anywhere()))
    }

    pub(super) fn at(broker: BrokerSockets) -> Self {
        let options = AgentOptions::new([broker.endpoint().clone()]);
        let agent = AgentSockets::connect(&options).unwrap();
        Self::new(broker, agent)
    }

    /// Polls both until `is_so`; fails with what came if it takes too long.
    pub(super) fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let give_up_at = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(
                Instant::now() < give_up_at,
                "never {what}: {:?} {:?}, {:?} {:?}",
                self.broker,
                self.at_broker,
                self.agent,
                self.at_agent
            );
            self.turn();
        }
    }

    pub(super) fn turn(&mut self) {
        self.broker.poll(TURN, &mut self.at_broker).unwrap();
        self.agent.poll(TURN, &mut self.at_agent).unwrap();
    }

    pub(super) fn connected(mut self) -> Self {
        self.until("connected", |pair| {
            pair.agent.is_connected(0, Channel::Control) && pair.agent.is_connected(0, Channel::Stream)
        });
        self
    }

    /// Sends `frame` to the broker as soon as it can be; who it came from.
    pub(super) fn up(&mut self, frame: &[u8]) -> PeerId {
        self.until("sent to the broker", |pair| {
            pair.agent.send(0, frame.to_vec()) == Sent::Queued
        });
        let mut from = None;
        self.until("received by the broker", |pair| {
            from = pair.at_broker.iter().find_map(|event| match event {
                BrokerEvent::Control { peer, frame: got } if got == frame => Some(*peer),
                _ => None,
            });
            from.is_some()
        });
        from.unwrap()
    }

    /// Sends `frame` to one agent, and waits until it came.
    pub(super) fn down(&mut self, peer: &PeerId, frame: &[u8]) {
        assert_eq!(self.broker.send(peer, frame.to_vec()), Sent::Queued);
        let expected = AgentEvent::Control {
            broker: 0,
            frame: frame.to_vec(),
        };
        self.until("received by the agent", |pair| pair.at_agent.contains(&expected));
    }

    /// Publishes `frame` until it came: a subscription takes a while.
    pub(super) fn streamed(&mut self, topic: u8, frame: &[u8]) {
        let expected = AgentEvent::Stream {
            broker: 0,
            topic,
            frame: frame.to_vec(),
        };
        self.until("streamed to the agent", |pair| {
            assert_eq!(pair.broker.publish(topic, frame), Sent::Queued);
            pair.at_agent.contains(&expected)
        });
    }

    pub(super) fn changes(&self) -> Vec<LinkChange> {
        self.at_agent
            .iter()
            .filter_map(|event| match event {
                AgentEvent::Link { change, .. } => Some(*change),
                _ => None,
            })
            .collect()
    }

    pub(super) fn until_change(&mut self, change: LinkChange) {
        self.until(&change.to_string(), |pair| pair.changes().contains(&change));
    }
}
