//! What the tests need from the machine, checked before a build is paid for.

use std::fs::{self, File};
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// Where the tests keep their segments.
const SHARED_MEMORY: &str = "/dev/shm";
/// Largest sum of segments that tests hold at one time, with room for several at once.
const SHARED_MEMORY_FREE_BYTES: u64 = 512 << 20;

/// What is missing on this machine, one sentence each with what to do; empty if the tests can run.
pub(crate) fn missing() -> Vec<String> {
    [
        proc_mounted(Path::new("/proc")),
        writable(Path::new(SHARED_MEMORY)),
        free_space(Path::new(SHARED_MEMORY), SHARED_MEMORY_FREE_BYTES),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect()
}

fn proc_mounted(proc: &Path) -> Result<(), String> {
    match fs::read(proc.join("self/stat")) {
        Ok(stat) if !stat.is_empty() => Ok(()),
        _ => Err(format!(
            "{} is not mounted; the identity of processes is read there: mount -t proc proc {}",
            proc.display(),
            proc.display()
        )),
    }
}

fn writable(directory: &Path) -> Result<(), String> {
    let probe = directory.join(format!("guira-xtask-{}", std::process::id()));
    let created = File::create_new(&probe);
    let removed = created.and_then(|_| fs::remove_file(&probe));
    removed.map_err(|error| {
        format!(
            "{} is not writable ({error}); segments live there: mount a tmpfs on it that this user may write",
            directory.display()
        )
    })
}

fn free_space(directory: &Path, needed_bytes: u64) -> Result<(), String> {
    let file_system = statvfs(directory).map_err(|error| {
        format!(
            "cannot ask for the free space of {} ({error}); mount a tmpfs on it",
            directory.display()
        )
    })?;
    let free_bytes = file_system.blocks_available() * file_system.fragment_size();
    if free_bytes >= needed_bytes {
        return Ok(());
    }
    Err(format!(
        "{} has {} MiB free, the tests need {} MiB; remove files there, or (in a container) start it with --shm-size=1g",
        directory.display(),
        free_bytes >> 20,
        needed_bytes >> 20
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_process_table_is_named() {
        let error = proc_mounted(Path::new("/dev/null")).unwrap_err();
        assert!(error.contains("/dev/null is not mounted"), "{error}");
        assert_eq!(proc_mounted(Path::new("/proc")), Ok(()));
    }

    #[test]
    fn a_directory_that_takes_no_file_is_named() {
        let error = writable(Path::new("/proc/self")).unwrap_err();
        assert!(error.contains("/proc/self is not writable"), "{error}");
    }

    #[test]
    fn a_writable_directory_is_left_as_it_was() {
        let directory = std::env::temp_dir();
        assert_eq!(writable(&directory), Ok(()));
        let probe = directory.join(format!("guira-xtask-{}", std::process::id()));
        assert!(!probe.exists());
    }

    #[test]
    fn too_little_space_says_how_much_is_needed() {
        let directory = std::env::temp_dir();
        assert_eq!(free_space(&directory, 0), Ok(()));
        let error = free_space(&directory, u64::MAX).unwrap_err();
        assert!(error.contains("the tests need 17592186044415 MiB"), "{error}");
    }
}
