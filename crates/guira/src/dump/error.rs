//! What can go wrong with a dump.

use std::io;

use guira_files::FilesError;
use guira_segment::{NamespaceError, StoreError};

use super::load::Loaded;

/// Why a dump was not written to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The segment could not be read to its end.
    #[error(transparent)]
    Segment(#[from] StoreError),
    /// The dump could not be written.
    #[error("the dump cannot be written: {0}; check the room and the permissions where it is to lie")]
    Io(#[from] io::Error),
    /// This program was built without compression.
    #[error("this program cannot compress: build guira with the feature zstd, or dump without compression")]
    NoCompression,
    /// The bytes that a stub stands for could not be looked for.
    #[error(
        "what the stub of key {key:?} stands for cannot be opened: {source}; check the directory of files"
    )]
    Stub {
        /// The entry's key, what is no text in it as escapes.
        key: Box<str>,
        /// Why.
        source: io::Error,
    },
    /// What is to be written is nothing that a segment could hold.
    #[error(
        "an entry has a key of 1 to 4,093 bytes, and at most 16 tags of 1 to 255 bytes; leave this one out"
    )]
    BadEntry,
}

/// Why a dump could not be read on. What came before can be believed, what comes after cannot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is something else.
    #[error("no dump (its first bytes are something else); give a file that `guira dump` wrote")]
    Foreign,
    /// It ends before its end.
    #[error("cut short at byte {offset_bytes}{}; copy it again, or make another dump", unpacked(*.is_compressed))]
    Cut {
        /// Where it ends; of a compressed one after decompression.
        offset_bytes: u64,
        /// Whether it is compressed.
        is_compressed: bool,
    },
    /// A check does not fit, or there is what nobody writes.
    #[error("damaged at byte {offset_bytes}{}: {what}; copy it again, or make another dump", unpacked(*.is_compressed))]
    Damaged {
        /// Where the damaged record begins; of a compressed dump after decompression.
        offset_bytes: u64,
        /// Whether it is compressed.
        is_compressed: bool,
        /// What is wrong.
        what: &'static str,
    },
    /// It was written by a newer library.
    #[error(
        "a dump of version {version}, and this program reads version {supported}; load it with the newer guira that \
         wrote it"
    )]
    Newer {
        /// Its version.
        version: u16,
        /// The version that this library reads.
        supported: u16,
    },
    /// It is compressed, and this program was built without compression.
    #[error(
        "compressed, which this program cannot read: build guira with the feature zstd, or decompress it"
    )]
    NoCompression,
    /// It cannot be read.
    #[error("cannot be read: {0}; check the file and the disk it lies on")]
    Io(#[from] io::Error),
}

const fn unpacked(is_compressed: bool) -> &'static str {
    if is_compressed {
        " of what it decompresses to"
    } else {
        ""
    }
}

/// Why a dump was not loaded to its end.
#[derive(Debug, thiserror::Error)]
#[error("{cause}; {} {} loaded before that", .loaded.entries, if .loaded.entries == 1 { "entry was" } else { "entries were" })]
pub struct LoadError {
    /// What was done before it failed; it stays.
    pub loaded: Box<Loaded>,
    /// Why it failed.
    pub cause: LoadCause,
}

/// What ended a load.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadCause {
    /// The dump.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The segment took no more.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory of files took no more.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A namespace of the dump could not be had.
    #[error("namespace {name:?}: {source}")]
    Namespace {
        /// Its name.
        name: Box<str>,
        /// Why.
        source: NamespaceError,
    },
}
