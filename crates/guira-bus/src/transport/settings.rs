//! How patient and how roomy sockets are.

use std::time::Duration;

/// Limits and times of the sockets of a broker or an agent.
///
/// By default a peer that fell silent is left after three seconds, and one that came back is found
/// within one. Shorter times do not suit a network that loses a third of all packets, where the
/// answer to one question in twenty takes more than a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketSettings {
    /// The longest frame that is sent or received, in bytes. A peer that sends a longer one is
    /// disconnected before it is read.
    pub max_frame_bytes: usize,
    /// How many frames wait for one peer on its control socket; further ones are dropped.
    pub control_queue_frames: u16,
    /// How many frames of the stream wait for one subscriber; further ones it loses.
    pub stream_queue_frames: u16,
    /// How often an agent asks each broker for a sign of life; brokers do not ask.
    pub heartbeat: Duration,
    /// An agent leaves a broker that does not answer within this time, and tells brokers to leave
    /// it when it asked no more for so long.
    pub peer_timeout: Duration,
    /// The first wait before connecting again; it doubles.
    pub reconnect_min: Duration,
    /// The longest wait before connecting again.
    pub reconnect_max: Duration,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// How long a handshake may take once there is a connection.
    pub handshake_timeout: Duration,
    /// How long frames that were sent before the sockets are dropped may still take to leave.
    pub linger: Duration,
    /// Threads of libzmq that read, write and encrypt.
    pub io_threads: u8,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            max_frame_bytes: 1 << 20,
            control_queue_frames: 1000,
            stream_queue_frames: 1000,
            heartbeat: Duration::from_millis(500),
            peer_timeout: Duration::from_millis(2500),
            reconnect_min: Duration::from_millis(10),
            reconnect_max: Duration::from_millis(500),
            connect_timeout: Duration::from_millis(500),
            handshake_timeout: Duration::from_millis(2000),
            linger: Duration::from_millis(100),
            io_threads: 1,
        }
    }
}
