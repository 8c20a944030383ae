//! What the sockets of brokers and agents have in common: their options, and sending without waiting.

use std::time::Duration;

use super::{SocketSettings, TransportError};

/// Which of the two sockets of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// From one to one.
    Control,
    /// From the broker to all who subscribed.
    Stream,
}

/// What became of a frame that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// It waits to leave; it may be lost all the same.
    Queued,
    /// Dropped: as many frames as may wait for this peer wait already.
    Full,
    /// Dropped: there is no connection to this peer.
    NoPeer,
    /// Dropped: longer than [`SocketSettings::max_frame_bytes`].
    TooLong,
}

/// What libzmq adds to a frame: our topic, and a CURVE message's name, nonce, flags and tag.
const OVERHEAD_BYTES: usize = 64;
/// The handshake must fit too, whatever frames are limited to.
const MIN_MESSAGE_BYTES: usize = 4096;

/// The longest thing that is received, in bytes: sockets disconnect who sends a longer one.
fn max_message_bytes(settings: &SocketSettings) -> usize {
    settings
        .max_frame_bytes
        .saturating_add(OVERHEAD_BYTES)
        .max(MIN_MESSAGE_BYTES)
}

/// Sets what every socket has.
pub(super) fn configure(
    socket: &zmq::Socket,
    channel: Channel,
    settings: &SocketSettings,
) -> Result<(), TransportError> {
    let queue_frames = i32::from(match channel {
        Channel::Control => settings.control_queue_frames,
        Channel::Stream => settings.stream_queue_frames,
    });
    let set = || -> zmq::Result<()> {
        socket.set_maxmsgsize(i64::try_from(max_message_bytes(settings)).unwrap_or(i64::MAX))?;
        socket.set_sndhwm(queue_frames)?;
        socket.set_rcvhwm(queue_frames)?;
        socket.set_linger(millis(settings.linger))?;
        socket.set_handshake_ivl(millis(settings.handshake_timeout))
    };
    set().map_err(TransportError::library("setting options of a socket"))
}

/// As libzmq takes times.
pub(super) fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// A context with the threads that `settings` ask for.
pub(super) fn context(settings: &SocketSettings) -> Result<zmq::Context, TransportError> {
    let context = zmq::Context::new();
    context
        .set_io_threads(i32::from(settings.io_threads.max(1)))
        .map_err(TransportError::library("setting its threads"))?;
    Ok(context)
}

/// Sleeps until one of `items` is ready; a signal ends the sleep early.
pub(super) fn sleep(items: &mut [zmq::PollItem<'_>], timeout: Duration) -> Result<(), TransportError> {
    // Rounded up: a sleep of less than a millisecond is not none.
    let timeout_ms = i64::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
    match zmq::poll(items, timeout_ms) {
        Ok(_) | Err(zmq::Error::EINTR) => Ok(()),
        Err(error) => Err(TransportError::library("waiting for its sockets")(error)),
    }
}

/// The next message, as its parts, if there is one.
pub(super) fn receive(socket: &zmq::Socket) -> Option<Parts> {
    let first = socket.recv_msg(zmq::DONTWAIT).ok()?;
    if !first.get_more() {
        return Some(Parts::One(first));
    }
    // A message arrives with all its parts or not at all.
    let second = socket.recv_msg(zmq::DONTWAIT).ok()?;
    if !second.get_more() {
        return Some(Parts::Two(first, second));
    }
    let mut more = true;
    while more {
        more = socket.recv_msg(zmq::DONTWAIT).is_ok_and(|part| part.get_more());
    }
    Some(Parts::Many)
}

/// A message by the number of its parts; nothing here has more than two.
pub(super) enum Parts {
    One(zmq::Message),
    Two(zmq::Message, zmq::Message),
    /// Read and thrown away.
    Many,
}
