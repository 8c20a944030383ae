//! The sockets of a broker: control, where agents speak to it, and the stream, where it speaks to all.

mod bind;
mod counters;
mod peer;
mod watch;
mod zap;

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use counters::BrokerCounters;
pub use peer::PeerId;

use super::keys::KeyPair;
use super::socket::{Parts, receive, sleep};
use super::{Endpoint, Sent, SocketSettings, TransportError, Waker};
use bind::Bound;
use watch::Watch;
use zap::Zap;

/// How many messages of one socket are taken before the other is looked at again.
const TURN: usize = 256;
/// How long the endpoint of a running broker may be busy when it is bound again.
const REBIND_TIMEOUT: Duration = Duration::from_secs(5);
const REBIND_PAUSE: Duration = Duration::from_millis(5);

/// Where and how a broker listens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BrokerOptions {
    /// The endpoint to bind.
    pub endpoint: Endpoint,
    /// Its own keys, and those that it lets in; without, everybody is let in.
    pub keys: Option<BrokerKeys>,
    /// Binds a public endpoint without keys.
    pub insecure: bool,
    /// Limits and times.
    pub settings: SocketSettings,
}

/// The keys of a broker.
#[derive(Debug, Clone)]
pub struct BrokerKeys {
    /// Its own.
    pub pair: KeyPair,
    /// The folder of public keys that it lets in, a file `NAME.key` for each; see
    /// [`AllowedKeys`](super::keys::AllowedKeys). Read again when it changes: who loses its key
    /// is disconnected.
    pub allowed: PathBuf,
}

impl BrokerOptions {
    /// At `endpoint`, without keys, with default settings.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            keys: None,
            insecure: false,
            settings: SocketSettings::default(),
        }
    }
}

/// What came to a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerEvent {
    /// A frame from an agent.
    Control {
        /// Whom to answer.
        peer: PeerId,
        /// At most [`SocketSettings::max_frame_bytes`] long.
        frame: Vec<u8>,
    },
    /// The first agent subscribed to a topic, or the last one left it.
    Topic {
        /// Which.
        topic: u8,
        /// Whether anybody is subscribed.
        is_wanted: bool,
    },
}

/// The bound sockets of a broker. Its owner is the one thread that uses them; dropped, they close
/// and the endpoint is free.
pub struct BrokerSockets {
    bound: Bound,
    watch: Watch,
    counters: BrokerCounters,
    waker: Waker,
    options: BrokerOptions,
    // Below the sockets: it outlives them, since they ask it.
    zap: Option<Zap>,
    context: zmq::Context,
    /// Held as long as the unix sockets are ours.
    _guard: Option<File>,
}

impl BrokerSockets {
    /// Binds the sockets at the endpoint.
    ///
    /// # Errors
    ///
    /// [`TransportError::InUse`] if somebody listens there, [`TransportError::PublicWithoutKeys`]
    /// if others than this machine could connect unchecked, and what else
    /// [`TransportError`] has for endpoints and keys.
    pub fn bind(options: &BrokerOptions) -> Result<Self, TransportError> {
        let mut options = options.clone();
        if options.endpoint.is_public() && options.keys.is_none() {
            if !options.insecure {
                return Err(TransportError::PublicWithoutKeys {
                    endpoint: options.endpoint,
                });
            }
            tracing::warn!(
                endpoint = %options.endpoint,
                "insecure: whoever reaches this endpoint can read and invalidate"
            );
        }
        let context = super::socket::context(&options.settings)?;
        let waker = Waker::new()?;
        // Before the sockets, or they let everybody in.
        let zap = match &options.keys {
            Some(keys) => Some(Zap::start(&context, &keys.allowed, waker.clone())?),
            None => None,
        };
        let guard = bind::guard(&options.endpoint)?;
        let (bound, endpoint) = bind::bind(&context, &options)?;
        let watch = Watch::of(&context, &bound)?;
        options.endpoint = endpoint;
        Ok(Self {
            bound,
            watch,
            counters: BrokerCounters::default(),
            waker,
            options,
            zap,
            context,
            _guard: guard,
        })
    }

