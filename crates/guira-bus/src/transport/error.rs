//! What keeps sockets from being opened.

use std::io;
use std::path::PathBuf;

use super::keys::KeyError;
use super::{Channel, Endpoint};

/// Why sockets could not be opened or polled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Somebody else listens there.
    #[error(
        "{endpoint} is in use: a broker takes `{}` and `{}`, and somebody listens at `{address}`; stop that, or name \
         another endpoint", endpoint.socket_address(Channel::Control), endpoint.socket_address(Channel::Stream)
    )]
    InUse {
        /// What was to be bound.
        endpoint: Endpoint,
        /// The one of its addresses that was taken.
        address: String,
    },
    /// Others than this machine could connect, and nothing would tell friend from foe.
    #[error(
        "{endpoint} can be reached from other machines, and there are no keys: make some with \
         `guira keygen`, bind a loopback address, or say that it is to be insecure"
    )]
    PublicWithoutKeys {
        /// What was to be bound.
        endpoint: Endpoint,
    },
    /// The host name has no address.
    #[error("the host of {endpoint} has no address: {reason}")]
    Unresolvable {
        /// What was to be bound.
        endpoint: Endpoint,
        /// What the resolver said.
        reason: String,
    },
    /// The address is not one of this machine's, or may not be bound by this user.
    #[error("{endpoint} cannot be bound: {reason}")]
    NotBindable {
        /// What was to be bound.
        endpoint: Endpoint,
        /// What the system said.
        reason: String,
    },
    /// The endpoint is one to bind, not one to connect to.
    #[error("{endpoint} does not say whom to connect to: name one host and its port")]
    NotConnectable {
        /// What was to be connected to.
        endpoint: Endpoint,
    },
    /// Only one of agent and broker has a key.
    #[error("no keys for {endpoint}: {whose} is missing, and they go together")]
    KeyMissing {
        /// The broker's endpoint.
        endpoint: Endpoint,
        /// What is missing.
        whose: &'static str,
    },
    /// A key could not be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file that guards a unix socket, or the socket's own permissions.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread or file descriptor.
    #[error("no {what}: {source}")]
    Resources {
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// libzmq refused for a reason that should not occur.
    #[error("libzmq, {doing}: {reason}")]
    Library {
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        reason: String,
    },
}

impl TransportError {
    /// For `map_err` on libzmq's answers.
    pub(super) fn library(doing: &'static str) -> impl Fn(zmq::Error) -> Self {
        move |error| Self::Library {
            doing,
            reason: error.message().to_owned(),
        }
    }
}
