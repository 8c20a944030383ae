//! Hostile directories and failing disks.

use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

use guira_files::{Files, FilesError};
use guira_segment::{Expiry, Segment};
use guira_shm::fork::fork_child;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};

use crate::place::{MIB, Place, bytes, value_files};

const NEVER: Expiry = Expiry::never();

fn only_file(place: &Place) -> std::path::PathBuf {
    let mut files = value_files(&place.path());
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn make_writable(path: &std::path::Path) -> std::fs::File {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("changed");
    std::fs::OpenOptions::new()
        .write(true)
        .read(true)
        .open(path)
        .expect("opened")
}

#[test]
fn no_flipped_bit_is_ever_returned() {
    let place = Place::new();
    let files = place.files();
    let value = bytes(1, 6_000);
    files.put(b"key", &value, NEVER).expect("put");
    let length = std::fs::metadata(only_file(&place)).expect("there").len();
    let head = length as usize - value.len();
    // Each byte of the head's used part, and some of the value.
    let places: Vec<u64> = (0..115)
        .chain((head as u64..length).step_by(173))
        .chain([length - 1])
        .collect();
    for (round, at) in places.into_iter().enumerate() {
        files.put(b"key", &value, NEVER).expect("put");
        let file = make_writable(&only_file(&place));
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("read");
        file.write_all_at(&[byte[0] ^ 1 << (round % 8)], at)
            .expect("written");
        let given = if round % 2 == 0 {
            files.get(b"key").expect("readable").map(|value| value.to_vec())
        } else {
            files.get_bytes(b"key").expect("readable")
        };
        assert_eq!(given, None, "byte {at}");
        assert!(!files.contains(b"key"));
        assert!(value_files(&place.path()).is_empty());
    }
    assert_eq!(files.depot().used_bytes(), 0);
}

#[test]
fn a_file_that_is_cut_or_longer_is_a_miss() {
    let place = Place::new();
    let files = place.files();
    for length in [0, 1, 100, 111, 112, 5_000, 50_000, 70_000] {
        files.put(b"key", &bytes(1, 50_000), NEVER).expect("put");
        make_writable(&only_file(&place)).set_len(length).expect("cut");
        assert_eq!(files.get_bytes(b"key").expect("readable"), None, "{length}");
    }
    assert_eq!(files.stats().corrupt, 8);
}

#[test]
fn a_file_that_vanished_is_a_miss_and_its_entry_goes() {
    let place = Place::new();
    let files = place.files();
    files.put(b"key", &bytes(1, 50_000), NEVER).expect("put");
    std::fs::remove_file(only_file(&place)).expect("removed");
    assert!(files.contains(b"key"));
    assert!(files.get(b"key").expect("readable").is_none());
    assert!(!files.contains(b"key"));
    assert_eq!((files.stats().missing, files.depot().used_bytes()), (1, 0));
    files.put(b"key", &bytes(2, 50_000), NEVER).expect("put");
    assert!(files.get(b"key").expect("readable").is_some());
}

#[test]
fn a_link_or_a_directory_in_a_files_place_is_a_miss_and_leads_nowhere() {
    let place = Place::new();
    let files = place.files();
    let secret = place.outside("secret");
    files.put(b"key", &bytes(1, 50_000), NEVER).expect("put");
    std::fs::copy(only_file(&place), &secret).expect("copied");
    let path = only_file(&place);
    std::fs::remove_file(&path).expect("removed");
    symlink(&secret, &path).expect("a link");
    assert!(files.get(b"key").expect("readable").is_none());
    assert!(secret.exists(), "the link goes, not what it leads to");

    files.put(b"key", &bytes(1, 50_000), NEVER).expect("put");
    let path = only_file(&place);
    std::fs::remove_file(&path).expect("removed");
    std::fs::create_dir(&path).expect("made");
    std::fs::write(path.join("precious"), b"data").expect("written");
    assert!(files.get(b"key").expect("readable").is_none());
    assert!(path.join("precious").exists());
}

#[test]
fn a_linked_shard_is_refused_at_opening_and_not_followed_later() {
    let place = Place::new();
    let files = place.files();
    files.put(b"key", &bytes(1, 50_000), NEVER).expect("put");
    let path = only_file(&place);
    let shard = path.parent().expect("a directory").to_path_buf();
    let elsewhere = place.outside("elsewhere");
    std::fs::rename(&shard, &elsewhere).expect("moved");
    symlink(&elsewhere, &shard).expect("a link");
    assert!(files.get(b"key").expect("a miss").is_none());
    drop(files);
    let error = Files::builder()
        .open(place.path())
        .expect_err("a link in the tree");
    assert!(error.to_string().contains(&*shard.to_string_lossy()), "{error}");
}

#[test]
fn foreign_files_are_told_and_never_touched() {
    let place = Place::new();
    let files = place.files();
    files.put(b"key", &bytes(1, 50_000), NEVER).expect("put");
    let shard = only_file(&place).parent().expect("a directory").to_path_buf();
    let foreign = [
        place.path().join("notes.txt"),
        shard.join("notes"),
        shard.parent().expect("values").join("zzz"),
        shard.join("0000000000000A17"),
    ];
    for path in &foreign {
        std::fs::write(path, b"mine").expect("written");
    }
    // One that looks like ours but is nobody's.
    let unknown = shard.join("0000000000000a17");
    std::fs::write(&unknown, b"left by a crash").expect("written");
    let mut swept = files.sweep().expect("swept");
    swept.foreign.sort();
    let mut expected = foreign.clone().map(|path| path.canonicalize().expect("a path"));
    expected.sort();
    assert_eq!(swept.foreign, expected);
    assert_eq!(swept.unknown, 1);
    assert!(!unknown.exists() && foreign.iter().all(|path| path.exists()));
    assert!(files.get(b"key").expect("readable").is_some());
}

#[test]
fn a_directory_that_others_may_write_to_or_that_is_somebody_elses_is_refused() {
    let place = Place::new();
    drop(place.files());
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).expect("changed");
    let error = Files::builder().open(place.path()).expect_err("others may write");
    assert!(matches!(error, FilesError::Permissions { .. }), "{error}");
    assert!(error.to_string().contains("chmod 0700"));

    let mine = place.outside("mine");
    std::fs::create_dir(&mine).expect("made");
    std::fs::set_permissions(&mine, std::fs::Permissions::from_mode(0o700)).expect("changed");
    std::fs::write(mine.join("thesis.txt"), b"years of work").expect("written");
    let error = Files::builder()
        .open_or_create(&mine)
        .expect_err("something is there");
    assert!(matches!(error, FilesError::NotOurs { .. }), "{error}");
    assert_eq!(std::fs::read_dir(&mine).expect("listed").count(), 1);

    let error = Files::builder()
        .open_or_create(mine.join("thesis.txt"))
        .expect_err("a file");
    assert!(matches!(error, FilesError::NotOurs { .. }), "{error}");
    let error = Files::builder()
        .open(place.outside("nothing"))
        .expect_err("nothing there");
    assert!(matches!(error, FilesError::NotFound { .. }), "{error}");
    assert!(!place.outside("nothing").exists());
}

