//! The exit status: what a script can tell apart.

use std::process::ExitCode;

use guira::coherence::CoherenceError;
use guira_bus::transport::TransportError;
use guira_files::FilesError;
use guira_segment::{FileError, NamespaceError, OpenError, StoreError};
use guira_trace::TraceError;

use crate::error::CliError;

/// How the command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: a miss, or nothing found.
    NotFound,
    /// 2: wrong usage, such as a bad key, lifetime or size, or an oversized value.
    Usage,
    /// 3: the segment is missing, damaged, foreign, of another version, or refused.
    Segment,
    /// 4: anything else, such as a path that exists already, no space, or a failed check.
    Failed,
}

impl Exit {
    /// The status as a number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotFound => 1,
            Self::Usage => 2,
            Self::Segment => 3,
            Self::Failed => 4,
        }
    }

    /// The status that an error ends with.
    #[must_use]
    pub fn of(error: &CliError) -> Self {
        match error {
            CliError::Usage(_) => Self::Usage,
            CliError::Faults { .. } | CliError::Missing(_) | CliError::Removed { .. } => Self::Segment,
            CliError::FilesOpen(error) => Self::of_files(error, Self::Segment),
            CliError::Files(error) => Self::of_files(error, Self::Failed),
            CliError::Open(error) => Self::of_open(error),
            CliError::Store { source, .. } => Self::of_store(source),
            CliError::Namespace { source, .. } => match source {
                NamespaceError::BadName { .. } => Self::Usage,
                _ => Self::Failed,
            },
            CliError::Trace(TraceError::UnknownExtension { .. }) => Self::Usage,
            CliError::Bus(error) => Self::of_transport(error),
            CliError::Coherence(error) => match &**error {
                CoherenceError::Brokers { .. }
                | CoherenceError::BrokerHere
                | CoherenceError::Bound { .. }
                | CoherenceError::Endpoint(_) => Self::Usage,
                CoherenceError::Transport(error) => Self::of_transport(error),
                _ => Self::Failed,
            },
            CliError::Trace(_)
            | CliError::Keys(_)
            | CliError::Io { .. }
            | CliError::Output(_)
            | CliError::Failed(_) => Self::Failed,
        }
    }

    const fn of_transport(error: &TransportError) -> Self {
        match error {
            TransportError::PublicWithoutKeys { .. }
            | TransportError::NotConnectable { .. }
            | TransportError::KeyMissing { .. } => Self::Usage,
            _ => Self::Failed,
        }
    }

    const fn of_open(error: &OpenError) -> Self {
        match error {
            OpenError::File(error) => Self::of_file(error),
            OpenError::Foreign { .. }
            | OpenError::Truncated { .. }
            | OpenError::WrongEndian { .. }
            | OpenError::Version { .. }
            | OpenError::Features { .. }
            | OpenError::OtherCluster { .. }
            | OpenError::Damaged { .. } => Self::Segment,
            OpenError::Options { .. } => Self::Usage,
            _ => Self::Failed,
        }
    }

    const fn of_file(error: &FileError) -> Self {
        match error {
            FileError::NotFound { .. }
            | FileError::NoDirectory { .. }
            | FileError::Symlink { .. }
            | FileError::Directory { .. }
            | FileError::NotRegular { .. }
            | FileError::AccessDenied { .. }
            | FileError::ReadOnly { .. }
            | FileError::Owner { .. }
            | FileError::Permissions { .. }
            | FileError::UnsupportedFileSystem { .. }
            | FileError::CopyOnWrite { .. }
            | FileError::Truncated { .. } => Self::Segment,
            _ => Self::Failed,
        }
    }

    /// What the system refused is `refused`: the directory itself, or a value.
    const fn of_files(error: &FilesError, refused: Self) -> Self {
        match error {
            FilesError::Table(error) => Self::of_file(error),
            FilesError::Index(error) => Self::of_open(error),
            FilesError::Entry(error) => Self::of_store(error),
            FilesError::NotFound { .. }
            | FilesError::NotOurs { .. }
            | FilesError::Permissions { .. }
            | FilesError::Owner { .. }
            | FilesError::Damaged { .. }
            | FilesError::OtherSegment { .. } => Self::Segment,
            FilesError::LimitTooSmall { .. } | FilesError::ValueTooLarge { .. } => Self::Usage,
            FilesError::Io { .. } => refused,
            _ => Self::Failed,
        }
    }

    const fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::EmptyKey { .. }
            | StoreError::KeyTooLong { .. }
            | StoreError::ValueTooLarge { .. }
            | StoreError::BadTags { .. }
            | StoreError::BadExpiry { .. } => Self::Usage,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_path_that_is_taken_is_no_refused_segment() {
        let path = PathBuf::from("/x");
        let exists = CliError::from(OpenError::from(FileError::Exists { path: path.clone() }));
        assert_eq!(Exit::of(&exists).code(), 4);
        let symlink = CliError::from(OpenError::from(FileError::Symlink { path: path.clone() }));
        assert_eq!(Exit::of(&symlink).code(), 3);
        let foreign = CliError::from(OpenError::Foreign { path });
        assert_eq!(Exit::of(&foreign).code(), 3);
    }

    #[test]
    fn no_room_is_another_failure_than_a_value_that_never_fits() {
        let store = |source| CliError::Store {
            path: PathBuf::from("/x"),
            source,
        };
        assert_eq!(Exit::of(&store(StoreError::NoSpace)).code(), 4);
        let too_large = StoreError::ValueTooLarge {
            value_bytes: 2,
            max_bytes: 1,
        };
        assert_eq!(Exit::of(&store(too_large)).code(), 2);
    }
}
