//! Watching who connects to a broker: counted always, said now and then.

use std::time::{Duration, Instant};

use super::super::handshake::HandshakeFailure;
use super::super::monitor::{Monitor, SocketChange};
use super::super::said::Said;
use super::super::socket::sleep;
use super::super::{Channel, TransportError};
use super::BrokerCounters;
use super::bind::Bound;

/// Longer than libzmq takes to close a listening socket.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The monitors of both sockets.
pub(super) struct Watch {
    pub(super) control: Monitor,
    pub(super) stream: Monitor,
    said: Said,
}

impl Watch {
    pub(super) fn of(context: &zmq::Context, bound: &Bound) -> Result<Self, TransportError> {
        Ok(Self {
            control: Monitor::of(context, &bound.control)?,
            stream: Monitor::of(context, &bound.stream)?,
            said: Said::default(),
        })
    }

    /// Takes all events so far into the counters.
    pub(super) fn count(&mut self, counters: &mut BrokerCounters) {
        while let Some(change) = self.control.next() {
            self.count_one(Channel::Control, change, counters);
        }
        while let Some(change) = self.stream.next() {
            self.count_one(Channel::Stream, change, counters);
        }
    }

    fn count_one(&mut self, channel: Channel, change: SocketChange, counters: &mut BrokerCounters) {
        let failure = match change {
            SocketChange::Accepted => {
                counters.accepted += 1;
                return;
            }
            SocketChange::Established => {
                counters.handshakes += 1;
                return;
            }
            SocketChange::Disconnected => {
                counters.disconnected += 1;
                return;
            }
            SocketChange::NotAccepted => {
                counters.not_accepted += 1;
                "no file descriptor is left for it: raise the limit (ulimit -n)".to_owned()
            }
            SocketChange::FailedByRefusal(_) => {
                counters.failed_handshakes += 1;
                // Said where the key is known.
                return;
            }
            SocketChange::FailedByProtocol(code) => {
                counters.failed_handshakes += 1;
                match HandshakeFailure::of_protocol(code) {
                    HandshakeFailure::WrongKey => {
                        "what it sent was not encrypted for this broker's key: give the agent this broker's public key"
                            .to_owned()
                    }
                    HandshakeFailure::KeysOnOneSide => HandshakeFailure::KeysOnOneSide.to_string(),
                    _ => format!("it speaks another protocol or version (code {code:#x})"),
                }
            }
            SocketChange::FailedWithoutDetail => {
                counters.failed_handshakes += 1;
                "it went away, or was silent for too long".to_owned()
            }
            SocketChange::Connecting
            | SocketChange::Connected
            | SocketChange::Retried
            | SocketChange::ListenerClosed
            | SocketChange::MonitorStopped => return,
        };
        if let Some(unsaid) = self.said.again(Instant::now()) {
            tracing::warn!(?channel, unsaid, "a peer was not let in: {failure}");
        }
    }

    /// Closes the addresses of `bound` and waits until they are free.
    pub(super) fn close(&self, bound: &Bound) -> Result<(), TransportError> {
        let sockets = [
            (&bound.control, &bound.control_address, &self.control),
            (&bound.stream, &bound.stream_address, &self.stream),
        ];
        for (socket, address, monitor) in sockets {
            socket
                .unbind(address)
                .map_err(TransportError::library("closing an address"))?;
            let give_up_at = Instant::now() + CLOSE_TIMEOUT;
            while monitor.next() != Some(SocketChange::ListenerClosed) {
                let left = give_up_at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                sleep(&mut [monitor.poll_item()], left)?;
            }
        }
        Ok(())
    }
}
