//! What does not depend on the path: kernel, memory, limits, clock.

use std::fs;
use std::path::Path;

use guira_shm::fork::ForkPage;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::time::{ClockId, clock_gettime};

use super::Check;
use crate::size::show_size;

/// Linux with `MADV_WIPEONFORK`.
const OLDEST_KERNEL: (u32, u32) = (4, 14);
/// Linux with everything that is used where it is there.
const FULL_KERNEL: (u32, u32) = (6, 1);
const LITTLE_MEMORY_BYTES: u64 = 256 << 20;
const FEW_FILES: u64 = 1024;

/// Everything about the machine.
pub(crate) fn checks() -> Vec<Check> {
    vec![
        kernel(),
        fork(),
        proc(Path::new("/proc/self")),
        memory(),
        open_files(),
        file_size(),
        locked_memory(),
        clock(),
    ]
}

fn kernel() -> Check {
    let name = "kernel";
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    match version_of(release) {
        None => Check::warn(name, "its version is unknown", "mount /proc"),
        Some(version) if version < OLDEST_KERNEL => Check::bad(
            name,
            format!("Linux {release} is too old"),
            "use Linux 4.14 or newer; 6.1 has everything",
        ),
        Some(version) if version < FULL_KERNEL => Check::warn(
            name,
            format!("Linux {release} works, but lacks MADV_COLLAPSE: no huge pages on request"),
            "use Linux 6.1 or newer",
        ),
        Some(_) => Check::ok(name, format!("Linux {release}")),
    }
}

fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|character: char| !character.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn fork() -> Check {
    let name = "fork";
    match ForkPage::new(1) {
        Ok(_) => Check::ok(name, "MADV_WIPEONFORK works: a forked child knows that it is one"),
        Err(error) => Check::bad(name, error.to_string(), "use Linux 4.14 or newer"),
    }
}

fn proc(path: &Path) -> Check {
    if path.exists() {
        return Check::ok("proc", "/proc is mounted");
    }
    Check::warn(
        "proc",
        "/proc is not mounted: reboots go unnoticed, a creator that is killed leaves a .guira-*.tmp file, and \
         bench and demo start no workers",
        "mount it: mount -t proc proc /proc",
    )
}

fn memory() -> Check {
    let name = "memory";
    let available = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| kib_of(&text, "MemAvailable:"))
        .map(|kib| kib << 10);
    let cgroup = cgroup_room();
    let advice = "give the machine or the container more, or make segments smaller: pages of a segment on \
                  tmpfs count as used memory and go to swap at best";
    match (available, cgroup) {
        (None, None) => Check::warn(name, "how much there is is unknown", "mount /proc"),
        (available, cgroup) => {
            let bytes = available.unwrap_or(u64::MAX).min(cgroup.unwrap_or(u64::MAX));
            let bound = if cgroup == Some(bytes) {
                " in this control group"
            } else {
                ""
            };
            let found = format!("{} available{bound}", show_size(bytes));
            if bytes < LITTLE_MEMORY_BYTES {
                Check::warn(name, found, advice)
            } else {
                Check::ok(name, found)
            }
        }
    }
}

/// What the control group still allows, where it has a limit; version 2 only.
fn cgroup_room() -> Option<u64> {
    let number = |file: &str| -> Option<u64> {
        fs::read_to_string(format!("/sys/fs/cgroup/{file}"))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

fn kib_of(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn open_files() -> Check {
    let name = "open files";
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft < FEW_FILES => Check::warn(
            name,
            format!("at most {soft} for each process; a segment takes 2"),
            "raise it: ulimit -n 4096 (systemd: LimitNOFILE=)",
        ),
        Ok((soft, _)) => Check::ok(name, format!("at most {soft} for each process")),
        Err(error) => Check::warn(name, format!("the limit is unknown: {error}"), "check ulimit -n"),
    }
}

fn file_size() -> Check {
    let name = "file size";
    match getrlimit(Resource::RLIMIT_FSIZE) {
        Ok((soft, _)) if soft == RLIM_INFINITY => Check::ok(name, "no limit"),
        Ok((soft, _)) => Check::warn(
            name,
            format!("at most {}; no larger segment can be made", show_size(soft)),
            "raise it: ulimit -f unlimited (systemd: LimitFSIZE=)",
        ),
        Err(error) => Check::warn(name, format!("the limit is unknown: {error}"), "check ulimit -f"),
    }
}

/// Only said: nothing is locked into memory unless a worker does so itself.
fn locked_memory() -> Check {
    let name = "locked memory";
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((soft, _)) if soft == RLIM_INFINITY => Check::ok(name, "no limit"),
        Ok((soft, _)) => Check::ok(
            name,
            format!("at most {}; enough, for a segment is not locked", show_size(soft)),
        ),
        Err(error) => Check::warn(name, format!("the limit is unknown: {error}"), "check ulimit -l"),
    }
}

fn clock() -> Check {
    let name = "clock";
    match clock_gettime(ClockId::CLOCK_BOOTTIME) {
        Ok(now) => Check::ok(
            name,
            format!("the boot-time clock is readable, {} s since boot", now.tv_sec()),
        ),
        Err(error) => Check::bad(
            name,
            format!("the boot-time clock is not readable: {error}"),
            "allow clock_gettime in the container's seccomp profile",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_first_two_numbers_of_a_release() {
        assert_eq!(version_of("6.18.44-fc"), Some((6, 18)));
        assert_eq!(version_of("4.14"), Some((4, 14)));
        assert_eq!(version_of("5.10-rc1"), Some((5, 10)));
        assert_eq!(version_of(""), None);
    }

    #[test]
    fn memory_is_read_by_its_field() {
        let text = "MemTotal:       24 kB\nMemAvailable:   12 kB\n";
        assert_eq!(kib_of(text, "MemAvailable:"), Some(12));
        assert_eq!(kib_of(text, "Swap:"), None);
    }
}
