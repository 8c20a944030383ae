//! What the demo and its worker processes say to each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::function::Function;

/// Where a broker is to listen: said once, when it is started. It answers with where it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BrokerTask {
    pub(crate) endpoint: String,
    pub(crate) cluster: String,
}

/// What a worker is for: said once, when it is started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Which host it works on.
    pub(crate) host: usize,
    /// Segments, by host.
    pub(crate) segments: Vec<PathBuf>,
    pub(crate) broker: String,
    pub(crate) cluster: String,
    pub(crate) source: PathBuf,
    pub(crate) function: Function,
}

/// Requests for one worker, to be answered in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Deal {
    pub(crate) objects: Vec<u32>,
    /// In the order of their places.
    pub(crate) changes: Vec<Change>,
}

/// A change of the source, and so an invalidation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Before which of the deal's requests.
    pub(crate) before: usize,
    pub(crate) object: u32,
    pub(crate) version: u64,
}

/// How a deal was answered.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// Answered by a value that was there.
    pub(crate) hits: u64,
    /// Answered by a value that another worker was computing.
    pub(crate) joined: u64,
    /// Answered by computing.
    pub(crate) computations: Vec<Computation>,
    /// Values that are not what the function gives.
    pub(crate) wrong_values: u64,
    /// Trusted values older than the version that had to be seen on this host when the read began.
    pub(crate) stale_reads: u64,
    /// What was wrong or stale, for the report.
    pub(crate) evidence: Vec<String>,
    /// How long some of the hits took.
    pub(crate) hits_ns: Vec<u64>,
    /// How long invalidations took, to their return.
    pub(crate) invalidations_ns: Vec<u64>,
    /// How long it took until the brokers had accepted them.
    pub(crate) accepted_ns: Vec<u64>,
    /// Objects whose change is announced to every host, from whatever deal.
    pub(crate) announced: Vec<u32>,
    /// Whether this worker is its host's agent.
    pub(crate) is_agent: bool,
}

/// One computation: of what, and from the look-up that missed to the end of its fill. Times are
/// nanoseconds of the monotonic clock, which all processes share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Computation {
    pub(crate) object: u32,
    pub(crate) version: u64,
    pub(crate) missed_ns: u64,
    pub(crate) filled_ns: u64,
    /// Whether the host was trusted at the look-up; else what is there counts as missing.
    pub(crate) is_trusted: bool,
    /// The function alone.
    pub(crate) work_ns: u64,
}
