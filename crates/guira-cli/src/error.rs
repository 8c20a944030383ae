//! What ends a command early; each message is one line for standard error.

use std::io;
use std::path::{Path, PathBuf};

use guira::coherence::CoherenceError;
use guira_bus::transport::TransportError;
use guira_bus::transport::keys::KeyError;
use guira_files::FilesError;
use guira_segment::{NamespaceError, OpenError, StoreError};
use guira_trace::TraceError;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// What was asked makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The segment could not be created or opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A value was not stored.
    #[error("{}: {source}", path.display())]
    Store {
        /// The segment.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// A namespace could not be used.
    #[error("{}: {source}", path.display())]
    Namespace {
        /// The segment.
        path: PathBuf,
        /// Why.
        source: NamespaceError,
    },
    /// A trace could not be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The segment is damaged.
    #[error("{}: {count} faults are left; {advice}", path.display())]
    Faults {
        /// The segment.
        path: PathBuf,
        /// How many.
        count: usize,
        /// What to do.
        advice: &'static str,
    },
    /// There is nothing where something was expected; the message says how to make it.
    #[error("{0}")]
    Missing(String),
    /// A directory of files could not be made or opened.
    #[error(transparent)]
    FilesOpen(Box<FilesError>),
    /// A value of a directory of files could not be read or written.
    #[error(transparent)]
    Files(Box<FilesError>),
    /// Values of a directory of files were damaged.
    #[error("{}: {count} values were damaged or gone, and are removed; look at the disk it lies on", path.display())]
    Removed {
        /// The directory.
        path: PathBuf,
        /// How many.
        count: u64,
    },
    /// Keys of the bus could not be made or read.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Sockets of the bus could not be opened.
    #[error(transparent)]
    Bus(#[from] TransportError),
    /// Coherence is not to be had.
    #[error(transparent)]
    Coherence(Box<CoherenceError>),
    /// Another file could not be read or written.
    #[error("cannot {action} {}: {source}; check the path and its permissions", path.display())]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}; check where it leads")]
    Output(io::Error),
    /// Anything else: a failed check, a refusal of the command itself.
    #[error("{0}")]
    Failed(String),
}

/// An error of the library as one of a command.
pub(crate) fn of_guira(error: guira::Error) -> CliError {
    match error {
        guira::Error::Open(error) => CliError::Open(*error),
        guira::Error::Coherence(error) => CliError::Coherence(error),
        error => CliError::Failed(error.to_string()),
    }
}

impl From<guira::Error> for CliError {
    fn from(error: guira::Error) -> Self {
        of_guira(error)
    }
}

impl CliError {
    /// A failed call on a file other than the segment.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    /// A store error of the segment at `path`.
    pub(crate) fn store(path: &Path) -> impl FnOnce(StoreError) -> Self {
        move |source| Self::Store {
            path: path.to_path_buf(),
            source,
        }
    }
}