#[test]
fn a_damaged_table_is_told() {
    let place = Place::new();
    drop(place.files());
    let table = place.path().join("table.guira-files");
    for at in [0, 8, 48, 120] {
        let file = make_writable(&table);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("read");
        file.write_all_at(&[byte[0] ^ 1], at).expect("written");
        let error = Files::builder().open(place.path()).expect_err("damaged");
        assert!(matches!(error, FilesError::Damaged { .. }), "{error}");
        file.write_all_at(&byte, at).expect("written");
    }
    make_writable(&table).set_len(10_000).expect("cut");
    assert!(Files::builder().open(place.path()).is_err());
}

#[test]
fn a_new_index_begins_with_no_values_and_the_old_ones_go_before_new_ones_come() {
    let place = Place::new();
    let files = place.files_of(
        &Files::builder()
            .limit_bytes(24 * MIB)
            .index_bytes(8 * MIB)
            .max_files(256),
    );
    for n in 0..20_u64 {
        files
            .put(&n.to_le_bytes(), &bytes(n, 500_000), NEVER)
            .expect("put");
    }
    drop(files);
    std::fs::remove_file(place.path().join("index.guira")).expect("removed");
    let files = place.files_of(
        &Files::builder()
            .limit_bytes(24 * MIB)
            .index_bytes(8 * MIB)
            .max_files(256),
    );
    assert!(files.get(&0_u64.to_le_bytes()).expect("readable").is_none());
    for n in 0..60_u64 {
        files
            .put(&n.to_le_bytes(), &bytes(n, 500_000), NEVER)
            .expect("put");
        let taken = crate::place::du_bytes(&place.path());
        assert!(taken <= 24 * MIB, "{taken} bytes");
    }
    drop(files.sweep().expect("swept"));
    let directories = std::fs::read_dir(place.path()).expect("listed").count();
    assert_eq!(directories, 3, "index, table, values");
}

