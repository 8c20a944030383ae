//! What an agent's sockets count.

use super::LinkChange;

/// Counts since the sockets were opened, over all brokers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentCounters {
    /// Frames for this agent alone.
    pub received: u64,
    /// Frames of subscribed topics.
    pub streamed: u64,
    /// Frames to brokers that wait to leave or left.
    pub sent: u64,
    /// Frames that were not sent because too many wait already.
    pub dropped_by_full_queues: u64,
    /// Frames that were not sent for want of a connection.
    pub dropped_without_peer: u64,
    /// Frames, sent or received, that were dropped because they are too long.
    pub too_long: u64,
    /// Messages from brokers that are no frames.
    pub malformed: u64,
    /// Connections that came, on both sockets of each broker.
    pub connected: u64,
    /// Connections that broke.
    pub disconnected: u64,
    /// Ways to fail that were reported.
    pub failed: u64,
    /// Sockets that were opened anew.
    pub reopened: u64,
}

impl AgentCounters {
    pub(super) fn count(&mut self, change: &LinkChange) {
        *match change {
            LinkChange::Connected => &mut self.connected,
            LinkChange::Disconnected => &mut self.disconnected,
            _ => &mut self.failed,
        } += 1;
    }
}
