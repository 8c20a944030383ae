//! Directories for tests, on the disk: those of values are removed with them.

use std::path::{Path, PathBuf};

use guira_files::{Files, FilesBuilder};
use guira_shm::fork::fork_child;
use nix::unistd::Pid;
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;

/// A directory that a files cache may be made in.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn files(&self) -> Files {
        self.files_of(&Files::builder().limit_bytes(64 * MIB))
    }

    pub(crate) fn files_of(&self, builder: &FilesBuilder) -> Files {
        builder.open_or_create(self.path()).expect("it is made")
    }
}

/// What `du` says of a directory, in bytes.
pub(crate) fn du_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let own = path.symlink_metadata().map_or(0, |it| it.blocks() * 512);
    let Ok(entries) = std::fs::read_dir(path) else {
        return own;
    };
    own + entries
        .flatten()
        .map(|entry| du_bytes(&entry.path()))
        .sum::<u64>()
}

/// The value files under a directory.
pub(crate) fn value_files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.append(&mut value_files(&path));
        } else if path.extension().is_none() {
            found.push(path);
        }
    }
    found
}

/// Bytes that differ by `seed` and do not repeat in short.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Work of a forked child, which ends with 0 unless it panics.
pub(crate) fn in_child(work: impl FnOnce()) -> Pid {
    let child = fork_child(|| {
        work();
        0
    });
    Pid::from_raw(child.expect("a child") as i32)
}
