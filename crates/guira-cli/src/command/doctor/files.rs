//! Where a segment would lie: its file system, its room, and what the kernel does with files there.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use guira_segment::Segment;
use guira_shm::file::{
    CreateOptions, FileError, PendingFile, available_bytes, create_unnamed, file_system_of,
};
use guira_shm::lock::{ByteLocks, Probe};
use nix::fcntl::OFlag;

use super::{Check, DoctorArgs};
use crate::size::show_size;

/// Less is a container's default, which a cache soon fills.
const SMALL_BYTES: u64 = 128 << 20;
/// The smallest segment.
const MIN_SEGMENT_BYTES: u64 = 8 << 20;
/// Holds a whole huge page at any alignment.
const PROBE_BYTES: u64 = 4 << 20;
/// Any byte that nobody else locks in a file of our own.
const PROBE_LOCK_BYTE: u64 = 1;

/// Everything that depends on the path.
pub(crate) fn checks(args: &DoctorArgs) -> Vec<Check> {
    let directory = directory_of(&args.path);
    let mut checks = Vec::new();
    if args.path.is_file() {
        checks.push(segment(args));
    } else if !args.path.exists() {
        checks.push(Check::ok(
            "segment",
            format!("none at {}; one would lie there as follows", args.path.display()),
        ));
    }
    checks.push(file_system(&directory));
    checks.push(room(&directory));
    checks.push(unnamed_files(&directory));
    match create_unnamed(&directory.join("guira-doctor"), &CreateOptions::new(PROBE_BYTES)) {
        Ok(file) => {
            checks.push(locks(&file));
            checks.push(huge_pages(&file));
        }
        Err(error) => checks.push(Check::bad(
            "new file",
            format!("none can be made: {error}"),
            "make the directory writable for this user, or choose another path",
        )),
    }
    checks
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        _ if path.is_dir() => path.to_path_buf(),
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn segment(args: &DoctorArgs) -> Check {
    match Segment::builder().allow_group(args.allow_group).open(&args.path) {
        Ok(segment) => {
            let size = show_size(segment.stats().size_bytes);
            Check::ok("segment", format!("{} opens, {size}", args.path.display()))
        }
        Err(error) => Check::bad("segment", error.to_string(), "do what the message says"),
    }
}

fn file_system(directory: &Path) -> Check {
    let name = "file system";
    let found = |what: &str| format!("{} is on {what}", directory.display());
    match file_system_of(directory) {
        Ok(kind) if kind.is_supported() => Check::ok(name, found(&kind.name())),
        Ok(kind) => Check::bad(
            name,
            found(&format!("{}, which is not supported", kind.name())),
            "use tmpfs (such as /dev/shm), ext4, xfs or btrfs",
        ),
        Err(error) => Check::bad(name, error.to_string(), "choose another path"),
    }
}

fn room(directory: &Path) -> Check {
    let name = "room";
    match available_bytes(directory) {
        Ok(bytes) if bytes >= SMALL_BYTES => Check::ok(name, format!("{} available", show_size(bytes))),
        Ok(bytes) => {
            let found = format!(
                "only {} available; containers give /dev/shm 64 MB",
                show_size(bytes)
            );
            let advice = "start the container with --shm-size=1g (Kubernetes: an emptyDir with medium Memory), \
                          or remount with a larger size=";
            if bytes < MIN_SEGMENT_BYTES {
                Check::bad(name, found, advice)
            } else {
                Check::warn(name, found, advice)
            }
        }
        Err(error) => Check::bad(name, error.to_string(), "choose another path"),
    }
}

fn unnamed_files(directory: &Path) -> Check {
    let name = "unnamed files";
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_TMPFILE.bits())
        .mode(0o600)
        .open(directory);
    match opened {
        Ok(_) => Check::ok(name, "O_TMPFILE works: a segment appears complete or not at all"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Check::bad(
            name,
            format!("no file can be made: {error}"),
            "make the directory writable for this user, or choose another path",
        ),
        Err(error) => Check::warn(
            name,
            format!("O_TMPFILE fails: {error}; a creator that is killed leaves a .guira-*.tmp file"),
            "remove such files when you see them, or use tmpfs, ext4, xfs or btrfs",
        ),
    }
}

fn locks(file: &PendingFile) -> Check {
    let name = "locks";
    let probe = || -> Result<bool, FileError> {
        let [holder, asker] = [file.map().reopen()?, file.map().reopen()?].map(ByteLocks::new);
        let io = |source| FileError::Io {
            operation: "lock",
            path: file.map().path().to_path_buf(),
            source,
        };
        let taken = holder.try_lock(PROBE_LOCK_BYTE).map_err(io)?;
        let seen = asker.probe(PROBE_LOCK_BYTE).map_err(io)?;
        drop(holder);
        let freed = asker.probe(PROBE_LOCK_BYTE).map_err(io)?;
        Ok(taken && seen == Probe::Held && freed == Probe::Free)
    };
    match probe() {
        Ok(true) => Check::ok(
            name,
            "open-file-description locks work: the dead are told from the living",
        ),
        Ok(false) => Check::bad(
            name,
            "open-file-description locks do not do what they say",
            "use another file system, or Linux itself instead of an emulation",
        ),
        Err(error) => Check::bad(
            name,
            error.to_string(),
            "use another file system, and see that /proc is mounted",
        ),
    }
}

fn huge_pages(file: &PendingFile) -> Check {
    let name = "huge pages";
    let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
        .ok()
        .and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned()))
        .unwrap_or_else(|| "unknown".to_owned());
    let bytes = PROBE_BYTES as usize;
    let collapsed = match file.map().populate(0..bytes) {
        Ok(()) => file.map().collapse_huge(0..bytes),
        Err(_) => 0,
    };
    if collapsed > 0 {
        Check::ok(
            name,
            format!("can be gathered on request (shmem_enabled is {setting})"),
        )
    } else if ["always", "force", "advise", "within_size"].contains(&setting.as_str()) {
        Check::ok(
            name,
            format!("given by the kernel (shmem_enabled is {setting}), not on request"),
        )
    } else {
        Check::warn(
            name,
            format!(
                "not to be had here (shmem_enabled is {setting}): large segments read some tens of ns slower"
            ),
            "put the segment on tmpfs, on Linux 6.1 or newer (on older ones: echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled)",
        )
    }
}
