use super::*;
use crate::lock::{ByteLocks, Probe};
use crate::testing::{Outcome, as_root_in_child, in_child, spawn_child};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, raise};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Uid, chown, mkfifo};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const SIZE_BYTES: u64 = 64 << 10;
const OWNER_ONLY: OpenRules = OpenRules {
    allow_group_write: false,
    writable: true,
};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn published(path: &Path) -> MappedFile {
    let pending = create_unnamed(path, &CreateOptions::new(SIZE_BYTES)).expect("create");
    pending.publish(path).expect("publish")
}

fn names_in(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .expect("list")
        .map(|entry| entry.expect("entry").path())
        .collect()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn a_file_appears_complete_and_is_shared_by_all_who_map_it() {
    let directory = directory();
    let path = directory.path().join("plums");
    let pending = create_unnamed(&path, &CreateOptions::new(SIZE_BYTES)).expect("create");
    pending.map().region().copy_in(100, b"plums");
    assert!(names_in(directory.path()).is_empty());
    let ours = pending.publish(&path).expect("publish");
    assert_eq!(names_in(directory.path()), std::slice::from_ref(&path));
    assert_eq!(ours.path(), path);

    let open = open_checked(&path, &OWNER_ONLY).expect("open");
    assert_eq!(open.len_bytes().expect("length"), SIZE_BYTES);
    let mut head = [0; 5];
    open.read_exact_at(100, &mut head).expect("read");
    assert_eq!(&head, b"plums");
    let theirs = open.map(SIZE_BYTES).expect("map");
    assert_eq!(theirs.file_identity(), ours.file_identity());
    theirs.region().copy_in(200, b"pears");
    assert!(ours.region().equals(200, b"pears"));
    ours.sync(0..4096).expect("sync");
}

#[test]
fn the_second_to_publish_a_name_is_told_that_it_exists() {
    let directory = directory();
    let path = directory.path().join("plums");
    let late = create_unnamed(&path, &CreateOptions::new(SIZE_BYTES)).expect("create");
    let first = published(&path);
    let error = late.publish(&path).expect_err("the name is taken");
    assert!(matches!(error, FileError::Exists { .. }), "{error}");
    let winner = open_checked(&path, &OWNER_ONLY)
        .expect("open")
        .map(SIZE_BYTES)
        .expect("map");
    assert_eq!(winner.file_identity(), first.file_identity());
}

#[test]
fn a_creator_killed_before_publishing_leaves_nothing() {
    let directory = directory();
    let path = directory.path().join("plums");
    let child = spawn_child(|| {
        let pending = create_unnamed(&path, &CreateOptions::new(SIZE_BYTES)).expect("create");
        pending.map().region().copy_in(0, b"plums");
        raise(Signal::SIGKILL).expect("kill");
    });
    assert_eq!(child.wait(), None, "only the signal ended the child");
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn the_mode_is_exact_whatever_the_umask() {
    let directory = directory();
    let path = directory.path().join("plums");
    let outcome = in_child(|| {
        umask(Mode::from_bits_truncate(0o777));
        let options = CreateOptions {
            mode: 0o660,
            size_bytes: SIZE_BYTES,
        };
        let pending = create_unnamed(&path, &options).expect("create");
        Outcome::of(pending.publish(&path).is_ok())
    });
    assert_eq!(outcome, Outcome::Passed);
    assert_eq!(fs::metadata(&path).expect("stat").mode() & 0o7777, 0o660);
}

#[test]
fn every_byte_is_allocated() {
    let directory = directory();
    let mapped = published(&directory.path().join("plums"));
    let metadata = mapped.file().metadata().expect("stat");
    assert!(
        metadata.blocks() * 512 >= SIZE_BYTES,
        "{} blocks",
        metadata.blocks()
    );
}

#[test]
fn a_missing_directory_is_named() {
    let directory = directory();
    let path = directory.path().join("missing/plums");
    let error = create_unnamed(&path, &CreateOptions::new(SIZE_BYTES)).expect_err("no directory");
    assert!(matches!(error, FileError::NoDirectory { .. }), "{error}");
    assert_eq!(error.path(), directory.path().join("missing"));
}

#[test]
fn a_size_above_the_process_limit_is_an_error_and_not_a_signal() {
    let directory = directory();
    let path = directory.path().join("plums");
    let outcome = in_child(|| {
        setrlimit(Resource::RLIMIT_FSIZE, 4096, 4096).expect("setrlimit");
        let error = create_unnamed(&path, &CreateOptions::new(SIZE_BYTES)).expect_err("too large");
        Outcome::of(matches!(
            error,
            FileError::SizeLimit {
                limit_bytes: 4096,
                ..
            }
        ))
    });
    assert_eq!(outcome, Outcome::Passed);
}

#[test]
fn what_is_no_trustworthy_file_is_refused_with_its_reason() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    let refusal = |path: &Path| open_checked(path, &OWNER_ONLY).expect_err("refused");
    drop(published(&at("plums")));

    assert!(matches!(refusal(&at("missing")), FileError::NotFound { .. }));
    symlink(at("plums"), at("link")).expect("symlink");
    assert!(matches!(refusal(&at("link")), FileError::Symlink { .. }));
    assert!(matches!(refusal(directory.path()), FileError::Directory { .. }));
    mkfifo(&at("pipe"), Mode::S_IRWXU).expect("mkfifo");
    assert!(matches!(refusal(&at("pipe")), FileError::NotRegular { .. }));
    assert!(matches!(
        refusal(Path::new("/dev/null")),
        FileError::NotRegular { .. }
    ));
    let proc = open_checked(
        Path::new("/proc/self/stat"),
        &OpenRules {
            writable: false,
            ..OWNER_ONLY
        },
    );
    let error = proc.expect_err("not a supported file system");
    assert!(error.to_string().contains("is on proc"), "{error}");
}

#[test]
fn loose_modes_are_refused_with_the_command_that_mends_them() {
    let directory = directory();
    let path = directory.path().join("plums");
    drop(published(&path));
    let group_allowed = OpenRules {
        allow_group_write: true,
        ..OWNER_ONLY
    };

    set_mode(&path, 0o664);
    let error = open_checked(&path, &OWNER_ONLY).expect_err("group may write");
    assert!(error.to_string().contains("chmod 0644"), "{error}");
    open_checked(&path, &group_allowed).expect("the group is allowed");

    set_mode(&path, 0o666);
    let error = open_checked(&path, &group_allowed).expect_err("others may write");
    assert!(error.to_string().contains("chmod 0664"), "{error}");
}

#[test]
fn a_file_of_another_user_is_refused() {
    let directory = directory();
    let path = directory.path().join("plums");
    let outcome = as_root_in_child("a file of another user", || {
        drop(published(&path));
        chown(&path, Some(Uid::from_raw(54_321)), None).expect("chown");
        let error = open_checked(&path, &OWNER_ONLY).expect_err("foreign owner");
        Outcome::of(matches!(
            error,
            FileError::Owner {
                owner: 54_321,
                user: 0,
                ..
            }
        ))
    });
    assert_ne!(outcome, Outcome::Failed);
}

#[test]
fn a_short_file_is_an_error_when_read_mapped_or_populated() {
    let directory = directory();
    let path = directory.path().join("plums");
    let mapped = published(&path);
    let open = open_checked(&path, &OWNER_ONLY).expect("open");
    let error = open
        .read_exact_at(SIZE_BYTES - 4, &mut [0; 8])
        .expect_err("past the end");
    assert!(
        matches!(
            error,
            FileError::Truncated {
                len_bytes: SIZE_BYTES,
                ..
            }
        ),
        "{error}"
    );
    let error = open.map(SIZE_BYTES + 1).expect_err("longer than the file");
    assert!(matches!(error, FileError::Truncated { .. }), "{error}");

    mapped.file().set_len(4096).expect("cut");
    assert_eq!(mapped.current_len_bytes().expect("length"), 4096);
    mapped
        .populate(0..SIZE_BYTES as usize)
        .expect_err("pages that are not there");
    mapped.populate(0..4096).expect("the page that is");
}

#[test]
fn a_file_opened_for_reading_is_never_changed() {
    let directory = directory();
    let path = directory.path().join("plums");
    let writer = published(&path);
    let open = open_checked(
        &path,
        &OpenRules {
            writable: false,
            ..OWNER_ONLY
        },
    )
    .expect("open");
    let reader = open.map(SIZE_BYTES).expect("map");
    writer.region().copy_in(0, b"plums");
    assert!(reader.region().equals(0, b"plums"), "the reader sees the writer");
    reader.populate(0..SIZE_BYTES as usize).expect("populate");
    reader.region().copy_in(8192, b"pears");
    assert!(
        writer.region().equals(8192, &[0; 5]),
        "the writer sees nothing of the reader"
    );
    assert!(writer.is_writable() && !reader.is_writable());
}

#[test]
fn a_reopened_file_is_the_same_file_with_locks_of_its_own() {
    let directory = directory();
    let mapped = published(&directory.path().join("plums"));
    let one = ByteLocks::new(mapped.reopen().expect("reopen"));
    let two = ByteLocks::new(mapped.reopen().expect("reopen"));
    assert_eq!(
        one.file().metadata().expect("stat").ino(),
        mapped.file_identity().1
    );
    assert!(one.try_lock(7).expect("lock"));
    assert_eq!(two.probe(7).expect("probe"), Probe::Held);
    let born = one
        .file()
        .metadata()
        .and_then(|it| it.created())
        .expect("ext4, tmpfs, XFS and Btrfs say");
    let born = born
        .duration_since(std::time::UNIX_EPOCH)
        .expect("later than 1970");
    assert_eq!(mapped.born_ns(), born.as_nanos());
    fs::remove_file(mapped.path()).expect("remove");
    mapped.reopen().expect("a removed file is reopened by its number");
}

#[test]
fn large_mappings_are_aligned_and_survive_collapsing() {
    let size_bytes: u64 = 5 << 20;
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let path = directory.path().join("plums");
    let pending = create_unnamed(&path, &CreateOptions::new(size_bytes)).expect("create");
    let mapped = pending.publish(&path).expect("publish");
    assert_eq!(mapped.region().start().addr() % (2 << 20), 0);
    mapped.region().copy_in((2 << 20) - 3, b"plums");
    mapped.populate(0..mapped.region().len()).expect("populate");
    let collapsed_bytes = mapped.collapse_huge(0..mapped.region().len());
    assert!(collapsed_bytes <= 4 << 20 && collapsed_bytes.is_multiple_of(2 << 20));
    assert!(mapped.region().equals((2 << 20) - 3, b"plums"));
    mapped.region().zero(0, mapped.region().len());
    assert!(mapped.region().equals((2 << 20) - 3, &[0; 5]));
}

#[test]
fn file_systems_are_named_and_measured() {
    assert_eq!(
        file_system_of(Path::new("/dev/shm/no-such-plums")).expect("kind"),
        FileSystem::Tmpfs
    );
    let proc = file_system_of(Path::new("/proc/self")).expect("kind");
    assert!(!proc.is_supported() && proc.name() == "proc");
    assert!(available_bytes(Path::new("/dev/shm")).expect("room") > 0);
    assert!(FileSystem::Other { magic: 0x1234 }.name().contains("0x1234"));
    let error = available_bytes(Path::new("/no-such-directory/plums")).expect_err("nothing there");
    assert!(matches!(error, FileError::NoDirectory { .. }), "{error}");
    let error = file_system_of(Path::new("/no-such-directory/plums")).expect_err("nothing there");
    assert!(matches!(error, FileError::NoDirectory { .. }), "{error}");
}

/// Gives this child mounts of its own. Whether it may.
fn own_mounts() -> bool {
    unshare(CloneFlags::CLONE_NEWNS).is_ok()
        && mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )
        .is_ok()
}

