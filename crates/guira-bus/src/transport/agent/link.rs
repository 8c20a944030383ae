//! One socket of an agent, its monitor, and how far its connection came.

use std::time::Instant;

use super::super::endpoint::Host;
use super::super::keys::KeyPair;
use super::super::monitor::Monitor;
use super::super::socket::{configure, millis};
use super::super::{Channel, SocketSettings, TransportError};
use super::progress::Progress;
use super::{BrokerAddress, LinkChange};

pub(super) struct Link {
    socket: zmq::Socket,
    // Below the socket: it outlives it.
    monitor: Monitor,
    progress: Progress,
    address: String,
}

impl Link {
    /// Opens a socket, which begins to connect.
    pub(super) fn open(
        context: &zmq::Context,
        broker: &BrokerAddress,
        keys: Option<&KeyPair>,
        settings: &SocketSettings,
        channel: Channel,
        now: Instant,
    ) -> Result<Self, TransportError> {
        let kind = match channel {
            Channel::Control => zmq::DEALER,
            Channel::Stream => zmq::SUB,
        };
        let socket = context
            .socket(kind)
            .map_err(TransportError::library("opening a socket"))?;
        configure(&socket, channel, settings)?;
        let set = || -> zmq::Result<()> {
            socket.set_reconnect_ivl(millis(settings.reconnect_min))?;
            socket.set_reconnect_ivl_max(millis(settings.reconnect_max))?;
            socket.set_connect_timeout(millis(settings.connect_timeout))?;
            // Agents ask for signs of life. A broker answers, and leaves who asks no more: what a
            // ping says of its time to live is libzmq's way to tell it how long to wait.
            socket.set_heartbeat_ivl(millis(settings.heartbeat))?;
            socket.set_heartbeat_timeout(millis(settings.peer_timeout))?;
            socket.set_heartbeat_ttl(millis(settings.peer_timeout))?;
            // What is sent without a connection is refused, instead of kept for the next one.
            socket.set_immediate(channel == Channel::Control)?;
            if broker.endpoint.is_ipv6() {
                socket.set_ipv6(true)?;
            }
            if let (Some(own), Some(broker_key)) = (keys, broker.key) {
                socket.set_curve_serverkey(broker_key.as_bytes())?;
                socket.set_curve_publickey(own.public().as_bytes())?;
                socket.set_curve_secretkey(own.secret().as_bytes())?;
            }
            Ok(())
        };
        set().map_err(TransportError::library("setting options of an agent's socket"))?;
        // Before connecting: nothing that happens is missed.
        let monitor = Monitor::of(context, &socket)?;
        let is_by_name = matches!(broker.endpoint.host(), Some(Host::Name(_)));
        let progress = Progress::new(settings, keys.is_some(), is_by_name, now);
        let address = broker.endpoint.socket_address(channel);
        let link = Self {
            socket,
            monitor,
            progress,
            address,
        };
        link.socket
            .connect(&link.address)
            .map_err(TransportError::library("connecting a socket"))?;
        Ok(link)
    }

    /// Closes the socket; its monitor is to be kept until it has ended.
    pub(super) fn close(self) -> Monitor {
        drop(self.socket);
        self.monitor
    }

    pub(super) fn socket(&self) -> &zmq::Socket {
        &self.socket
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn continue_from(&mut self, progress: Progress) {
        self.progress = progress;
    }

    pub(super) fn is_connected(&self) -> bool {
        self.progress.is_established()
    }

    pub(super) fn reopens_at(&self) -> Option<Instant> {
        self.progress.reopens_at()
    }

    pub(super) fn poll_items(&self) -> [zmq::PollItem<'_>; 2] {
        [self.socket.as_poll_item(zmq::POLLIN), self.monitor.poll_item()]
    }

    /// The next thing to report about the connection.
    pub(super) fn next_change(&mut self, now: Instant) -> Option<LinkChange> {
        while let Some(change) = self.monitor.next() {
            let report = self.progress.follow(change, now);
            if self.progress.has_given_up() {
                // Refused if libzmq has ended it already.
                let _ = self.socket.disconnect(&self.address);
            }
            if report.is_some() {
                return report;
            }
        }
        None
    }

    pub(super) fn subscribe(&self, topic: u8) -> Result<(), TransportError> {
        self.socket
            .set_subscribe(&[topic])
            .map_err(TransportError::library("subscribing"))
    }

    pub(super) fn unsubscribe(&self, topic: u8) -> Result<(), TransportError> {
        self.socket
            .set_unsubscribe(&[topic])
            .map_err(TransportError::library("unsubscribing"))
    }
}
