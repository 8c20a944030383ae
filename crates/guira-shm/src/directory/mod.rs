//! Files of values in a directory: made without a name, named when they are complete, opened without
//! following links.
//!
//! A path that is given here is that of a directory whose own path has no symbolic link in it, such as
//! [`std::fs::canonicalize`] gives; one on the way is then somebody's mischief, and is refused.
//!
//! | step | by | what a kill before it leaves |
//! |---|---|---|
//! | a file without a name | [`unnamed_file`] | nothing |
//! | its bytes | [`write_at`], [`clone_into`], [`copy_into`] | nothing: the kernel frees what has no name |
//! | its name | [`name_file`] | nothing |
//! | the name is gone | [`remove_file`] | the file |
//!
//! Where a file system has no unnamed files ([`unnamed_file`] gives `None`) a file has its name from the
//! start ([`new_file`]); who keeps a table of names knows which of them are complete.

mod copy;
mod map;

pub use copy::{clone_into, copy_into, write_at};
pub use map::ReadMap;

use crate::sync::point;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, access, linkat};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// A file without a name in `directory`, for reading and writing; `None` where there is no such thing.
///
/// # Errors
/// What the kernel says when it makes none.
pub fn unnamed_file(directory: &Path, mode: u32) -> io::Result<Option<File>> {
    if access("/proc/self/fd", AccessFlags::F_OK).is_err() {
        return Ok(None); // it could not be named
    }
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_TMPFILE;
    point("open without a name");
    match open(directory, flags, Mode::from_bits_truncate(mode)) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// A new file called `path`, for reading and writing.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], and what else the kernel says.
pub fn new_file(path: &Path, mode: u32) -> io::Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    point("open by a new name");
    Ok(open(path, flags, Mode::from_bits_truncate(mode))?.into())
}

/// Gives an open file (without a name, or with others) the name `path`, which must be free.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`]; `EXDEV` for a file of another file system; `EPERM` where the file system or
/// the machine's rules allow no such link.
pub fn name_file(file: &File, path: &Path) -> io::Result<()> {
    let shown = format!("/proc/self/fd/{}", file.as_raw_fd());
    point("link");
    let linked = linkat(
        AT_FDCWD,
        shown.as_str(),
        AT_FDCWD,
        path,
        AtFlags::AT_SYMLINK_FOLLOW,
    );
    Ok(linked?)
}

/// Takes the name `path` away from its file; says whether there was one.
///
/// # Errors
/// What the kernel says, but for a name that is not there.
pub fn remove_file(path: &Path) -> io::Result<bool> {
    point("unlink");
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the file `path` the name `name`, whatever had that.
///
/// # Errors
/// What the kernel says.
pub fn replace_file(path: &Path, name: &Path) -> io::Result<()> {
    point("rename");
    std::fs::rename(path, name)
}

/// Makes the directory `path` for its owner alone, or takes the one that is there.
///
/// # Errors
/// What the kernel says, and [`io::ErrorKind::NotADirectory`] for something else (a symbolic link, too) of this name.
pub fn make_directory(path: &Path) -> io::Result<()> {
    point("mkdir");
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_directory = std::fs::symlink_metadata(path)?.is_dir();
            is_directory
                .then_some(())
                .ok_or_else(|| io::ErrorKind::NotADirectory.into())
        }
        other => other,
    }
}

/// Opens the regular file `path` for reading; neither its name nor one on the way may be a symbolic link.
///
/// # Errors
/// What the kernel says; `ELOOP` for a symbolic link; [`io::ErrorKind::InvalidInput`] for what is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // O_NONBLOCK: a pipe at this path must not make us wait for a writer.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let opened = loop {
        match openat2(AT_FDCWD, path, how) {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // Kernels before 5.6, and sandboxes that do not know the call.
            Err(Errno::ENOSYS | Errno::EPERM) => break open(path, flags, Mode::empty()),
            other => break other,
        }
    };
    let file = File::from(opened?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is no regular file",
    ))
}

/// The longest file that this process may write (`RLIMIT_FSIZE`): to write more raises a signal that ends a process
/// which does not ignore it.
pub fn longest_file_bytes() -> u64 {
    getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(limit_bytes, _)| limit_bytes)
}

/// What tells one state of a file from another, as far as the kernel knows: where it lies, how long it is, and when
/// it was last changed. Two equal ones that are both older than the kernel's clock tick mean the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Device and inode numbers.
    pub identity: (u64, u64),
    /// Its length in bytes.
    pub len_bytes: u64,
    /// Space that it takes, in units of 512 bytes.
    pub blocks_512: u64,
    /// When its bytes were changed, in nanoseconds since 1970.
    pub modified_ns: i128,
    /// When it or its bytes were changed, in nanoseconds since 1970.
    pub changed_ns: i128,
}

impl FileState {
    /// The state of an open file.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn of(file: &File) -> io::Result<FileState> {
        let metadata = file.metadata()?;
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Ok(FileState {
            identity: (metadata.dev(), metadata.ino()),
            len_bytes: metadata.len(),
            blocks_512: metadata.blocks(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests;
