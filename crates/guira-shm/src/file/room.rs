//! How much may still be written to a file system.
//!
//! A file in memory counts against the machine's memory as well as against the
//! file system's own limit, which is often larger: to fill it to that limit
//! would call up the out-of-memory killer instead of an error.

use super::file_system::statfs_near;
use super::{FileError, FileSystem};
use nix::sys::statfs::Statfs;
use std::path::Path;

/// Bytes that this user may still write to the file system that holds `path`
/// (or its directory). For a file system in memory that is no more than the
/// memory the machine has left.
///
/// # Errors
///
/// When neither is there or may be reached.
pub fn available_bytes(path: &Path) -> Result<u64, FileError> {
    Ok(available_of(&statfs_near(path)?))
}

pub(super) fn available_of(stat: &Statfs) -> u64 {
    let limit_bytes = stat
        .blocks_available()
        .saturating_mul(stat.block_size().unsigned_abs());
    if FileSystem::from(stat) != FileSystem::Tmpfs {
        return limit_bytes;
    }
    let memory_bytes = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| memory_left_bytes(&text))
        .unwrap_or(u64::MAX);
    // A tmpfs of no blocks at all is one without a limit.
    if stat.blocks() == 0 {
        memory_bytes
    } else {
        limit_bytes.min(memory_bytes)
    }
}

/// Memory and swap that can still be had, from the lines of `/proc/meminfo`.
fn memory_left_bytes(meminfo: &str) -> Option<u64> {
    let kib_of = |name: &str| {
        let line = meminfo.lines().find(|line| line.starts_with(name))?;
        line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let memory_kib = kib_of("MemAvailable:")?;
    Some(
        memory_kib
            .saturating_add(kib_of("SwapFree:").unwrap_or(0))
            .saturating_mul(1024),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_left_is_what_is_available_and_free_swap() {
        let meminfo = "MemTotal:  900 kB\nMemAvailable:   700 kB\nSwapFree:  50 kB\n";
        assert_eq!(memory_left_bytes(meminfo), Some(750 << 10));
        assert_eq!(memory_left_bytes("MemAvailable: 7 kB\n"), Some(7 << 10));
        assert_eq!(memory_left_bytes("MemTotal: 900 kB\n"), None);
    }

    #[test]
    fn a_file_system_in_memory_has_no_more_room_than_the_machine() {
        let meminfo = std::fs::read_to_string("/proc/meminfo").expect("meminfo");
        let kib_of = |name: &str| {
            let line = meminfo.lines().find(|line| line.starts_with(name)).expect(name);
            line.split_ascii_whitespace()
                .nth(1)
                .expect(name)
                .parse::<u64>()
                .expect(name)
        };
        let machine_bytes = (kib_of("MemTotal:") + kib_of("SwapTotal:")) << 10;
        let room_bytes = available_bytes(Path::new("/dev/shm")).expect("room");
        assert!(room_bytes <= machine_bytes, "{room_bytes} bytes");
    }
}
