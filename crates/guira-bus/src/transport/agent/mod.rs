//! The sockets of an agent: two for each broker it was given.

mod counters;
mod event;
mod link;
mod options;
mod progress;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub use counters::AgentCounters;
pub use event::{AgentEvent, LinkChange};
pub use options::{AgentOptions, BrokerAddress};

use super::keys::KeyPair;
use super::monitor::Monitor;
use super::socket::{Parts, receive, sleep};
use super::{Channel, Sent, SocketSettings, TransportError, Waker};
use link::Link;

/// How many messages of one socket are taken before the others are looked at again.
const TURN: usize = 256;

/// The sockets of an agent to all its brokers. Its owner is the one thread that uses them.
///
/// Connections are made and made again by themselves; [`AgentEvent::Link`] says what became of
/// them. Brokers are numbered in the order of [`AgentOptions::brokers`].
pub struct AgentSockets {
    brokers: Vec<Broker>,
    topics: BTreeSet<u8>,
    /// Of sockets that were closed.
    ending: Vec<Monitor>,
    /// Reports that did not come from a `poll`.
    unsaid: Vec<AgentEvent>,
    counters: AgentCounters,
    waker: Waker,
    settings: SocketSettings,
    keys: Option<KeyPair>,
    context: zmq::Context,
}

struct Broker {
    address: BrokerAddress,
    control: Link,
    stream: Link,
}

impl AgentSockets {
    /// Opens sockets to all brokers; waits for none.
    ///
    /// # Errors
    ///
    /// [`TransportError::NotConnectable`] for an endpoint without a host or port,
    /// [`TransportError::KeyMissing`] if only one of agent and broker has a key, and
    /// [`TransportError::Library`] where libzmq refuses.
    pub fn connect(options: &AgentOptions) -> Result<Self, TransportError> {
        options.check_all()?;
        let context = super::socket::context(&options.settings)?;
        let brokers = options
            .brokers
            .iter()
            .map(|address| {
                let open = |channel| {
                    let now = Instant::now();
                    Link::open(
                        &context,
                        address,
                        options.keys.as_ref(),
                        &options.settings,
                        channel,
                        now,
                    )
                };
                Ok(Broker {
                    address: address.clone(),
                    control: open(Channel::Control)?,
                    stream: open(Channel::Stream)?,
                })
            })
            .collect::<Result<_, TransportError>>()?;
        Ok(Self {
            brokers,
            topics: BTreeSet::new(),
            ending: Vec::new(),
            unsaid: Vec::new(),
            counters: AgentCounters::default(),
            waker: Waker::new()?,
            settings: options.settings,
            keys: options.keys.clone(),
            context,
        })
    }

    /// How many brokers there are.
    #[must_use]
    pub fn broker_count(&self) -> usize {
        self.brokers.len()
    }

    /// Whether frames can pass now between this agent and `broker` by `channel`.
    #[must_use]
    pub fn is_connected(&self, broker: usize, channel: Channel) -> bool {
        self.brokers
            .get(broker)
            .is_some_and(|broker| broker.link(channel).is_connected())
    }

