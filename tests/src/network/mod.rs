//! Hosts that agree over a real network in which everything goes wrong: namespaces on a bridge that loses packets,
//! hosts and brokers that are cut off, processes that are killed and stopped.
//!
//! What must not happen: a trusted hit that is older than what was promised when the read began; a host that does
//! not trust again, or has not told everything, soon after the last fault is over; a process that ends by itself.

mod crew;
mod fault;
mod healing;
mod lab;
mod report;
mod run;
mod truth;
mod weather;
mod worker;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::experiment::{Assignment, ExperimentError};
use crate::random::Random;

pub use fault::{KINDS, Kind};
pub use healing::Healing;
pub use lab::{Lab, LabError, Place};
pub use report::{Heals, LegReport, NetworkReport, Standing};
pub use run::{Form, Wish, run};
pub use weather::{Way, Weather};

const CLUSTER: &str = "network";
const CACHE: &str = "values";

/// A broker, as hosts are told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BrokerAt {
    /// `tcp://..`
    pub address: String,
    /// Its public key.
    pub key: Option<String>,
}

/// What is broken on purpose, to see that it is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
pub enum Mistake {
    /// Workers give out hits that are beyond trust.
    IgnoreTrust,
    /// What was accepted is said to be applied everywhere.
    Haste,
    /// One change of the source in a hundred is not invalidated.
    ForgetSome,
}

/// One laboratory and what happens in it, as a worker is told of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// Where segments, board, keys and logs are made.
    pub directory: PathBuf,
    /// Hosts.
    pub hosts: usize,
    /// Workers of each.
    pub workers: usize,
    /// Brokers.
    pub brokers: Vec<BrokerAt>,
    /// Whether all connections are encrypted.
    pub has_keys: bool,
    /// How old a trusted hit may be, ms.
    pub bound_ms: u64,
    /// Losses to choose from, of a hundred packets.
    pub loss_percent: Vec<u64>,
    /// The longest fault, ms; none at all for 0.
    pub longest_ms: u64,
    /// Faults to choose from.
    pub kinds: Vec<Kind>,
    /// How long, s.
    pub seconds: f64,
    /// Of every random choice.
    pub seed: u64,
    /// What is broken on purpose.
    pub mistake: Option<Mistake>,
}

impl NetworkPlan {
    fn segment_path(&self, host: usize) -> PathBuf {
        self.directory.join(format!("host {host}.guira"))
    }

    fn board_path(&self) -> PathBuf {
        self.directory.join("board")
    }

    fn journal_path(&self) -> PathBuf {
        self.directory.join("journal.txt")
    }

    fn host_keys(&self, host: usize) -> PathBuf {
        self.directory.join(format!("keys of host {host}"))
    }

    fn broker_keys(&self, broker: usize) -> PathBuf {
        self.directory.join(format!("keys of broker {broker}"))
    }
}

/// Why an experiment could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// There is no laboratory.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A process could not be started or signalled, or a file not written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// What experiments have in common could not be had.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// The board could not be made or opened.
    #[error(transparent)]
    Board(#[from] guira_shm::file::FileError),
    /// A segment could not be made.
    #[error(transparent)]
    Segment(#[from] guira_segment::OpenError),
    /// A namespace could not be had.
    #[error(transparent)]
    Namespace(#[from] guira_segment::NamespaceError),
    /// A cache could not be opened.
    #[error(transparent)]
    Cache(#[from] guira::Error),
    /// Keys could not be made.
    #[error(transparent)]
    Keys(#[from] guira_bus::transport::keys::KeyError),
    /// The plan that a worker was given is not one.
    #[error("the plan is not one: {0}; the conductor passes it, do not write it by hand")]
    Plan(#[from] serde_json::Error),
    /// The hosts never trusted, before anything went wrong.
    #[error("hosts were not trusted within {seconds} s of a start without faults: {told}")]
    NotActive {
        /// How long it was waited for.
        seconds: u64,
        /// What is known.
        told: String,
    },
}

/// Works as `worker` of the plan until its board says that it is over.
///
/// # Errors
/// What could not be opened.
pub fn work(plan: &str, worker: usize, incarnation: u64) -> Result<(), NetworkError> {
    let plan: NetworkPlan = serde_json::from_str(plan)?;
    let board = Board::open(&plan.board_path())?;
    worker::work(&plan, &board, Assignment { worker, incarnation })
}

/// The name under which brokers let a host in.
fn allowed_file(folder: &Path, host: usize) -> PathBuf {
    folder
        .join(guira_bus::transport::keys::ALLOWED_FOLDER)
        .join(format!("host{host}.key"))
}