fn mounted(kind: &str, at: &Path, options: Option<&str>) -> bool {
    own_mounts() && mount(Some("none"), at, Some(kind), MsFlags::empty(), options).is_ok()
}

#[test]
fn a_full_file_system_is_an_error_up_front() {
    let directory = directory();
    let outcome = as_root_in_child("a full file system", || {
        if !mounted("tmpfs", directory.path(), Some("size=1m")) {
            return Outcome::Skipped;
        }
        let path = directory.path().join("plums");
        let error = create_unnamed(&path, &CreateOptions::new(4 << 20)).expect_err("too large");
        let told = matches!(error, FileError::NoSpace { needed_bytes, available_bytes, .. }
            if needed_bytes == 4 << 20 && available_bytes == 1 << 20);
        let fits = create_unnamed(&path, &CreateOptions::new(512 << 10)).is_ok();
        Outcome::of(told && fits && names_in(directory.path()).is_empty())
    });
    assert_ne!(outcome, Outcome::Failed);
}

#[test]
fn an_unsupported_file_system_is_refused_by_name() {
    let directory = directory();
    let outcome = as_root_in_child("an unsupported file system", || {
        if !mounted("ramfs", directory.path(), None) {
            return Outcome::Skipped;
        }
        let path = directory.path().join("plums");
        let error = create_unnamed(&path, &CreateOptions::new(4096)).expect_err("refused");
        Outcome::of(error.to_string().contains("is on ramfs") && names_in(directory.path()).is_empty())
    });
    assert_ne!(outcome, Outcome::Failed);
}

#[test]
fn without_proc_a_pending_file_is_hidden_and_then_renamed() {
    let directory = directory();
    let path = directory.path().join("plums");
    let outcome = as_root_in_child("creating without /proc", || {
        if !own_mounts() {
            return Outcome::Skipped;
        }
        let unnamed = create_unnamed(&path, &CreateOptions::new(SIZE_BYTES)).expect("create");
        umount2("/proc", MntFlags::MNT_DETACH).expect("unmount");
        let linked = unnamed.publish(&path).is_ok();
        let late = create_unnamed(&path, &CreateOptions::new(SIZE_BYTES)).expect("create");
        let hidden = names_in(directory.path()).len() == 2;
        let exists = matches!(late.publish(&path), Err(FileError::Exists { .. }));
        let removed = names_in(directory.path()).len() == 1;
        let other = directory.path().join("pears");
        let pending = create_unnamed(&other, &CreateOptions::new(SIZE_BYTES)).expect("create");
        let renamed = pending
            .publish(&other)
            .is_ok_and(|mapped| mapped.reopen().is_ok());
        let both = names_in(directory.path()).len() == 2;
        Outcome::of(linked && hidden && exists && removed && renamed && both)
    });
    assert_ne!(outcome, Outcome::Failed);
}