    /// Where it listens; with the ports that were found for port 0.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.options.endpoint
    }

    /// What wakes [`BrokerSockets::poll`] from another thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Sleeps until something came, it is woken, or `timeout` is over, and appends what came to
    /// `events`: at most some hundreds, the rest at the next call.
    ///
    /// # Errors
    ///
    /// [`TransportError`] if the sockets cannot be used any more.
    pub fn poll(&mut self, timeout: Duration, events: &mut Vec<BrokerEvent>) -> Result<(), TransportError> {
        sleep(
            &mut [
                self.bound.control.as_poll_item(zmq::POLLIN),
                self.bound.stream.as_poll_item(zmq::POLLIN),
                self.waker.poll_item(),
                self.watch.control.poll_item(),
                self.watch.stream.poll_item(),
            ],
            timeout,
        )?;
        self.waker.lower();
        self.watch.count(&mut self.counters);
        if let Some(zap) = &self.zap {
            self.counters.refused_keys = zap.refused();
            if zap.take_revoked() {
                self.bind_again()?;
            }
        }
        self.receive_control(events);
        self.receive_subscriptions(events);
        Ok(())
    }

    fn receive_control(&mut self, events: &mut Vec<BrokerEvent>) {
        for _ in 0..TURN {
            let Some(parts) = receive(&self.bound.control) else {
                return;
            };
            let Parts::Two(peer, frame) = parts else {
                self.counters.malformed += 1;
                continue;
            };
            let Some(peer) = PeerId::new(&peer) else {
                self.counters.malformed += 1;
                continue;
            };
            // libzmq lets pass a little more, for what it adds itself.
            if frame.len() > self.options.settings.max_frame_bytes {
                self.counters.too_long += 1;
                continue;
            }
            self.counters.received += 1;
            let frame = frame.to_vec();
            events.push(BrokerEvent::Control { peer, frame });
        }
    }

    fn receive_subscriptions(&mut self, events: &mut Vec<BrokerEvent>) {
        for _ in 0..TURN {
            let Some(parts) = receive(&self.bound.stream) else {
                return;
            };
            match parts {
                Parts::One(message) if matches!(&message[..], [0 | 1, _]) => {
                    let (topic, is_wanted) = (message[1], message[0] == 1);
                    events.push(BrokerEvent::Topic { topic, is_wanted });
                }

                _ => self.counters.malformed += 1,
            }
        }
    }

    /// Sends a frame to one agent, without waiting.
    pub fn send(&mut self, peer: &PeerId, frame: Vec<u8>) -> Sent {
        if frame.len() > self.options.settings.max_frame_bytes {
            self.counters.too_long += 1;
            return Sent::TooLong;
        }
        let parts = [zmq::Message::from(peer.as_bytes()), zmq::Message::from(frame)];
        match self.bound.control.send_multipart(parts, zmq::DONTWAIT) {
            Ok(()) => {
                self.counters.sent += 1;
                Sent::Queued
            }
            Err(zmq::Error::EHOSTUNREACH) => {
                self.counters.dropped_without_peer += 1;
                Sent::NoPeer
            }
            Err(_) => {
                self.counters.dropped_by_full_queues += 1;
                Sent::Full
            }
        }
    }

    /// Sends a frame to every agent that subscribed to `topic`, without waiting. A subscriber
    /// whose queue is full loses it, nobody else does, and it is not known here.
    pub fn publish(&mut self, topic: u8, frame: &[u8]) -> Sent {
        if frame.len() > self.options.settings.max_frame_bytes {
            self.counters.too_long += 1;
            return Sent::TooLong;
        }
        let mut message = zmq::Message::with_size(frame.len() + 1);
        message[0] = topic;
        message[1..].copy_from_slice(frame);
        match self.bound.stream.send(message, zmq::DONTWAIT) {
            Ok(()) => {
                self.counters.published += 1;
                Sent::Queued
            }
            Err(_) => {
                self.counters.dropped_by_full_queues += 1;
                Sent::Full
            }
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &BrokerCounters {
        &self.counters
    }

    /// Disconnects everybody: those who still may come back by themselves.
    fn bind_again(&mut self) -> Result<(), TransportError> {
        tracing::info!(endpoint = %self.options.endpoint, "an allowed key is gone: all agents connect again");
        self.counters.rebound += 1;
        self.watch.close(&self.bound)?;
        let bound = self.bind_the_same()?;
        let watch = Watch::of(&self.context, &bound)?;
        // In this order: monitors outlive their sockets.
        self.bound = bound;
        self.watch = watch;
        Ok(())
    }

    /// At the same endpoint, which may be busy for a moment: with what is still closing, or with a connection that
    /// was given its port.
    fn bind_the_same(&self) -> Result<Bound, TransportError> {
        let give_up_at = Instant::now() + REBIND_TIMEOUT;
        loop {
            match bind::bind(&self.context, &self.options) {
                Ok((bound, _)) => return Ok(bound),
                Err(TransportError::InUse { .. }) if Instant::now() < give_up_at => {
                    std::thread::park_timeout(REBIND_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl std::fmt::Debug for BrokerSockets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerSockets")
            .field("endpoint", &self.options.endpoint)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
