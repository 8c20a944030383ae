//! Frames between hosts: ZeroMQ sockets, with CURVE where they leave the machine.
//!
//! A broker has two sockets, an agent two for each broker: *control*, where a frame goes from one
//! to one, and the *stream*, where a frame goes to all who subscribed to its topic. What is in a
//! frame is not known here.
//!
//! One thread owns the sockets of a broker ([`BrokerSockets`]) or of an agent ([`AgentSockets`])
//! and sleeps in their `poll`; any other thread wakes it by its [`Waker`]. Nothing blocks but
//! `poll`: a frame that finds a full queue or no peer is dropped and counted. Frames may be lost,
//! also without a count, and come twice or out of order after a reconnect; what is built on this
//! numbers them.
//!
//! ```
//! use std::time::Duration;
//! use guira_bus::transport::{
//!     AgentEvent, AgentOptions, AgentSockets, BrokerEvent, BrokerOptions, BrokerSockets,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut broker = BrokerSockets::bind(&BrokerOptions::new("tcp://127.0.0.1:0".parse()?))?;
//! let mut agent = AgentSockets::connect(&AgentOptions::new([broker.endpoint().clone()]))?;
//!
//! let (mut at_broker, mut at_agent) = (Vec::new(), Vec::new());
//! while at_agent.iter().all(|event| !matches!(event, AgentEvent::Control { .. })) {
//!     let _ = agent.send(0, b"hello".to_vec()); // dropped while there is no connection yet
//!     broker.poll(Duration::from_millis(10), &mut at_broker)?;
//!     for event in at_broker.drain(..) {
//!         if let BrokerEvent::Control { peer, frame } = event {
//!             let _ = broker.send(&peer, frame);
//!         }
//!     }
//!     agent.poll(Duration::from_millis(10), &mut at_agent)?;
//! }
//! # Ok(()) }
//! ```

#![warn(missing_docs)]

mod agent;
mod broker;
mod endpoint;
mod error;
mod handshake;
pub mod keys;
mod library;
mod monitor;
pub(crate) mod said;
mod settings;
mod socket;
mod waker;

pub use agent::{AgentCounters, AgentEvent, AgentOptions, AgentSockets, BrokerAddress, LinkChange};
pub use broker::{BrokerCounters, BrokerEvent, BrokerKeys, BrokerOptions, BrokerSockets, PeerId};
pub use endpoint::{Endpoint, EndpointError};
pub use error::TransportError;
pub use handshake::HandshakeFailure;
pub use library::{has_curve, library_version};
pub use settings::SocketSettings;
pub use socket::{Channel, Sent};
pub use waker::Waker;
