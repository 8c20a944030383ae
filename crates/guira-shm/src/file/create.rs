//! Creating a file that appears complete or not at all.

use super::file_system::directory_of;
use super::room::available_of;
use super::{FileError, FileSystem, MappedFile};
use crate::sync::point;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FallocateFlags, OFlag, RenameFlags, fallocate, open, openat, renameat2};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::statfs::fstatfs;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Bytes allocated by one call: an interrupting signal costs at most one such step.
const ALLOCATION_STEP_BYTES: u64 = 256 << 20;

/// `FS_NOCOW_FL` of the kernel's file attributes.
const NO_COPY_ON_WRITE: libc::c_long = 0x0080_0000;

nix::ioctl_read!(get_attributes, b'f', 1, libc::c_long);
nix::ioctl_write_ptr!(set_attributes, b'f', 2, libc::c_long);

/// How a file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateOptions {
    /// Permission bits, exact whatever the umask.
    pub mode: u32,
    /// Size in bytes, allocated at once.
    pub size_bytes: u64,
}

impl CreateOptions {
    /// A file of `size_bytes` bytes that only its owner may use (mode 0600).
    pub fn new(size_bytes: u64) -> CreateOptions {
        CreateOptions {
            mode: 0o600,
            size_bytes,
        }
    }
}

/// A file that is allocated and mapped but has no name yet. Dropped, or left by
/// a killed process, it was never there.
///
/// On a file system without unnamed files, or where `/proc` is missing, it has a
/// hidden name (`.guira-<random>.tmp`) until it is published: dropping removes
/// it, a kill leaves it behind.
#[derive(Debug)]
pub struct PendingFile {
    hidden_name: Option<HiddenName>,
    mapped: MappedFile,
}

/// Makes a file for `final_path` in its directory, allocated and mapped, without
/// a name.
///
/// ```
/// use guira_shm::file::{CreateOptions, create_unnamed};
/// # let directory = tempfile::tempdir().expect("a directory");
/// # let path = directory.path().join("plums");
/// # let path = path.as_path();
/// let pending = create_unnamed(path, &CreateOptions::new(1 << 20))?;
/// pending.map().region().copy_in(0, b"plums");
/// assert!(!path.exists());
/// let mapped = pending.publish(path)?;
/// assert!(path.exists() && mapped.region().equals(0, b"plums"));
/// # Ok::<(), guira_shm::file::FileError>(())
/// ```
///
/// # Errors
///
/// [`FileError::UnsupportedFileSystem`], [`FileError::NoSpace`],
/// [`FileError::SizeLimit`], [`FileError::NoDirectory`] and others: nothing is
/// left behind.
pub fn create_unnamed(final_path: &Path, options: &CreateOptions) -> Result<PendingFile, FileError> {
    let path = std::path::absolute(final_path).unwrap_or_else(|_| final_path.to_path_buf());
    let directory_path = directory_of(&path);
    let directory = open_directory(&directory_path)?;
    let file_system = FileSystem::check(&directory, &path)?;
    let (file, hidden_name) = open_new(directory, &directory_path, options.mode)?;
    let mode = Mode::from_bits_truncate(options.mode & 0o7777);
    point("fchmod");
    fchmod(&file, mode).map_err(|e| FileError::io("set the mode of", &path, e))?;
    if file_system == FileSystem::Btrfs {
        turn_copy_on_write_off(&file).map_err(|e| FileError::CopyOnWrite {
            path: path.clone(),
            source: e.into(),
        })?;
    }
    allocate(&file, &path, options.size_bytes)?;
    let mapped = MappedFile::map(file, path, options.size_bytes, true)?;
    Ok(PendingFile { hidden_name, mapped })
}

impl PendingFile {
    /// The mapped file, to be filled before it is published.
    pub fn map(&self) -> &MappedFile {
        &self.mapped
    }

    /// Gives the file its name. Its content is what was written until now: a
    /// process that opens the name sees all of it.
    ///
    /// # Errors
    ///
    /// [`FileError::Exists`] when the name is taken: open that file instead.
    pub fn publish(mut self, path: &Path) -> Result<MappedFile, FileError> {
        let published = match self.hidden_name.take() {
            Some(hidden) => hidden.rename(path),
            None => link_open_file(self.mapped.file(), path),
        };
        published.map_err(|errno| match errno {
            Errno::ENOENT | Errno::ENOTDIR if !directory_of(path).is_dir() => FileError::NoDirectory {
                path: directory_of(path),
            },
            Errno::ENOENT => FileError::io("link without /proc", path, errno),
            errno => FileError::from_errno("link", path, errno),
        })?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        self.mapped.set_path(path);
        Ok(self.mapped)
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd, FileError> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::ENOENT | Errno::ENOTDIR => FileError::NoDirectory {
            path: path.to_path_buf(),
        },
        errno => FileError::from_errno("open the directory", path, errno),
    })
}