#[test]
fn another_segments_directory_is_refused_while_that_one_is_open() {
    let place = Place::new();
    let [one, other] = [(); 2].map(|()| Segment::builder().size(8 << 20).private().expect("a segment"));
    let builder = guira_files::Depot::builder().limit_bytes(64 * MIB);
    let depot = builder.open_or_create(&place.path(), &one).expect("made");
    let error = builder.open_or_create(&place.path(), &other).expect_err("in use");
    assert!(matches!(error, FilesError::OtherSegment { .. }), "{error}");
    drop(depot);
    drop(
        builder
            .open_or_create(&place.path(), &other)
            .expect("nobody uses it"),
    );
}

/// Runs `test` in a child that has `path` as a file system of its own, of `options`; skipped where that is not allowed.
fn on_a_disk_of_its_own(path: &std::path::Path, options: &str, test: impl FnOnce()) {
    const SKIPPED: i32 = 77;
    std::fs::create_dir(path).expect("made");
    let child = fork_child(|| {
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        let own = unshare(CloneFlags::CLONE_NEWNS).is_ok()
            && mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).is_ok()
            && mount(Some("none"), path, Some("tmpfs"), MsFlags::empty(), Some(options)).is_ok();
        if !own {
            return SKIPPED;
        }
        test();
        0
    });
    let child = nix::unistd::Pid::from_raw(child.expect("a child") as i32);
    match waitpid(child, None).expect("it ends") {
        WaitStatus::Exited(_, SKIPPED) => {
            let said = b"skipped: no mounts of its own (needs root)\n";
            std::io::Write::write_all(&mut std::io::stderr(), said).expect("somebody hears");
        }
        status => assert_eq!(status, WaitStatus::Exited(child, 0)),
    }
}

#[test]
fn a_full_disk_is_told_and_what_is_there_stays() {
    let place = Place::new();
    let disk = place.outside("disk");
    on_a_disk_of_its_own(&disk, "size=14m,mode=0700", || {
        let builder = Files::builder()
            .limit_bytes(64 * MIB)
            .index_bytes(8 * MIB)
            .max_files(256);
        let files = builder.open_or_create(disk.join("cache")).expect("made");
        let mut stored = Vec::new();
        let error = loop {
            let n = stored.len() as u64;
            match files.put(&n.to_le_bytes(), &bytes(n, 500_000), NEVER) {
                Ok(_) => stored.push(n),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, FilesError::NoSpace { .. }), "{error}");
        assert!(error.to_string().contains("no space left"), "{error}");
        assert!(stored.len() > 3);
        for n in &stored {
            assert_eq!(
                files.get_bytes(&n.to_le_bytes()).expect("readable"),
                Some(bytes(*n, 500_000))
            );
        }
        assert_eq!(files.stats().files, stored.len() as u64);
        assert!(files.put_stream(b"stream", std::io::repeat(7), NEVER).is_err());
        files.remove(&0_u64.to_le_bytes());
        files
            .put(b"again", &bytes(1, 400_000), NEVER)
            .expect("there is room again");
        let too_small = builder
            .open_or_create(disk.join("other"))
            .expect_err("no room for an index");
        assert!(!too_small.to_string().is_empty());
    });
}

#[test]
fn a_disk_that_became_read_only_gives_what_it_has_and_refuses_the_rest() {
    let place = Place::new();
    let disk = place.outside("disk");
    on_a_disk_of_its_own(&disk, "size=40m,mode=0700", || {
        let files = Files::builder()
            .limit_bytes(64 * MIB)
            .index_bytes(8 * MIB)
            .max_files(256)
            .open_or_create(disk.join("cache"))
            .expect("made");
        files.put(b"key", &bytes(1, 500_000), NEVER).expect("put");
        files.put(b"other", &bytes(2, 500_000), NEVER).expect("put");
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let remounted = mount(None::<&str>, &disk, None::<&str>, flags, None::<&str>);
        if remounted.is_err() {
            return; // a file that is mapped for writing keeps it from it here
        }
        assert_eq!(
            files.get_bytes(b"key").expect("readable"),
            Some(bytes(1, 500_000))
        );
        let error = files
            .put(b"key", &bytes(3, 500_000), NEVER)
            .expect_err("read-only");
        assert!(matches!(error, FilesError::Io { .. }), "{error}");
        assert_eq!(
            files.get_bytes(b"key").expect("readable"),
            Some(bytes(1, 500_000))
        );
    });
}

