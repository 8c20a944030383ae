//! What can go wrong with a directory of files. A miss is never an error.

use std::io;
use std::path::{Path, PathBuf};

use guira_shm::file::FileError;

/// Why a directory of files could not be opened, or did not take or give a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The table could not be created, opened or mapped.
    #[error(transparent)]
    Table(Box<FileError>),
    /// The index of a files cache could not be created or opened.
    #[error(transparent)]
    Index(Box<guira_segment::OpenError>),
    /// The index refused the entry: a bad key, tag or deadline, or no room for its stub.
    #[error(transparent)]
    Entry(#[from] guira_segment::StoreError),
    /// There is none.
    #[error("{path}: no files cache; make one there first, or check the path")]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something that is no files cache is in the way.
    #[error(
        "{path}: {problem}; give the path of a files cache, or of a directory that is empty or not there yet"
    )]
    NotOurs {
        /// What is in the way.
        path: PathBuf,
        /// What it is.
        problem: &'static str,
    },
    /// Others could change the files.
    #[error("{path}: mode {mode:04o} lets others write; run: chmod 0700 {path}")]
    Permissions {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else's directory.
    #[error(
        "{path}: belongs to user {owner}, not to user {user}; run as user {owner}, or take a directory of your own"
    )]
    Owner {
        /// The directory.
        path: PathBuf,
        /// User id of its owner.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// The table is damaged, or another version's.
    #[error("{path}: {problem}; stop the processes that use the directory and remove it: it is a cache")]
    Damaged {
        /// The table.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The directory belongs to another segment, which is in use; or it was to be looked at only.
    #[error("{path}: its files belong to another segment; name that one, or take another directory")]
    OtherSegment {
        /// The table.
        path: PathBuf,
    },
    /// Another process is putting a new table in the place of an outlived one, and does not come to an end.
    #[error(
        "{path}: another process has been renewing it for {waited_ms} ms; if it is stopped, continue or end it, then try again"
    )]
    Busy {
        /// The table.
        path: PathBuf,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// A new table took the place of the one that was opened.
    #[error("{path}: a new table has taken its place; close the directory and open it again")]
    Outlived {
        /// The table.
        path: PathBuf,
    },
    /// Somebody removed the directory while it was in use.
    #[error("{path}: the directory was removed while it was in use; close it and open it again")]
    Removed {
        /// The directory.
        path: PathBuf,
    },
    /// The limit leaves no room for values.
    #[error(
        "a limit of {limit_bytes} bytes is too small: table, index and directories take {overhead_bytes}; allow at least {needed_bytes}"
    )]
    LimitTooSmall {
        /// What was asked for.
        limit_bytes: u64,
        /// What is taken before the first value.
        overhead_bytes: u64,
        /// What would do.
        needed_bytes: u64,
    },
    /// No row is left in the table.
    #[error("{path}: {rows} processes have it open, which is all there is room for; close some")]
    TooManyProcesses {
        /// The table.
        path: PathBuf,
        /// How many it has room for.
        rows: usize,
    },
    /// The value is larger than the limit.
    #[error(
        "a value of {value_bytes} bytes does not fit a limit that leaves {room_bytes} to all values; raise the limit, or keep it elsewhere"
    )]
    ValueTooLarge {
        /// Bytes of the value, as far as they were counted.
        value_bytes: u64,
        /// What all values together may take.
        room_bytes: u64,
    },
    /// This process may not write files of this size.
    #[error(
        "a file of {file_bytes} bytes is longer than this process may write, {limit_bytes}; raise the limit (ulimit -f)"
    )]
    SizeLimit {
        /// Bytes of the file, as far as they were counted.
        file_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// All space is held by values that are being written at this moment.
    #[error(
        "no room: what is there is being written by others at this moment; try again, or raise the limit"
    )]
    Crowded,
    /// The disk is full, or a quota is.
    #[error("{path}: no space left on the disk, or a quota is used up; make room, or lower the limit")]
    NoSpace {
        /// The directory.
        path: PathBuf,
    },
    /// The source of a value could not be read.
    #[error("the value's source could not be read: {source}")]
    Source {
        /// What it said.
        source: io::Error,
    },
    /// The system refused something else.
    #[error("{path}: cannot {action} it: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FilesError {
    pub(crate) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let (source, path) = (source.into(), path.to_path_buf());
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::NoSpace { path }
            }
            _ => Self::Io { action, path, source },
        }
    }
}

impl From<FileError> for FilesError {
    fn from(error: FileError) -> Self {
        Self::Table(Box::new(error))
    }
}

impl From<guira_segment::OpenError> for FilesError {
    fn from(error: guira_segment::OpenError) -> Self {
        Self::Index(Box::new(error))
    }
}
