//! What can go wrong with coherence.

use std::time::Duration;

use guira_bus::runtime::ProcessorError;
use guira_bus::transport::keys::KeyError;
use guira_bus::transport::{EndpointError, TransportError};

use super::announced::Reach;

/// Why coherence was not to be had, or an invalidation did not get as far as was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoherenceError {
    /// No broker, or too many.
    #[error("{count} brokers are named: name 1 to 16, the same on every host")]
    Brokers {
        /// How many.
        count: usize,
    },
    /// A broker in this process beside others, or with keys.
    #[error("a broker in the process itself is the only one and has no keys: run `guira broker` for more")]
    BrokerHere,
    /// A bound that cannot be kept.
    #[error("a bound of {} ms: 50 to 1,500 ms can be kept", bound.as_millis())]
    Bound {
        /// What was asked for.
        bound: Duration,
    },
    /// A processor that there is not.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// An address that is none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Keys that cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Sockets that cannot be had.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Coherence was asked for and is not active.
    #[error("the cache is not coherent with cluster {cluster:?} after {} ms: {reason}", waited.as_millis())]
    NotActive {
        /// The cluster.
        cluster: Box<str>,
        /// How long it was waited for.
        waited: Duration,
        /// What is known of the reason.
        reason: Box<str>,
    },
    /// The cache was opened without coherence.
    #[error("the cache was opened without coherence: give GuiraBuilder::coherence a cluster")]
    NotCoherent,
    /// A strict read was not answered in time.
    #[error("no majority of the brokers said within {} ms what had been accepted when the read began: {reason}", waited.as_millis())]
    Unconfirmed {
        /// How long it was waited for.
        waited: Duration,
        /// What is known of the reason.
        reason: Box<str>,
    },
    /// An invalidation has not come so far yet. It will: it is in the journal.
    #[error("not {reach} within {} ms; {unaccepted} records of this host wait to be accepted", waited.as_millis())]
    Unannounced {
        /// How far it was to come.
        reach: Reach,
        /// How long it was waited for.
        waited: Duration,
        /// Records of this host that no majority of brokers has.
        unaccepted: u64,
    },
}
