//! Files of values in a directory: made, named, opened without following links, removed.
//!
//! A path that is given here is that of a directory whose own path has no symbolic link in it, such as
//! [`std::fs::canonicalize`] gives; one on the way is then somebody's mischief, and is refused.
//!
//! | step | by | what a kill before it leaves |
//! |---|---|---|
//! | a file without a name | [`unnamed_file`] | nothing |
//! | its bytes | [`write_whole`], [`write_at`], [`clone_into`], [`copy_into`] | nothing: the kernel frees what has no name |
//! | its name | [`name_file`] | nothing |
//! | the name is gone | [`remove_file`] | the file |
//!
//! A file may have its name from the start ([`new_file`]): whoever keeps a table of names knows which of them are complete.
//! On ext4 that is a tenth cheaper for 100 KB, and where a file system has no unnamed files ([`unnamed_file`] gives `None`)
//! it is the only way.

mod copy;
mod map;
mod read;

pub use copy::{clone_into, copy_into, write_at, write_whole};
pub use map::ReadMap;
pub use read::read_at;

use crate::sync::point;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{AccessFlags, access, linkat};
use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::OnceLock;

/// A file without a name in `directory`, for reading and writing; `None` where there is no such thing.
///
/// # Errors
/// What the kernel says when it makes none.
pub fn unnamed_file(directory: &Path, mode: u32) -> io::Result<Option<File>> {
    static CAN_BE_NAMED: OnceLock<bool> = OnceLock::new();
    let is_there = || access("/proc/self/fd", AccessFlags::F_OK).is_ok();
    if !CAN_BE_NAMED.get_or_init(is_there) {
        return Ok(None);
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
    point("link");
    // Kernels before 6.10 let only the powerful do so, and say that there is no such file.
    match linkat(file, "", AT_FDCWD, path, AtFlags::AT_EMPTY_PATH) {
        Err(Errno::ENOENT) => {}
        linked => return Ok(linked?),
    }
    let shown = format!("/proc/self/fd/{}", file.as_raw_fd());
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

/// Opens the regular file `path` for reading, and looks at its state; neither its name nor one on the way may be a
/// symbolic link.
///
/// # Errors
/// What the kernel says; `ELOOP` for a symbolic link; [`io::ErrorKind::InvalidInput`] for what is no regular file.
pub fn open_regular(path: &Path) -> io::Result<(File, FileState)> {
    open_below(AT_FDCWD, path)
}

/// A directory that is kept open: the way to it is walked once, and not for each file in it.
///
/// A program may close descriptors that it does not know, and open something else that gets the same number. So what
/// is found here is to be believed only if its [`FileState`] is one that is known, and what is not found is to be looked
/// for by its path.
#[derive(Debug)]
pub struct Folder {
    directory: OwnedFd,
}

impl Folder {
    /// Opens the directory `path`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open(path: &Path) -> io::Result<Folder> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(Folder {
            directory: open(path, flags, Mode::empty())?,
        })
    }

    /// As [`open_regular`], of a file in this directory or below.
    ///
    /// # Errors
    /// As there.
    pub fn open_regular(&self, name: &Path) -> io::Result<(File, FileState)> {
        open_below(self.directory.as_fd(), name)
    }

    /// The state of what has this name in this directory or below.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn state_of(&self, name: &Path) -> io::Result<FileState> {
        let stat = fstatat(self.directory.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        Ok(FileState {
            identity: (stat.st_dev, stat.st_ino),
            len_bytes: stat.st_size.max(0) as u64,
            blocks_512: stat.st_blocks.max(0) as u64,
            modified_ns: ns(stat.st_mtime, stat.st_mtime_nsec),
            changed_ns: ns(stat.st_ctime, stat.st_ctime_nsec),
        })
    }
}

fn open_below(directory: BorrowedFd<'_>, path: &Path) -> io::Result<(File, FileState)> {
    // O_NONBLOCK: a pipe at this path must not make us wait for a writer.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let opened = loop {
        match openat2(directory, path, how) {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // Kernels before 5.6, and sandboxes that do not know the call.
            Err(Errno::ENOSYS | Errno::EPERM) => break openat(directory, path, flags, Mode::empty()),
            other => break other,
        }
    };
    let file = File::from(opened?);
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok((file, FileState::from(&metadata)));
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
        Ok(Self::from(&file.metadata()?))
    }
}

impl From<&Metadata> for FileState {
    fn from(metadata: &Metadata) -> Self {
        FileState {
            identity: (metadata.dev(), metadata.ino()),
            len_bytes: metadata.len(),
            blocks_512: metadata.blocks(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn ns(seconds: i64, ns: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(ns)
}

#[cfg(test)]
mod tests;
