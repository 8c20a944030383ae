//! Opening a file that others may have made.

use super::{FileError, FileSystem, MappedFile};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;

/// Whom to trust, and for what the file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRules {
    /// Accept a file that its group may write to.
    pub allow_group_write: bool,
    /// Open for reading and writing; otherwise nothing ever reaches the file.
    pub writable: bool,
}

/// An open file that passed the checks, not yet mapped.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    path: PathBuf,
    writable: bool,
}

/// Opens the regular file at `path` and checks that it may be trusted: no
/// symbolic link, owned by this user or root, writable for nobody else, on a
/// supported file system.
///
/// # Errors
///
/// A [`FileError`] that names the failed check.
pub fn open_checked(path: &Path, rules: &OpenRules) -> Result<OpenFile, FileError> {
    let access = if rules.writable {
        OFlag::O_RDWR
    } else {
        OFlag::O_RDONLY
    };
    // O_NONBLOCK: a pipe at this path must not make us wait for a writer.
    let flags = access | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let file = loop {
        match open(path, flags, Mode::empty()) {
            Ok(descriptor) => break File::from(descriptor),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(FileError::from_errno("open", path, errno)),
        }
    };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let metadata = file.metadata().map_err(|e| FileError::io("inspect", &path, e))?;
    check_kind(&path, &metadata)?;
    FileSystem::check(&file, &path)?;
    check_trust(&path, &metadata, rules)?;
    Ok(OpenFile {
        file,
        path,
        writable: rules.writable,
    })
}

fn check_kind(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    if metadata.is_dir() {
        return Err(FileError::Directory {
            path: path.to_path_buf(),
        });
    }
    if !metadata.is_file() {
        return Err(FileError::NotRegular {
            path: path.to_path_buf(),
        });
    }
    Ok(())
}

fn check_trust(path: &Path, metadata: &Metadata, rules: &OpenRules) -> Result<(), FileError> {
    let (owner, user) = (metadata.uid(), geteuid().as_raw());
    if owner != user && owner != 0 {
        return Err(FileError::Owner {
            path: path.to_path_buf(),
            owner,
            user,
        });
    }
    let mode = metadata.mode() & 0o7777;
    let refused = if rules.allow_group_write {
        OTHER_WRITE
    } else {
        OTHER_WRITE | GROUP_WRITE
    };
    if mode & refused != 0 {
        let wanted = mode & !refused;
        return Err(FileError::Permissions {
            path: path.to_path_buf(),
            mode,
            wanted,
        });
    }
    Ok(())
}

impl OpenFile {
    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length now, in bytes.
    ///
    /// # Errors
    ///
    /// When the file cannot be inspected.
    pub fn len_bytes(&self) -> Result<u64, FileError> {
        let metadata = self
            .file
            .metadata()
            .map_err(|e| FileError::io("inspect", &self.path, e))?;
        Ok(metadata.len())
    }

    /// Fills `out` from the file, without mapping it.
    ///
    /// # Errors
    ///
    /// [`FileError::Truncated`] when the file ends before `out` is full.
    pub fn read_exact_at(&self, offset_bytes: u64, out: &mut [u8]) -> Result<(), FileError> {
        match self.file.read_exact_at(out, offset_bytes) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(FileError::Truncated {
                path: self.path.clone(),
                needed_bytes: offset_bytes.saturating_add(out.len() as u64),
                len_bytes: self.len_bytes()?,
            }),
            Err(error) => Err(FileError::io("read", &self.path, error)),
        }
    }

    /// Maps the first `len_bytes` bytes.
    ///
    /// A file opened for reading is mapped privately: stores to its region are
    /// seen by this process alone.
    ///
    /// # Errors
    ///
    /// [`FileError::Truncated`] when the file is shorter, or the kernel's
    /// refusal to map it.
    pub fn map(self, len_bytes: u64) -> Result<MappedFile, FileError> {
        let file_bytes = self.len_bytes()?;
        if file_bytes < len_bytes {
            return Err(FileError::Truncated {
                path: self.path,
                needed_bytes: len_bytes,
                len_bytes: file_bytes,
            });
        }
        MappedFile::map(self.file, self.path, len_bytes, self.writable)
    }
}
