//! What a broker's sockets count.

/// Counts since the sockets were bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerCounters {
    /// Frames from agents.
    pub received: u64,
    /// Frames to one agent that wait to leave or left.
    pub sent: u64,
    /// Frames to all subscribers of a topic.
    pub published: u64,
    /// Frames that were not sent because too many wait already.
    pub dropped_by_full_queues: u64,
    /// Frames that were not sent because their agent is gone.
    pub dropped_without_peer: u64,
    /// Frames, sent or received, that were dropped because they are too long.
    pub too_long: u64,
    /// Messages that are neither frames nor subscriptions to a topic.
    pub malformed: u64,
    /// Connections that peers made, on both sockets.
    pub accepted: u64,
    /// Connections that the system refused to give, for want of file descriptors.
    pub not_accepted: u64,
    /// Handshakes that succeeded.
    pub handshakes: u64,
    /// Handshakes that failed for any reason.
    pub failed_handshakes: u64,
    /// Handshakes that failed because the key is not among the allowed ones.
    pub refused_keys: u64,
    /// Connections that ended.
    pub disconnected: u64,
    /// Times that everybody was disconnected because an allowed key was taken away.
    pub rebound: u64,
}
