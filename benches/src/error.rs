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
    #[error("memcached {problem}")]
    Memcached { problem: String },
    #[error("no segment up to {up_to_bytes} bytes keeps every entry")]
    NeverFits { up_to_bytes: u64 },
}

/// Names what was being done when the system refused.
pub(crate) fn while_doing(doing: &'static str) -> impl FnOnce(io::Error) -> BenchError {
    move |source| BenchError::System { doing, source }
}
