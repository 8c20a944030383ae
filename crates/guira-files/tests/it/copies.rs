//! Copies and maps of values that were verified: by the short ways, and as the files are by then.

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use guira_files::Files;
use guira_segment::Expiry;
use nix::sys::wait::{WaitStatus, waitpid};

use crate::place::{Place, bytes, in_child, value_files};

const NEVER: Expiry = Expiry::never();

type Damage = fn(&File);

fn only_file(place: &Place) -> PathBuf {
    let mut files = value_files(&place.path());
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// Copies `key` until that it was verified is noted.
fn settle(files: &Files, key: &[u8], value: &[u8]) {
    loop {
        let before = files.stats().verified;
        assert!(files.get_bytes(key).expect("readable").as_deref() == Some(value));
        if files.stats().verified == before {
            return;
        }
    }
}

fn maps_of(file: &Path) -> usize {
    let path = file.to_str().expect("letters and digits");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    maps.lines().filter(|line| line.ends_with(path)).count()
}

#[test]
fn a_value_that_is_copied_again_and_again_is_copied_from_a_map() {
    let place = Place::new();
    let files = place.files();
    for length in [6_000, 100_000, 1_000_003] {
        let value = bytes(1, length);
        files.put(b"key", &value, NEVER).expect("put");
        let file = only_file(&place);
        settle(&files, b"key", &value);
        for _ in 0..3 {
            assert!(files.get_bytes(b"key").expect("readable").as_ref() == Some(&value));
        }
        assert_eq!(maps_of(&file), 1);
        assert!(files.remove(b"key"));
    }
}

#[test]
fn values_that_are_copied_once_are_not_mapped() {
    let place = Place::new();
    let files = place.files();
    let value = bytes(1, 6_000);
    files.put(b"key", &value, NEVER).expect("put");
    settle(&files, b"key", &value);
    let other = Files::builder().open(place.path()).expect("opened");
    assert!(other.get_bytes(b"key").expect("readable").as_ref() == Some(&value));
    assert_eq!(maps_of(&only_file(&place)), 0);
}

#[test]
fn a_copy_is_compared_again_after_its_file_was_touched_although_a_map_is_kept() {
    let damages: [(&str, Damage); 4] = [
        ("nothing", |_| {}),
        ("cut", |file| file.set_len(5_000).expect("cut")),
        ("longer", |file| file.set_len(200_000).expect("longer")),
        ("changed", |file| {
            file.write_all_at(b"plums", 99_000).expect("changed");
        }),
    ];
    for (damage, make) in damages {
        let place = Place::new();
        let files = place.files();
        let value = bytes(1, 100_000);
        files.put(b"key", &value, NEVER).expect("put");
        settle(&files, b"key", &value);
        for _ in 0..2 {
            assert!(files.get_bytes(b"key").expect("readable").as_ref() == Some(&value));
        }
        let path = only_file(&place);
        assert_eq!(maps_of(&path), 1);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changed");
        make(
            &std::fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .expect("opened"),
        );
        let copied = files.get_bytes(b"key").expect("readable");
        if damage == "nothing" {
            assert!(copied == Some(value));
        } else {
            assert!(copied.is_none(), "{damage}");
            assert!(!files.contains(b"key"), "{damage}");
        }
    }
}

#[test]
fn a_descriptor_that_the_program_took_away_changes_nothing() {
    let place = Place::new();
    let files = place.files();
    let value = bytes(1, 100_000);
    files.put(b"key", &value, NEVER).expect("put");
    settle(&files, b"key", &value);
    let child = in_child(|| {
        let values = only_file(&place)
            .ancestors()
            .nth(2)
            .expect("two above")
            .to_path_buf();
        let fds = std::fs::read_dir("/proc/self/fd").expect("listed");
        let held: Vec<i32> = fds
            .flatten()
            .filter(|it| std::fs::read_link(it.path()).is_ok_and(|to| to == values))
            .filter_map(|it| it.file_name().to_str()?.parse().ok())
            .collect();
        assert_eq!(held.len(), 1, "{held:?}");
        for fd in held {
            nix::unistd::close(fd).expect("closed");
        }
        let read = || {
            for _ in 0..3 {
                assert!(files.get_bytes(b"key").expect("readable").as_ref() == Some(&value));
            }
            assert!(files.get(b"key").expect("readable").as_deref() == Some(&value[..]));
        };
        read();
        // Whatever is opened now has the number.
        let other = File::open("/").expect("opened");
        read();
        drop(other);
        files.put(b"other", &value, NEVER).expect("put");
        assert!(files.get_bytes(b"other").expect("readable").as_ref() == Some(&value));
    });
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    assert!(files.get_bytes(b"key").expect("readable") == Some(value));
    assert_eq!(files.stats().missing, 0);
}
