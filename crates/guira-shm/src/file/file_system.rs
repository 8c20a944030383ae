//! Which file systems share a mapping, its locks and its futexes among all
//! processes.

use super::FileError;
use nix::errno::Errno;
use nix::sys::statfs::{Statfs, fstatfs, statfs};
use std::borrow::Cow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// The kind of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSystem {
    /// Memory: tmpfs, and files made by `memfd_create`.
    Tmpfs,
    /// ext2, ext3 or ext4.
    Ext,
    /// XFS.
    Xfs,
    /// btrfs; files on it are made without copy-on-write.
    Btrfs,
    /// Huge pages as files.
    Hugetlbfs,
    /// Any other; refused.
    Other {
        /// The kernel's number for it.
        magic: u64,
    },
}

/// Kinds that are not supported, by the kernel's numbers: an error names them.
const REFUSED: &[(u64, &str)] = &[
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlayfs"),
    (0x6969, "nfs"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x786f_4256, "vboxsf"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x517b, "smb"),
    (0x00c3_6400, "ceph"),
    (0x2fc1_2fc1, "zfs"),
    (0xf2f5_2010, "f2fs"),
    (0x0bd0_0bd0, "lustre"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0x4750_4653, "gpfs"),
    (0x6172_6176, "vmhgfs"),
    (0xbacb_acbc, "vmhgfs"),
    (0xca45_1a4e, "bcachefs"),
    (0x6165_676c, "pstore"),
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x4d44, "vfat"),
    (0x2011_bab0, "exfat"),
    (0x7366_746e, "ntfs3"),
    (0x5346_544e, "ntfs"),
    (0x7371_7368, "squashfs"),
    (0xe0f5_e1e2, "erofs"),
    (0x9660, "iso9660"),
    (0x5346_414f, "afs"),
    (0x6175_6673, "aufs"),
];

impl FileSystem {
    fn of(magic: u64) -> FileSystem {
        match magic {
            0x0102_1994 => FileSystem::Tmpfs,
            0xef53 => FileSystem::Ext,
            0x5846_5342 => FileSystem::Xfs,
            0x9123_683e => FileSystem::Btrfs,
            0x9584_58f6 => FileSystem::Hugetlbfs,
            magic => FileSystem::Other { magic },
        }
    }

    /// Whether segments may live on it.
    pub fn is_supported(self) -> bool {
        !matches!(self, FileSystem::Other { .. })
    }

    /// Its usual name, such as `tmpfs`; for an unknown kind the kernel's number.
    ///
    /// ```
    /// use guira_shm::file::FileSystem;
    /// assert_eq!(FileSystem::Tmpfs.name(), "tmpfs");
    /// assert_eq!(FileSystem::Other { magic: 0x6969 }.name(), "nfs");
    /// ```
    pub fn name(self) -> Cow<'static, str> {
        let magic = match self {
            FileSystem::Tmpfs => return "tmpfs".into(),
            FileSystem::Ext => return "ext4".into(),
            FileSystem::Xfs => return "xfs".into(),
            FileSystem::Btrfs => return "btrfs".into(),
            FileSystem::Hugetlbfs => return "hugetlbfs".into(),
            FileSystem::Other { magic } => magic,
        };
        match REFUSED.iter().find(|(known, _)| *known == magic) {
            Some((_, name)) => (*name).into(),
            None => format!("an unknown file system ({magic:#x})").into(),
        }
    }

    /// The kind of the file system that holds an open file; refuses those that
    /// are not supported.
    pub(super) fn check(file: impl AsFd, path: &Path) -> Result<FileSystem, FileError> {
        let stat = fstatfs(file).map_err(|e| FileError::io("inspect the file system of", path, e))?;
        let file_system = FileSystem::from(&stat);
        if file_system.is_supported() {
            return Ok(file_system);
        }
        Err(FileError::UnsupportedFileSystem {
            path: path.to_path_buf(),
            file_system: file_system.name().into_owned(),
        })
    }
}

/// The kind of the file system that holds `path` (or, where there is no such
/// file yet, its directory).
///
/// # Errors
///
/// When neither is there or may be reached.
pub fn file_system_of(path: &Path) -> Result<FileSystem, FileError> {
    Ok(FileSystem::from(&statfs_near(path)?))
}

/// The directory that holds the last part of `path`.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

pub(super) fn statfs_near(path: &Path) -> Result<Statfs, FileError> {
    match statfs(path) {
        Err(Errno::ENOENT) => {
            let directory = directory_of(path);
            statfs(&directory).map_err(|e| match e {
                Errno::ENOENT | Errno::ENOTDIR => FileError::NoDirectory { path: directory },
                e => FileError::from_errno("inspect the file system of", path, e),
            })
        }
        other => other.map_err(|e| FileError::from_errno("inspect the file system of", path, e)),
    }
}

impl From<&Statfs> for FileSystem {
    fn from(stat: &Statfs) -> FileSystem {
        // Some kinds are 32-bit numbers with the top bit set, which libc shows sign-extended.
        FileSystem::of(u64::from(stat.filesystem_type().0 as u32))
    }
}
