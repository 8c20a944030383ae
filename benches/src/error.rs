//! Why a measurement could not be made.

use std::io;

use guira_segment::{OpenError, StoreError};
use guira_shm::file::FileError;
use guira_trace::TraceError;

/// What stopped a measurement; a missed goal is not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BenchError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Cache(#[from] guira::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error("cannot {doing}: {source}")]
    System { doing: &'static str, source: io::Error },
    #[error("a worker process {problem}")]
    Worker { problem: String },
    #[error("{subject} gave the wrong value for key {key}")]
    WrongValue { subject: &'static str, key: usize },
    #[error("{subject} gave values whose sum is wrong: it does not read what was stored")]
    WrongSum { subject: &'static str },
    #[error("a server {problem}")]
    Server { problem: String },
    #[error("LMDB: {0}")]
    Lmdb(#[from] lmdb::Error),
    #[error("cannot write the results as CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("cannot draw {path}: {problem}")]
    Chart { path: String, problem: String },
    #[error("a worker process and its parent do not understand each other: {0}")]
    Message(#[from] serde_json::Error),
    #[error("no segment up to {up_to_bytes} bytes keeps every entry")]
    NeverFits { up_to_bytes: u64 },
}

/// Names what was being done when the system refused.
pub(crate) fn while_doing(doing: &'static str) -> impl FnOnce(io::Error) -> BenchError {
    move |source| BenchError::System { doing, source }
}
