//! Values that are files already: copied, shared, linked; and streams.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

use guira_files::{Files, FilesError, TakeFile};
use guira_segment::Expiry;
use nix::sys::wait::{WaitStatus, waitpid};

use crate::place::{MIB, Place, bytes, in_child, value_files};

#[test]
fn a_file_is_taken_whole_and_may_change_or_vanish_afterwards() {
    let place = Place::new();
    let files = place.files();
    for (seed, take) in [TakeFile::Copy, TakeFile::Share, TakeFile::Link]
        .into_iter()
        .enumerate()
    {
        let source = place.outside("source");
        let value = bytes(seed as u64, 300_001);
        std::fs::write(&source, &value).expect("written");
        let file = File::open(&source).expect("opened");
        files
            .put_file(b"key", &file, take, Expiry::never())
            .expect("taken");
        std::fs::remove_file(&source).expect("removed");
        assert_eq!(
            files.get_bytes(b"key").expect("readable"),
            Some(value.clone()),
            "{take:?}"
        );
        assert_eq!(&*files.get(b"key").expect("readable").expect("there"), &value[..]);

        std::fs::write(&source, b"another").expect("written");
        assert_eq!(
            files.get_bytes(b"key").expect("readable"),
            Some(value),
            "{take:?}"
        );
    }
}

#[test]
fn a_copied_file_does_not_mind_what_becomes_of_its_source() {
    let place = Place::new();
    let files = place.files();
    let source = place.outside("source");
    let value = bytes(3, 100_000);
    std::fs::write(&source, &value).expect("written");
    let file = File::open(&source).expect("opened");
    files
        .put_file(b"key", &file, TakeFile::Share, Expiry::never())
        .expect("taken");
    let mut writer = OpenOptions::new().write(true).open(&source).expect("opened");
    writer.write_all(&[0; 100_000]).expect("overwritten");
    assert_eq!(files.get_bytes(b"key").expect("readable"), Some(value));
}

#[test]
fn a_linked_file_that_is_changed_in_place_is_a_miss_and_not_a_wrong_value() {
    let place = Place::new();
    let files = place.files();
    let source = place.outside("source");
    let value = bytes(3, 100_000);
    std::fs::write(&source, &value).expect("written");
    let file = File::open(&source).expect("opened");
    files
        .put_file(b"key", &file, TakeFile::Link, Expiry::never())
        .expect("taken");
    let linked = value_files(&place.path());
    assert!(linked[0].to_string_lossy().ends_with('l'), "{linked:?}");
    assert_eq!(files.get_bytes(b"key").expect("readable"), Some(value.clone()));
    let mapped = files.get(b"key").expect("readable").expect("there");
    assert!(!mapped.is_mapped(), "it could change under a reference");

    let mut open = files.open(b"key").expect("readable").expect("there");

    let mut writer = OpenOptions::new().write(true).open(&source).expect("opened");
    writer.write_all(&[0; 10]).expect("changed");
    assert_eq!(files.get_bytes(b"key").expect("readable"), None);
    let mut read = Vec::new();
    open.read_to_end(&mut read).expect("read");
    assert_eq!(read, value, "who has it open has it as it was");
    assert_eq!(&*mapped, &value[..]);
    assert_eq!(files.stats().corrupt, 1);
    assert!(source.exists(), "the other name is not ours");
    assert!(value_files(&place.path()).is_empty());
}

#[test]
fn a_file_of_another_file_system_is_copied_if_it_cannot_be_linked() {
    let place = Place::new();
    let files = place.files();
    let elsewhere = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let source = elsewhere.path().join("source");
    let value = bytes(4, 123_456);
    std::fs::write(&source, &value).expect("written");
    let file = File::open(&source).expect("opened");
    for take in [TakeFile::Copy, TakeFile::Share, TakeFile::Link] {
        files
            .put_file(b"key", &file, take, Expiry::never())
            .expect("taken");
        assert_eq!(
            files.get_bytes(b"key").expect("readable"),
            Some(value.clone()),
            "{take:?}"
        );
    }
    assert_eq!(value_files(&place.path()).len(), 1);
    let used = files.depot().used_bytes();
    assert!((123_456..160_000).contains(&used), "{used}");
}

#[test]
fn what_cannot_be_read_is_an_error_and_leaves_nothing() {
    #[derive(Debug)]
    struct Failing(u32);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            if self.0 > 2 {
                return Err(std::io::Error::other("the pipe broke"));
            }
            buffer.fill(3);
            Ok(buffer.len())
        }
    }
    let place = Place::new();
    let files = place.files();
    files
        .put(b"key", &bytes(1, 10_000), Expiry::never())
        .expect("put");
    let error = files
        .put_stream(b"key", Failing(0), Expiry::never())
        .expect_err("it breaks");
    assert!(matches!(error, FilesError::Source { .. }), "{error}");
    assert!(error.to_string().contains("the pipe broke"));
    let directory = File::open(place.path()).expect("opened");
    let error = files.put_file(b"key", &directory, TakeFile::Link, Expiry::never());
    assert!(matches!(error, Err(FilesError::Source { .. })), "{error:?}");
    assert_eq!(
        files.get_bytes(b"key").expect("readable"),
        Some(bytes(1, 10_000)),
        "the old one stays"
    );
    assert_eq!(value_files(&place.path()).len(), 1);
    assert_eq!(files.stats().files, 1);
}

#[test]
fn a_file_whose_name_is_gone_cannot_be_linked_and_is_copied() {
    let place = Place::new();
    let files = place.files();
    let source = place.outside("source");
    let value = bytes(3, 100_000);
    std::fs::write(&source, &value).expect("written");
    let file = File::open(&source).expect("opened");
    std::fs::remove_file(&source).expect("removed");
    files
        .put_file(b"key", &file, TakeFile::Link, Expiry::never())
        .expect("taken");
    assert_eq!(files.get_bytes(b"key").expect("readable"), Some(value));
}

#[test]
fn a_source_that_is_cut_while_it_is_linked_does_no_harm() {
    let place = Place::new();
    let files = place.files_of(&Files::builder().limit_bytes(300 * MIB).max_files(64));
    let source = place.outside("source");
    for _ in 0..3 {
        std::fs::write(&source, vec![1; 100 << 20]).expect("written");
        let child = in_child(|| {
            let file = File::open(&source).expect("opened");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    // Its name is there, its bytes are being looked at.
                    while value_files(&place.path()).is_empty() {}
                    let cut = OpenOptions::new().write(true).open(&source);
                    cut.and_then(|file| file.set_len(1000)).expect("cut");
                });
                let put = files.put_file(b"key", &file, TakeFile::Link, Expiry::never());
                drop(put);
            });
        });
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        if let Some(value) = files.get_bytes(b"key").expect("readable") {
            assert_eq!(value.len(), 1000, "what it was when it was put");
        }
        files.clear();
        files.sweep().expect("swept");
        assert_eq!(files.depot().used_bytes(), 0);
    }
}
