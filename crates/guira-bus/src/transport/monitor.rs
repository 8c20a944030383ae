//! What happens to the connections of a socket: libzmq's monitor, decoded.
//!
//! libzmq waits for whoever reads its events, with the thread that serves all sockets of the context: where the reader
//! is closed before the watched socket has said its last, nothing of the context moves any more. So a monitor takes
//! any number of events, outlives its socket, and is closed when libzmq says that it stopped.
//!
//! ```text
//! watching --the socket is dropped--> ending --libzmq says that it stopped--> ended
//!                                     ending --dropped, and it never says---> left open for good
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::TransportError;
use super::socket::{Parts, receive, sleep};

/// Longer than libzmq takes to close a socket, unless it is looking for the address of a name.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// One event of a socket's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketChange {
    /// An attempt to connect is under way.
    Connecting,
    /// There is a connection; the handshake follows.
    Connected,
    /// The next attempt to connect is set for later.
    Retried,
    /// A peer connected to us; the handshake follows.
    Accepted,
    /// The system gave no connection to a peer that asked for one.
    NotAccepted,
    /// Frames can pass.
    Established,
    /// The connection ended in the handshake, nobody said why.
    FailedWithoutDetail,
    /// The handshake broke the protocol: libzmq's code.
    FailedByProtocol(u32),
    /// The handshake was refused: the status that the broker gave.
    FailedByRefusal(u32),
    /// The connection ended.
    Disconnected,
    /// An address that was bound is free again.
    ListenerClosed,
    /// The socket is closed: the last event.
    MonitorStopped,
}

/// The monitor of one socket. Drop the socket first.
pub(super) struct Monitor {
    /// None once it has ended.
    events: Option<zmq::Socket>,
}

impl Monitor {
    /// Watches `socket`, which must have no monitor yet.
    pub(super) fn of(context: &zmq::Context, socket: &zmq::Socket) -> Result<Self, TransportError> {
        // Names are of the context, which may have had sockets before.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("inproc://guira-monitor-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let open = || {
            socket.monitor(&name, i32::from(zmq::SocketEvent::ALL.to_raw()))?;
            let events = context.socket(zmq::PAIR)?;
            events.set_linger(0)?;
            // No limit: libzmq would wait.
            events.set_rcvhwm(0)?;
            events.connect(&name)?;
            Ok(events)
        };
        let events = open().map_err(TransportError::library("watching a socket"))?;
        Ok(Self { events: Some(events) })
    }

    /// The next event, if there is one.
    pub(super) fn next(&self) -> Option<SocketChange> {
        let events = self.events.as_ref()?;
        loop {
            // The first part is the event and its value, the second the address.
            let Parts::Two(event, _address) = receive(events)? else {
                continue;
            };
            if let Some(change) = decode(&event) {
                return Some(change);
            }
        }
    }

    pub(super) fn poll_item(&self) -> zmq::PollItem<'_> {
        let events = self.events.as_ref().expect("the watched socket is there");
        events.as_poll_item(zmq::POLLIN)
    }

    /// After the socket was dropped: whether libzmq has closed it.
    pub(super) fn has_ended(&mut self) -> bool {
        while let Some(change) = self.next() {
            if change == SocketChange::MonitorStopped {
                self.events = None;
            }
        }
        self.events.is_none()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let give_up_at = Instant::now() + END_TIMEOUT;
        while !self.has_ended() {
            let left = give_up_at.saturating_duration_since(Instant::now());
            if left.is_zero() || sleep(&mut [self.poll_item()], left).is_err() {
                tracing::warn!("a socket takes long to close: what watches it is left open");
                std::mem::forget(self.events.take());
                return;
            }
        }
    }
}

/// Two bytes of event, four of value, both in the machine's order.
fn decode(message: &[u8]) -> Option<SocketChange> {
    use zmq::SocketEvent as Event;

    let (event, value) = message.split_first_chunk::<2>()?;
    let event = u16::from_ne_bytes(*event);
    let value = u32::from_ne_bytes(*value.first_chunk::<4>()?);
    let is = |known: Event| event == known.to_raw();
    Some(if is(Event::CONNECT_DELAYED) {
        SocketChange::Connecting
    } else if is(Event::CONNECTED) {
        SocketChange::Connected
    } else if is(Event::CONNECT_RETRIED) {
        SocketChange::Retried
    } else if is(Event::ACCEPTED) {
        SocketChange::Accepted
    } else if is(Event::ACCEPT_FAILED) {
        SocketChange::NotAccepted
    } else if is(Event::HANDSHAKE_SUCCEEDED) {
        SocketChange::Established
    } else if is(Event::HANDSHAKE_FAILED_NO_DETAIL) {
        SocketChange::FailedWithoutDetail
    } else if is(Event::HANDSHAKE_FAILED_PROTOCOL) {
        SocketChange::FailedByProtocol(value)
    } else if is(Event::HANDSHAKE_FAILED_AUTH) {
        SocketChange::FailedByRefusal(value)
    } else if is(Event::DISCONNECTED) {
        SocketChange::Disconnected
    } else if is(Event::CLOSED) {
        SocketChange::ListenerClosed
    } else if is(Event::MONITOR_STOPPED) {
        SocketChange::MonitorStopped
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(event: u16, value: u32) -> Vec<u8> {
        [&event.to_ne_bytes()[..], &value.to_ne_bytes()].concat()
    }

    #[test]
    fn events_are_decoded_with_their_values() {
        let refusal = message(zmq::SocketEvent::HANDSHAKE_FAILED_AUTH.to_raw(), 400);
        assert_eq!(decode(&refusal), Some(SocketChange::FailedByRefusal(400)));
        let gone = message(zmq::SocketEvent::DISCONNECTED.to_raw(), 7);
        assert_eq!(decode(&gone), Some(SocketChange::Disconnected));
    }

    #[test]
    fn unknown_and_cut_events_are_none() {
        assert_eq!(decode(&message(0, 0)), None);
        assert_eq!(decode(&[0, 2, 0]), None);
        assert_eq!(decode(&[]), None);
    }
}
