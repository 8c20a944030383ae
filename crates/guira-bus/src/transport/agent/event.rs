//! What comes to an agent.

use super::super::{Channel, HandshakeFailure};

/// What came to an agent, and from which of its brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentEvent {
    /// A frame for this agent alone.
    Control {
        /// The number of the broker.
        broker: usize,
        /// At most [`SocketSettings::max_frame_bytes`](super::SocketSettings::max_frame_bytes) long.
        frame: Vec<u8>,
    },
    /// A frame for all who subscribed to its topic.
    Stream {
        /// The number of the broker.
        broker: usize,
        /// What it was published under.
        topic: u8,
        /// At most [`SocketSettings::max_frame_bytes`](super::SocketSettings::max_frame_bytes) long.
        frame: Vec<u8>,
    },
    /// A connection came, went, or fails. What fails again and again in the same way is said once.
    Link {
        /// The number of the broker.
        broker: usize,
        /// Which of its sockets.
        channel: Channel,
        /// What became of the connection.
        change: LinkChange,
    },
}

/// What became of a connection to a broker. Whatever it is, connecting is tried on and on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum LinkChange {
    /// Frames can pass.
    #[error("connected")]
    Connected,
    /// The connection broke; what was under way may be lost.
    #[error("disconnected from a broker")]
    Disconnected,
    /// Nobody answers there.
    #[error("no broker answers: it does not run, or listens elsewhere")]
    NoAnswer,
    /// The host's name leads nowhere.
    #[error("no way to a broker: its host has no address of version 4, or there is no route to it")]
    NoRoute,
    /// Somebody answers, and does not speak with this agent.
    #[error("the handshake with a broker failed: {0}")]
    HandshakeFailed(HandshakeFailure),
}
