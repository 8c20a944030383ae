//! What can go wrong with a segment's file, and what to do about it.

use nix::errno::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be created, opened or mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// No file has this name.
    #[error("no file at {}; create it first or check the path", path.display())]
    NotFound {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The directory that should hold the file is not there.
    #[error("no directory {}; make it or choose another path", path.display())]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The name is taken.
    #[error("{} exists already; open it, or remove it first", path.display())]
    Exists {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The last part of the path is a symbolic link.
    #[error("{} is a symbolic link, which is not followed; give the path it leads to", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// The path names a directory.
    #[error("{} is a directory; give the path of a file in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The path names a device, pipe or socket.
    #[error("{} is no regular file; choose another path", path.display())]
    NotRegular {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// This user may not do that.
    #[error("permission denied for {}; run as its owner, or give this user access to it", path.display())]
    AccessDenied {
        /// The file or directory.
        path: PathBuf,
    },
    /// The file system is mounted read-only.
    #[error("{} is on a read-only file system; choose another path or open it for reading", path.display())]
    ReadOnly {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// Somebody else owns the file and could change it at will.
    #[error("{} belongs to user {owner}, not to root or user {user}; run as user {owner} or make an own file", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// User id of its owner.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// Users who are not trusted may write to the file.
    #[error("{} has mode {mode:04o}, so others may write to it; run: chmod {wanted:04o} {}", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The same without the bits that are not allowed.
        wanted: u32,
    },
    /// Mappings, locks or futexes of this file system are not shared by all
    /// processes.
    #[error("{} is on {file_system}, which is not supported; use tmpfs (such as /dev/shm), ext4, xfs or btrfs", path.display())]
    UnsupportedFileSystem {
        /// The path that was asked for.
        path: PathBuf,
        /// Name of the file system, such as `nfs`.
        file_system: String,
    },
    /// The file system has not enough room.
    #[error("no space for {}: {needed_bytes} bytes needed, {available_bytes} available; free some, enlarge the file system or ask for less", path.display())]
    NoSpace {
        /// The path that was asked for.
        path: PathBuf,
        /// Size of the file.
        needed_bytes: u64,
        /// What the file system had left for this user.
        available_bytes: u64,
    },
    /// The file would be larger than this process or the file system allows.
    #[error("{} cannot have {needed_bytes} bytes: the limit is {limit_bytes}; raise it (ulimit -f) or ask for less", path.display())]
    SizeLimit {
        /// The path that was asked for.
        path: PathBuf,
        /// Size of the file.
        needed_bytes: u64,
        /// The largest allowed size.
        limit_bytes: u64,
    },
    /// A copy-on-write file system would not turn copying off.
    #[error("cannot turn copy-on-write off for {}: {source}; use tmpfs (such as /dev/shm), ext4 or xfs", path.display())]
    CopyOnWrite {
        /// The path that was asked for.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file ends before what is read or mapped.
    #[error("{} is truncated: {needed_bytes} bytes needed, it has {len_bytes}; remove it and create it anew", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the wanted bytes end.
        needed_bytes: u64,
        /// The file's length.
        len_bytes: u64,
    },
    /// The same file cannot be opened once more.
    #[error("cannot open {} once more: {source}; attach before giving up rights or changing the root directory, or give the file a group", path.display())]
    Reopen {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another system call failed.
    #[error("cannot {operation} {}: {source}; check the path and the limits of this process, then try again", path.display())]
    Io {
        /// What was tried, such as `map`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl FileError {
    /// The path that the error is about.
    pub fn path(&self) -> &Path {
        match self {
            FileError::NotFound { path }
            | FileError::NoDirectory { path }
            | FileError::Exists { path }
            | FileError::Symlink { path }
            | FileError::Directory { path }
            | FileError::NotRegular { path }
            | FileError::AccessDenied { path }
            | FileError::ReadOnly { path }
            | FileError::Owner { path, .. }
            | FileError::Permissions { path, .. }
            | FileError::UnsupportedFileSystem { path, .. }
            | FileError::NoSpace { path, .. }
            | FileError::SizeLimit { path, .. }
            | FileError::CopyOnWrite { path, .. }
            | FileError::Truncated { path, .. }
            | FileError::Reopen { path, .. }
            | FileError::Io { path, .. } => path,
        }
    }

    /// The variant for a failed system call.
    pub(super) fn from_errno(operation: &'static str, path: &Path, errno: Errno) -> FileError {
        let path = path.to_path_buf();
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => FileError::NotFound { path },
            Errno::EEXIST => FileError::Exists { path },
            Errno::ELOOP => FileError::Symlink { path },
            Errno::EISDIR => FileError::Directory { path },
            Errno::ENXIO | Errno::ENODEV => FileError::NotRegular { path },
            Errno::EACCES | Errno::EPERM => FileError::AccessDenied { path },
            Errno::EROFS => FileError::ReadOnly { path },
            _ => FileError::Io {
                operation,
                path,
                source: errno.into(),
            },
        }
    }

    /// The variant for a failed system call on an open file.
    pub(super) fn io(operation: &'static str, path: &Path, source: impl Into<io::Error>) -> FileError {
        FileError::Io {
            operation,
            path: path.to_path_buf(),
            source: source.into(),
        }
    }
}
