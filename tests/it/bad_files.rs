//! Files that are missing, damaged, foreign, or where they must not be: each is an error that names
//! the file and says what to do, and nothing is lost.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use guira_segment::{Expiry, FileError, OpenError, Segment};
use nix::sys::stat::Mode;

use crate::children::Child;
use crate::places::{SMALL_BYTES, file_in, in_memory, names_in};
use crate::watchdog::in_time;

/// Opens what must be refused; checks that the message names the file and gives advice.
fn refused(path: &Path) -> OpenError {
    let owned = path.to_path_buf();
    let result = in_time("opening a bad file", move || Segment::builder().open(owned));
    let error = result
        .err()
        .unwrap_or_else(|| panic!("{} was opened", path.display()));
    check_message(&error.to_string(), path);
    error
}

fn check_message(message: &str, path: &Path) {
    assert!(
        message.contains(&path.display().to_string()),
        "which file? {message}"
    );
    assert!(message.contains("; "), "what to do next? {message}");
    assert!(!message.ends_with('.'), "{message}");
}

fn make(path: &Path) {
    let segment = Segment::builder()
        .size(SMALL_BYTES)
        .create(path)
        .expect("a segment");
    segment.put(b"k", b"kept", Expiry::never()).expect("room");
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("chmod");
}

#[test]
fn a_missing_file_is_an_error_for_open_and_made_by_open_or_create() {
    let directory = in_memory();
    let path = file_in(&directory);
    assert!(matches!(
        refused(&path),
        OpenError::File(FileError::NotFound { .. })
    ));
    assert!(names_in(directory.path()).is_empty());
    let segment = Segment::builder()
        .size(SMALL_BYTES)
        .open_or_create(&path)
        .expect("made");
    assert_eq!(segment.path(), path);
    assert_eq!(names_in(directory.path()), ["test.guira"]);
}

#[test]
fn a_missing_directory_is_named() {
    let directory = in_memory();
    let missing = directory.path().join("missing");
    for path in [missing.join("a"), missing.join("b/c")] {
        let error = Segment::builder().size(SMALL_BYTES).open_or_create(&path);
        let error = error.expect_err("there is no directory");
        assert!(
            matches!(error, OpenError::File(FileError::NoDirectory { .. })),
            "{error}"
        );
        check_message(&error.to_string(), path.parent().expect("a parent"));
    }
    // A file in the place of a directory.
    make(&missing);
    let error = Segment::builder()
        .size(SMALL_BYTES)
        .open_or_create(missing.join("a"));
    let error = error.expect_err("a file is no directory");
    assert!(
        matches!(error, OpenError::File(FileError::NoDirectory { .. })),
        "{error}"
    );
}

#[test]
fn an_existing_file_is_not_made_anew() {
    let directory = in_memory();
    let path = file_in(&directory);
    make(&path);
    let error = Segment::builder()
        .size(SMALL_BYTES)
        .create(&path)
        .expect_err("it exists");
    assert!(
        matches!(error, OpenError::File(FileError::Exists { .. })),
        "{error}"
    );
    check_message(&error.to_string(), &path);
    let segment = Segment::builder().open(&path).expect("it is what it was");
    assert_eq!(segment.get(b"k").as_deref(), Some(b"kept".as_slice()));
    assert_eq!(names_in(directory.path()), ["test.guira"]);
}

#[test]
fn empty_and_truncated_files_are_told_from_whole_ones() {
    let directory = in_memory();
    let path = file_in(&directory);
    make(&path);
    let whole = std::fs::read(&path).expect("readable");
    for kept_bytes in [0, 1, 511, 512, 4096, 1 << 20, whole.len() - 1] {
        std::fs::write(&path, &whole[..kept_bytes]).expect("written");
        let error = refused(&path);
        assert!(
            matches!(error, OpenError::Truncated { found_bytes, .. } if found_bytes == kept_bytes as u64),
            "{kept_bytes} bytes: {error}"
        );
        assert_eq!(
            std::fs::read(&path).expect("readable").len(),
            kept_bytes,
            "left alone"
        );
    }
    std::fs::write(&path, &whole).expect("written");
    let segment = Segment::builder().open(&path).expect("whole again");
    assert_eq!(segment.get(b"k").as_deref(), Some(b"kept".as_slice()));
}

