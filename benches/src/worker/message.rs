//! What a worker process and its parent say to each other: a line of JSON each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::bench::{Workers, Workload};
use crate::peers::Subject;
use crate::rounds::Lap;

/// What a worker opens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorkerPlan {
    pub(crate) workload: Workload,
    pub(crate) workers: Workers,
    /// How many keys were asked for.
    pub(crate) keys: usize,
    pub(crate) seed: u64,
    /// Where the parent's files and sockets are.
    pub(crate) directory: PathBuf,
    /// In the order of opening, which decides where their memory lies.
    pub(crate) subjects: Vec<Subject>,
}

/// What a worker is told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    Lap {
        subject: Subject,
        lap_ms: u64,
        /// 1, or 2 where the plan says so.
        threads: u32,
        /// How many processes start this lap together.
        processes: u64,
    },
    /// Asks what share of the keys has a value.
    Probe { subject: Subject },
}

/// What a worker says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Ready,
    Lap(Outcome),
    Kept { share: f64 },
}

/// What came of a lap.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) lap: Lap,
    /// Nanoseconds of single operations with how often each was seen; empty unless they were timed.
    pub(crate) latencies: Vec<(u64, u64)>,
}
