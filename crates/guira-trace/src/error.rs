//! Why a trace file could not be read.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::compact::CompactError;

/// Why [`Trace::read`](crate::Trace::read) gave no trace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// There is no file at the path.
    #[error("no trace at {}; check the path", path.display())]
    Missing {
        /// The path asked for.
        path: PathBuf,
    },
    /// The file exists but reading it failed.
    #[error("cannot read the trace {}: {source}; check that it is a readable file", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name ends in none of the known extensions.
    #[error(
        "unknown kind of trace {}; name it .keys, .sized, .keys.zst, .sized.zst or .compact.zst after its records",
        path.display()
    )]
    UnknownExtension {
        /// The file.
        path: PathBuf,
    },
    /// The name ends in `.zst` but the content is not zstd.
    #[error("{} is not zstd; drop .zst from its name if it is uncompressed", path.display())]
    NotZstd {
        /// The file.
        path: PathBuf,
    },
    /// The zstd content is cut short or corrupt.
    #[error("the zstd data of {} is cut short or corrupt: {source}; fetch the file again", path.display())]
    DamagedZstd {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: io::Error,
    },
    /// The content ends inside a record.
    #[error(
        "{} ends inside a record: {trailing_bytes} bytes are left of a {record_bytes}-byte record; fetch the file again or correct its extension",
        path.display()
    )]
    TruncatedRecord {
        /// The file.
        path: PathBuf,
        /// Length of one record.
        record_bytes: usize,
        /// What is left after the last whole record.
        trailing_bytes: usize,
    },
    /// The content of a `.compact.zst` file is not a compact trace.
    #[error("cannot decode the compact trace {}: {source}", path.display())]
    Compact {
        /// The file.
        path: PathBuf,
        /// What is wrong with the content.
        source: CompactError,
    },
}
