//! Where the tests put their segments, and what they say when the machine lacks something.

use std::io::Write;
use std::path::{Path, PathBuf};

use guira_shm::file::{FileSystem, file_system_of};
use tempfile::TempDir;

/// The smallest segment that is made by size.
pub(crate) const SMALL_BYTES: u64 = 8 << 20;

/// A directory in memory: gone with the machine.
pub(crate) fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").expect("a directory in memory")
}

/// A directory whose files survive a reboot; none where the temporary files are in memory.
pub(crate) fn on_disk() -> Option<TempDir> {
    let directory = std::env::temp_dir();
    match file_system_of(&directory) {
        Ok(FileSystem::Ext | FileSystem::Xfs | FileSystem::Btrfs) => {
            Some(tempfile::tempdir_in(directory).expect("a directory on disk"))
        }
        _ => {
            skip("files that survive a reboot (the temporary directory is on no disk; set TMPDIR)");
            None
        }
    }
}

pub(crate) fn file_in(directory: &TempDir) -> PathBuf {
    directory.path().join("test.guira")
}

/// The names in a directory.
pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

/// Says on stderr that something was left out.
pub(crate) fn skip(what: &str) {
    // Not `eprintln`, which the test harness keeps to itself when the test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}