#[test]
fn foreign_files_of_any_size_are_left_alone() {
    let directory = in_memory();
    let path = file_in(&directory);
    for bytes in [13, 511, 512, 10_000, SMALL_BYTES as usize] {
        let content: Vec<u8> = b"precious text".iter().copied().cycle().take(bytes).collect();
        std::fs::write(&path, &content).expect("written");
        let error = refused(&path);
        assert!(
            matches!(error, OpenError::Foreign { .. }),
            "{bytes} bytes: {error}"
        );
        let error = Segment::builder().size(SMALL_BYTES).open_or_create(&path);
        assert!(matches!(error, Err(OpenError::Foreign { .. })), "{bytes} bytes");
        assert_eq!(std::fs::read(&path).expect("readable"), content);
    }
}

#[test]
fn links_directories_pipes_sockets_and_devices_are_refused_without_waiting() {
    let directory = in_memory();
    let path = file_in(&directory);
    make(&path);
    let other = directory.path().join("other");
    let kind = |error: OpenError| match error {
        OpenError::File(FileError::Symlink { .. }) => "link",
        OpenError::File(FileError::Directory { .. }) => "directory",
        OpenError::File(FileError::NotRegular { .. }) => "not regular",
        error => panic!("{error}"),
    };

    symlink(&path, &other).expect("a link");
    assert_eq!(kind(refused(&other)), "link");
    std::fs::remove_file(&other).expect("unlinked");

    symlink(directory.path().join("nowhere"), &other).expect("a link to nothing");
    assert_eq!(kind(refused(&other)), "link");
    let made = Segment::builder().size(SMALL_BYTES).open_or_create(&other);
    assert_eq!(kind(made.expect_err("not made through a link")), "link");
    assert!(!directory.path().join("nowhere").exists());
    std::fs::remove_file(&other).expect("unlinked");

    assert_eq!(kind(refused(directory.path())), "directory");

    nix::unistd::mkfifo(&other, Mode::S_IRWXU).expect("a pipe");
    assert_eq!(kind(refused(&other)), "not regular");
    std::fs::remove_file(&other).expect("unlinked");

    let _socket = std::os::unix::net::UnixListener::bind(&other).expect("a socket");
    assert_eq!(kind(refused(&other)), "not regular");

    assert_eq!(kind(refused(Path::new("/dev/null"))), "not regular");
}

#[test]
fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let directory = in_memory();
    let path = directory.path().join(std::ffi::OsStr::from_bytes(b"a \xff \n b"));
    let error = Segment::builder().open(&path).expect_err("not there");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    make(&path);
    let segment = Segment::builder().open(&path).expect("there");
    assert_eq!(segment.path(), path);
    let long = directory.path().join("n".repeat(256));
    let error = Segment::builder().size(SMALL_BYTES).open_or_create(&long);
    check_message(&error.expect_err("too long a name").to_string(), &long);
}

#[test]
fn a_link_to_the_directory_is_followed() {
    let directory = in_memory();
    let real = directory.path().join("real");
    std::fs::create_dir(&real).expect("a directory");
    let link = directory.path().join("link");
    symlink(&real, &link).expect("a link");
    make(&link.join("s"));
    assert!(Segment::builder().open(real.join("s")).is_ok());
}

#[test]
fn what_others_can_write_is_refused_and_a_group_only_if_allowed() {
    let directory = in_memory();
    let path = file_in(&directory);
    make(&path);
    for mode in [0o666, 0o602, 0o660, 0o777] {
        set_mode(&path, mode);
        let error = refused(&path);
        let OpenError::File(FileError::Permissions {
            mode: found, wanted, ..
        }) = error
        else {
            panic!("{error}")
        };
        assert_eq!((found, wanted), (mode, mode & !0o022));
        assert!(
            error.to_string().contains(&format!("chmod {wanted:04o}")),
            "{error}"
        );
    }
    set_mode(&path, 0o660);
    assert!(Segment::builder().allow_group(true).open(&path).is_ok());
    set_mode(&path, 0o662);
    assert!(Segment::builder().allow_group(true).open(&path).is_err());
    set_mode(&path, 0o644);
    assert!(Segment::builder().open(&path).is_ok(), "others may read");
}