    /// What wakes [`AgentSockets::poll`] from another thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &AgentCounters {
        &self.counters
    }

    /// Sleeps until something came, it is woken, or `timeout` is over, and appends what came to
    /// `events`: at most some hundreds for each broker, the rest at the next call.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if the sockets cannot be used any more.
    pub fn poll(&mut self, timeout: Duration, events: &mut Vec<AgentEvent>) -> Result<(), TransportError> {
        let timeout = if self.unsaid.is_empty() {
            self.until_next_opening(timeout, Instant::now())
        } else {
            Duration::ZERO
        };
        let mut items = vec![self.waker.poll_item()];
        items.extend(self.links().flat_map(Link::poll_items));
        sleep(&mut items, timeout)?;
        self.waker.lower();
        self.ending.retain_mut(|monitor| !monitor.has_ended());
        events.append(&mut self.unsaid);
        self.follow_links(Instant::now(), events)?;
        for index in 0..self.brokers.len() {
            self.receive_control(index, events);
            self.receive_stream(index, events);
        }
        Ok(())
    }

    fn links(&self) -> impl Iterator<Item = &Link> {
        self.brokers
            .iter()
            .flat_map(|broker| [&broker.control, &broker.stream])
    }

    fn until_next_opening(&self, timeout: Duration, now: Instant) -> Duration {
        self.links()
            .filter_map(Link::reopens_at)
            .map(|at| at.saturating_duration_since(now))
            .fold(timeout, Duration::min)
    }

    /// Takes what the monitors say, and opens anew what libzmq gave up or hammers at.
    fn follow_links(&mut self, now: Instant, events: &mut Vec<AgentEvent>) -> Result<(), TransportError> {
        for index in 0..self.brokers.len() {
            for channel in [Channel::Control, Channel::Stream] {
                while let Some(change) = self.brokers[index].link_mut(channel).next_change(now) {
                    self.report(index, channel, change, events);
                }
                let reopens_at = self.brokers[index].link(channel).reopens_at();
                if reopens_at.is_some_and(|at| at <= now) {
                    self.reopen(index, channel, now)?;
                }
            }
        }
        Ok(())
    }

    fn report(&mut self, broker: usize, channel: Channel, change: LinkChange, events: &mut Vec<AgentEvent>) {
        self.counters.count(&change);
        let endpoint = &self.brokers[broker].address.endpoint;
        match change {
            LinkChange::Connected => tracing::info!(%endpoint, ?channel, "connected to a broker"),
            _ => tracing::warn!(%endpoint, ?channel, "{change}"),
        }
        events.push(AgentEvent::Link {
            broker,
            channel,
            change,
        });
    }

    fn reopen(&mut self, index: usize, channel: Channel, now: Instant) -> Result<(), TransportError> {
        self.counters.reopened += 1;
        let (settings, keys) = (self.settings, self.keys.clone());
        let broker = &mut self.brokers[index];
        let before = broker.link(channel).progress().again(&settings, now);
        let mut link = Link::open(
            &self.context,
            &broker.address,
            keys.as_ref(),
            &settings,
            channel,
            now,
        )?;
        link.continue_from(before);
        if channel == Channel::Stream {
            for topic in &self.topics {
                link.subscribe(*topic)?;
            }
        }
        let old = std::mem::replace(broker.link_mut(channel), link);
        self.ending.push(old.close());
        Ok(())
    }

    /// Breaks the connections to one broker; they are made anew at once.
    ///
    /// # Errors
    ///
    /// [`TransportError::Library`] where libzmq refuses new sockets.
    pub fn reconnect(&mut self, broker: usize) -> Result<(), TransportError> {
        if broker >= self.brokers.len() {
            return Ok(());
        }
        let now = Instant::now();
        for channel in [Channel::Control, Channel::Stream] {
            let was_connected = self.is_connected(broker, channel);
            self.reopen(broker, channel, now)?;
            if was_connected {
                let mut unsaid = std::mem::take(&mut self.unsaid);
                self.report(broker, channel, LinkChange::Disconnected, &mut unsaid);
                self.unsaid = unsaid;
            }
        }
        Ok(())
    }

    fn receive_control(&mut self, index: usize, events: &mut Vec<AgentEvent>) {
        for _ in 0..TURN {
            let Some(parts) = receive(self.brokers[index].control.socket()) else {
                return;
            };
            let Parts::One(frame) = parts else {
                self.counters.malformed += 1;
                continue;
            };
            if frame.len() > self.settings.max_frame_bytes {
                self.counters.too_long += 1;
                continue;
            }
            self.counters.received += 1;
            events.push(AgentEvent::Control {
                broker: index,
                frame: frame.to_vec(),
            });
        }
    }

    fn receive_stream(&mut self, index: usize, events: &mut Vec<AgentEvent>) {
        for _ in 0..TURN {
            let Some(parts) = receive(self.brokers[index].stream.socket()) else {
                return;
            };
            let Parts::One(message) = parts else {
                self.counters.malformed += 1;
                continue;
            };
            let Some((topic, frame)) = message.split_first() else {
                self.counters.malformed += 1;
                continue;
            };
            if frame.len() > self.settings.max_frame_bytes {
                self.counters.too_long += 1;
                continue;
            }
            self.counters.streamed += 1;
            events.push(AgentEvent::Stream {
                broker: index,
                topic: *topic,
                frame: frame.to_vec(),
            });
        }
    }

    /// Sends a frame to one broker, without waiting. Before there is a connection, and after it
    /// broke, frames are dropped, not kept: an old question is no use to anybody.
    pub fn send(&mut self, broker: usize, frame: Vec<u8>) -> Sent {
        if frame.len() > self.settings.max_frame_bytes {
            self.counters.too_long += 1;
            return Sent::TooLong;
        }
        let Some(link) = self.brokers.get(broker).map(|broker| &broker.control) else {
            return Sent::NoPeer;
        };
        if !link.is_connected() {
            // libzmq might take it, for a stranger whose handshake is about to fail.
            self.counters.dropped_without_peer += 1;
            return Sent::NoPeer;
        }
        if link.socket().send(frame, zmq::DONTWAIT).is_ok() {
            self.counters.sent += 1;
            Sent::Queued
        } else {
            self.counters.dropped_by_full_queues += 1;
            Sent::Full
        }
    }

    /// Asks every broker for the frames of `topic`, now and after every reconnect. It takes a
    /// while to reach them: what is published meanwhile does not come.
    ///
    /// # Errors
    ///
    /// [`TransportError::Library`] where libzmq refuses.
    pub fn subscribe(&mut self, topic: u8) -> Result<(), TransportError> {
        if self.topics.insert(topic) {
            for broker in &self.brokers {
                broker.stream.subscribe(topic)?;
            }
        }
        Ok(())
    }

    /// Asks for the frames of `topic` no more.
    ///
    /// # Errors
    ///
    /// [`TransportError::Library`] where libzmq refuses.
    pub fn unsubscribe(&mut self, topic: u8) -> Result<(), TransportError> {
        if self.topics.remove(&topic) {
            for broker in &self.brokers {
                broker.stream.unsubscribe(topic)?;
            }
        }
        Ok(())
    }
}

impl Broker {
    fn link(&self, channel: Channel) -> &Link {
        match channel {
            Channel::Control => &self.control,
            Channel::Stream => &self.stream,
        }
    }

    fn link_mut(&mut self, channel: Channel) -> &mut Link {
        match channel {
            Channel::Control => &mut self.control,
            Channel::Stream => &mut self.stream,
        }
    }
}

impl std::fmt::Debug for AgentSockets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let brokers: Vec<_> = self
            .brokers
            .iter()
            .map(|broker| &broker.address.endpoint)
            .collect();
        f.debug_struct("AgentSockets")
            .field("brokers", &brokers)
            .field("topics", &self.topics)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