#[test]
fn a_file_that_the_process_may_not_write_is_told_before_it_is_begun() {
    let place = Place::new();
    let files = place.files();
    let child = fork_child(|| {
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_FSIZE, 100_000, 100_000)
            .expect("lower");
        files.put(b"small", &bytes(1, 50_000), NEVER).expect("put");
        let error = files
            .put(b"large", &bytes(1, 200_000), NEVER)
            .expect_err("too long");
        assert!(matches!(error, FilesError::SizeLimit { .. }), "{error}");
        let error = files
            .put_stream(b"large", std::io::repeat(7), NEVER)
            .expect_err("too long");
        assert!(matches!(error, FilesError::SizeLimit { .. }), "{error}");
        0
    });
    let child = nix::unistd::Pid::from_raw(child.expect("a child") as i32);
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    assert!(files.contains(b"small") && !files.contains(b"large"));
}

#[test]
fn a_table_that_is_cut_under_an_open_handle_is_an_error_and_no_signal() {
    let place = Place::new();
    let files = place.files();
    files.put(b"key", &bytes(1, 50_000), NEVER).expect("put");
    make_writable(&place.path().join("table.guira-files"))
        .set_len(0)
        .expect("cut");
    assert!(files.get(b"key").expect("a miss").is_none());
    let error = files.put(b"key", &bytes(2, 50_000), NEVER).expect_err("cut");
    assert!(error.to_string().contains("cut"), "{error}");
}

#[test]
fn where_files_cannot_be_named_later_they_are_named_from_the_start() {
    let place = Place::new();
    let disk = place.outside("disk");
    on_a_disk_of_its_own(&disk, "size=64m,mode=0700", || {
        let source = std::fs::File::open("/etc/passwd").expect("opened");
        let files = Files::builder()
            .limit_bytes(48 * MIB)
            .index_bytes(8 * MIB)
            .max_files(256)
            .open_or_create(disk.join("cache"))
            .expect("made");
        // Without /proc an unnamed file cannot be linked.
        let hidden = mount(
            Some("none"),
            "/proc",
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        );
        hidden.expect("this child may mount");
        for n in 0..100_u64 {
            files
                .put(&n.to_le_bytes(), &bytes(n, 500_000), NEVER)
                .expect("put");
            assert_eq!(
                files.get_bytes(&n.to_le_bytes()).expect("readable"),
                Some(bytes(n, 500_000))
            );
        }
        files
            .put_file(b"file", &source, guira_files::TakeFile::Link, NEVER)
            .expect("copied");
        assert!(files.put_stream(b"endless", std::io::repeat(7), NEVER).is_err());
        assert_eq!(files.stats().files, value_files(&disk).len() as u64);
        assert_eq!(files.sweep().expect("swept").unknown, 0);
    });
}

#[test]
fn names_that_are_too_long_are_errors() {
    let place = Place::new();
    let error = Files::builder()
        .open_or_create(place.outside(&"x".repeat(300)))
        .expect_err("too long");
    assert!(matches!(error, FilesError::Io { .. }), "{error}");
    let error = Files::builder()
        .open_or_create(place.outside("a/b"))
        .expect_err("no such directory");
    assert!(matches!(error, FilesError::Io { .. }), "{error}");
}

#[test]
fn the_room_of_a_file_that_could_not_be_removed_comes_back() {
    let place = Place::new();
    let files = place.files();
    files.put(b"key", &bytes(1, 1_000_000), NEVER).expect("put");
    let path = only_file(&place);
    std::fs::remove_file(&path).expect("removed");
    std::fs::create_dir(&path).expect("made");
    files.remove(b"key");
    std::fs::remove_dir(&path).expect("removed");
    files.sweep().expect("swept");
    assert_eq!(files.depot().used_bytes(), 0);
}

#[test]
fn a_directory_that_only_looks_like_leftovers_is_left_alone() {
    let place = Place::new();
    let archive = place.path().join("values-2024010112345678");
    let photos = archive.join("photos");
    std::fs::create_dir_all(&photos).expect("made");
    std::fs::create_dir(archive.join("empty")).expect("made");
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o700)).expect("ours");
    std::fs::write(photos.join("00000000deadbeef"), b"precious").expect("written");
    let segment = Segment::builder().size(8 << 20).private().expect("made");
    let builder = guira_files::Depot::builder().limit_bytes(32 * MIB).max_files(64);
    let depot = builder.open_or_create(&place.path(), &segment).expect("open");
    let label = guira_files::Label::new(&segment, b"key");
    let written = depot.write(&label, guira_files::Source::Bytes(&[1; 10_000]));
    written.expect("written").keep();
    depot.sweep().expect("swept");
    assert_eq!(
        std::fs::read(photos.join("00000000deadbeef")).expect("there"),
        b"precious"
    );
    assert!(archive.join("empty").is_dir());
}