#[test]
fn the_mode_of_a_new_file_is_exact_and_bad_modes_are_refused() {
    let directory = in_memory();
    let path = file_in(&directory);
    for mode in [0o600, 0o640, 0o660, 0o644] {
        let made = Segment::builder().size(SMALL_BYTES).mode(mode).create(&path);
        made.expect("a segment");
        let metadata = std::fs::metadata(&path).expect("there");
        assert_eq!(metadata.permissions().mode() & 0o7777, mode);
        std::fs::remove_file(&path).expect("unlinked");
    }
    for mode in [0o000, 0o400, 0o200, 0o666, 0o602, 0o1600, 0o4600] {
        let error = Segment::builder().size(SMALL_BYTES).mode(mode).create(&path);
        let error = error.expect_err("a bad mode").to_string();
        assert!(error.contains(&format!("{mode:04o}")), "{error}");
    }
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn another_users_file_is_refused_to_root_and_roots_to_others() {
    const NOBODY: u32 = 65_534;
    let Some(mut nobody) = Child::as_user(NOBODY) else {
        return;
    };
    let directory = in_memory();
    set_mode(directory.path(), 0o755);
    let path = file_in(&directory);
    make(&path);

    let error = nobody.ask(&format!("open {}", path.display()));
    assert!(error.contains("permission denied"), "{error}");
    check_message(&error, &path);
    let beside = directory.path().join("beside");
    let error = nobody.ask(&format!("create {} size={SMALL_BYTES}", beside.display()));
    assert!(error.contains("permission denied"), "{error}");

    chown(&path, Some(NOBODY), None).expect("chown");
    let error = refused(&path);
    assert!(
        matches!(
            error,
            OpenError::File(FileError::Owner {
                owner: NOBODY,
                user: 0,
                ..
            })
        ),
        "{error}"
    );
    assert_eq!(nobody.ask(&format!("open {}", path.display())), "ok");
    assert_eq!(nobody.ask("get k"), "hit kept");
}

#[test]
fn a_full_file_system_refuses_the_segment_and_keeps_nothing_of_it() {
    let directory = in_memory();
    let at = directory.path().display().to_string();
    let setup = format!("mount -t tmpfs -o size=4m tmpfs {at}");
    let Some(mut child) = Child::in_namespaces(&["-m"], &setup) else {
        return;
    };
    let path = file_in(&directory);
    let create = format!("create {} size={SMALL_BYTES}", path.display());
    for _ in 0..3 {
        // Three times: a failure that kept its space would differ.
        let error = child.ask(&create);
        check_message(&error, &path);
        assert!(
            error.contains("no space") && error.contains("8388608 bytes needed"),
            "{error}"
        );
        assert!(error.contains("4194304 available"), "{error}");
    }
}

#[test]
fn a_file_system_that_fills_up_later_does_not_matter() {
    let directory = in_memory();
    let at = directory.path().display().to_string();
    let setup = format!("mount -t tmpfs -o size=12m tmpfs {at}");
    let Some(mut child) = Child::in_namespaces(&["-m"], &setup) else {
        return;
    };
    let path = file_in(&directory);
    assert_eq!(
        child.ask(&format!("create {} size={SMALL_BYTES}", path.display())),
        "ok"
    );
    // The namespace's files are reached through the child's root.
    let rest = format!("/proc/{}/root{at}/rest", child.pid());
    let filled = std::fs::write(&rest, vec![1; 12 << 20]);
    assert_eq!(
        filled.map_err(|error| error.kind()),
        Err(std::io::ErrorKind::StorageFull)
    );
    assert_eq!(child.ask("put-many 40000 400"), "ok");
    assert_eq!(child.ask("put k v"), "Stored");
    assert_eq!(child.ask("get k"), "hit v");
    assert_eq!(child.ask("faults"), "[]");
}

#[test]
fn a_disk_that_is_too_small_or_full_refuses_new_segments_and_keeps_old_ones_working() {
    let directory = in_memory();
    let at = directory.path().display().to_string();
    let setup = format!(
        "truncate -s 24m {at}/disk && mkfs.ext4 -q {at}/disk && mkdir -p {at}/on && mount -o loop {at}/disk {at}/on"
    );
    let Some(mut child) = Child::in_namespaces(&["-m"], &setup) else {
        return;
    };
    let path = directory.path().join("on/test.guira");
    let error = child.ask(&format!("create {} size={}", path.display(), 100 << 20));
    check_message(&error, &path);
    assert!(
        error.contains("no space") && error.contains("104857600 bytes needed"),
        "{error}"
    );
    let create = format!("create {} size={SMALL_BYTES}", path.display());
    assert_eq!(child.ask(&create), "ok", "nothing of the first was kept");
    let rest = format!("/proc/{}/root{at}/on/rest", child.pid());
    let filled = std::fs::write(&rest, vec![1; 24 << 20]);
    assert_eq!(
        filled.map_err(|error| error.kind()),
        Err(std::io::ErrorKind::StorageFull)
    );
    assert_eq!(child.ask("put-many 40000 400"), "ok");
    assert_eq!(child.ask("put k v"), "Stored");
    assert_eq!(child.ask("close"), "closed", "written back");
    assert_eq!(child.ask(&format!("open {}", path.display())), "ok");
    assert_eq!(child.ask("get k"), "hit v");
    assert_eq!(child.ask("faults"), "[]");
}

#[test]
fn a_read_only_file_system_is_named_as_such() {
    let directory = in_memory();
    let path = file_in(&directory);
    make(&path);
    let at = directory.path().display().to_string();
    let setup = format!("mount --bind {at} {at} && mount -o remount,bind,ro {at}");
    let Some(mut child) = Child::in_namespaces(&["-m"], &setup) else {
        return;
    };
    let beside = directory.path().join("beside");
    for (command, path) in [("open", &path), ("create", &beside)] {
        let error = child.ask(&format!("{command} {} size={SMALL_BYTES}", path.display()));
        assert!(error.contains("read-only"), "{error}");
    }
}

#[test]
fn file_systems_that_share_nothing_are_refused_by_name() {
    let error = refused(Path::new("/proc/self/mem"));
    assert!(
        matches!(&error, OpenError::File(FileError::UnsupportedFileSystem { file_system, .. }) if file_system == "proc"),
        "{error}"
    );
    let directory = in_memory();
    let at = directory.path().display().to_string();
    let setup = format!("mount -t ramfs ramfs {at}");
    let Some(mut child) = Child::in_namespaces(&["-m"], &setup) else {
        return;
    };
    let path = file_in(&directory);
    let error = child.ask(&format!("create {} size={SMALL_BYTES}", path.display()));
    check_message(&error, &path);
    assert!(error.contains("ramfs"), "{error}");
}

#[test]
fn a_file_size_limit_is_an_error_and_not_a_signal() {
    let directory = in_memory();
    let path = file_in(&directory);
    let Some(mut child) = Child::in_namespaces(&["-m"], "ulimit -f 2000") else {
        return;
    };
    let error = child.ask(&format!("create {} size={SMALL_BYTES}", path.display()));
    check_message(&error, &path);
    assert!(error.contains("ulimit -f"), "{error}");
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn a_deleted_file_goes_on_for_those_who_have_it_open() {
    let directory = in_memory();
    let path = file_in(&directory);
    make(&path);
    let segment = Segment::builder().open(&path).expect("open");
    let mut child = Child::with_segment(&path);
    std::fs::remove_file(&path).expect("unlinked");
    assert_eq!(child.ask("put shared value"), "Stored");
    assert_eq!(segment.get(b"shared").as_deref(), Some(b"value".as_slice()));
    assert!(matches!(
        refused(&path),
        OpenError::File(FileError::NotFound { .. })
    ));

    // The name is free for another, which has nothing to do with the first.
    let other = Segment::builder()
        .size(SMALL_BYTES)
        .open_or_create(&path)
        .expect("a new one");
    assert!(other.get(b"shared").is_none());
    other.put(b"shared", b"other", Expiry::never()).expect("room");
    assert_eq!(child.ask("get shared"), "hit value");
    child.kill();
    assert_eq!(segment.recover(), 1, "death is seen on a deleted file too");
    assert_eq!(other.recover(), 0);
}
