//! What the demo and its worker processes say to each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::function::Function;

/// What a worker is for: said once, when it is started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) segment: PathBuf,
    pub(crate) source: PathBuf,
    pub(crate) function: Function,
}

/// Requests for one worker, to be answered in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Deal {
    pub(crate) objects: Vec<u32>,
    pub(crate) change: Option<Change>,
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
    /// Computed, but not stored: invalidated or written meanwhile, or no room.
    pub(crate) not_stored: u64,
    /// Values that are not what the function gives.
    pub(crate) wrong_values: u64,
    /// Values older than the version that was invalidated before the read began.
    pub(crate) stale_reads: u64,
    /// What was wrong or stale, for the report.
    pub(crate) evidence: Vec<String>,
    /// How long some of the hits took.
    pub(crate) hits_ns: Vec<u64>,
    /// How long the invalidation took.
    pub(crate) invalidation_ns: Option<u64>,
}

/// One computation: of what, and from the look-up that missed to the end of its fill. Times are
/// nanoseconds of the monotonic clock, which all processes share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Computation {
    pub(crate) object: u32,
    pub(crate) version: u64,
    pub(crate) missed_ns: u64,
    pub(crate) filled_ns: u64,
    /// The function alone.
    pub(crate) work_ns: u64,
}