fn open_new(
    directory: OwnedFd,
    directory_path: &Path,
    mode: u32,
) -> Result<(File, Option<HiddenName>), FileError> {
    let access = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    // Owner's bits only until the exact mode is set.
    let mode = Mode::from_bits_truncate(mode & 0o600);
    if proc_shows_descriptors() {
        point("open without a name");
        match openat(&directory, ".", access | OFlag::O_TMPFILE, mode) {
            Ok(file) => return Ok((file.into(), None)),
            // The file system, or the kernel, has no unnamed files.
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL | Errno::ENOENT) => {}
            Err(errno) => {
                return Err(FileError::from_errno("create a file in", directory_path, errno));
            }
        }
    }
    let name = format!(".guira-{:016x}.tmp", crate::fork::random_id());
    let flags = access | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    point("open by a hidden name");
    let file = openat(&directory, name.as_str(), flags, mode)
        .map_err(|errno| FileError::from_errno("create a file in", directory_path, errno))?;
    Ok((
        file.into(),
        Some(HiddenName {
            directory,
            name: name.into(),
        }),
    ))
}

/// Whether an unnamed file can be linked through `/proc`.
fn proc_shows_descriptors() -> bool {
    Path::new("/proc/self/fd").is_dir()
}

fn link_open_file(file: &File, path: &Path) -> nix::Result<()> {
    point("link");
    let shown = format!("/proc/self/fd/{}", file.as_raw_fd());
    match linkat(
        AT_FDCWD,
        shown.as_str(),
        AT_FDCWD,
        path,
        AtFlags::AT_SYMLINK_FOLLOW,
    ) {
        // Without /proc (or its directory of the path): this way needs a privilege or a newer kernel.
        Err(Errno::ENOENT) => linkat(file, "", AT_FDCWD, path, AtFlags::AT_EMPTY_PATH),
        other => other,
    }
}

fn turn_copy_on_write_off(file: &File) -> nix::Result<()> {
    let mut attributes: libc::c_long = 0;
    // SAFETY: the kernel writes at most the 8 bytes of `attributes`.
    unsafe { get_attributes(file.as_raw_fd(), &raw mut attributes) }?;
    attributes |= NO_COPY_ON_WRITE;
    // SAFETY: the kernel reads at most the 8 bytes of `attributes`.
    unsafe { set_attributes(file.as_raw_fd(), &raw const attributes) }?;
    Ok(())
}

/// Allocates every byte now, so that no later store finds the disk full.
fn allocate(file: &File, path: &Path, size_bytes: u64) -> Result<(), FileError> {
    let too_large = |limit_bytes| FileError::SizeLimit {
        path: path.to_path_buf(),
        needed_bytes: size_bytes,
        limit_bytes,
    };
    // Checked first: to exceed the limit would raise SIGXFSZ.
    if let Ok((limit_bytes, _)) = getrlimit(Resource::RLIMIT_FSIZE)
        && size_bytes > limit_bytes
    {
        return Err(too_large(limit_bytes));
    }
    let available_bytes = fstatfs(file).map_or(u64::MAX, |stat| available_of(&stat));
    let no_space = || FileError::NoSpace {
        path: path.to_path_buf(),
        needed_bytes: size_bytes,
        available_bytes,
    };
    // What cannot fit is not tried: on the way to the error nobody else would find space, and in
    // memory the out-of-memory killer may come before it.
    if size_bytes > available_bytes {
        return Err(no_space());
    }
    let mut from = 0;
    while from < size_bytes {
        let step = ALLOCATION_STEP_BYTES.min(size_bytes - from);
        let (Ok(offset), Ok(len)) = (i64::try_from(from), i64::try_from(step)) else {
            return Err(too_large(i64::MAX as u64));
        };
        point("fallocate");
        match fallocate(file, FallocateFlags::empty(), offset, len) {
            Ok(()) => from += step,
            Err(Errno::EINTR) => {}
            Err(Errno::ENOSPC | Errno::EDQUOT) => return Err(no_space()),
            Err(Errno::EFBIG) => return Err(too_large(from)),
            Err(errno) => return Err(FileError::io("allocate", path, errno)),
        }
    }
    Ok(())
}

/// The name of a pending file where it has to have one; removed when dropped.
#[derive(Debug)]
struct HiddenName {
    directory: OwnedFd,
    name: PathBuf,
}

impl HiddenName {
    fn rename(self, path: &Path) -> nix::Result<()> {
        point("rename");
        renameat2(
            &self.directory,
            &self.name,
            AT_FDCWD,
            path,
            RenameFlags::RENAME_NOREPLACE,
        )
    }
}

impl Drop for HiddenName {
    fn drop(&mut self) {
        point("unlink");
        // After a rename there is no such name any more, which is as well.
        let _ = unlinkat(&self.directory, &self.name, UnlinkatFlags::NoRemoveDir);
    }
}
