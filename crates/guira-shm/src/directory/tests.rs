use super::copy::copy_by_hand;
use super::*;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;

#[test]
fn a_file_without_a_name_gets_one_when_it_is_complete() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = std::fs::canonicalize(directory.path()).expect("its path");
    let file = unnamed_file(&place, 0o400)
        .expect("a file")
        .expect("ext4 and tmpfs have them");
    write_at(&file, 3, b"plums").expect("written");
    assert_eq!(std::fs::read_dir(&place).expect("listed").count(), 0);
    name_file(&file, &place.join("value")).expect("named");
    assert_eq!(
        name_file(&file, &place.join("value")).map_err(|e| e.kind()),
        Err(ErrorKind::AlreadyExists)
    );

    let opened = open_regular(&place.join("value")).expect("opened");
    let map = ReadMap::of(&opened, 8).expect("mapped");
    assert_eq!(&*map, b"\0\0\0plums");
    assert_eq!(
        ReadMap::of(&opened, 9).map(drop).map_err(|e| e.kind()),
        Err(ErrorKind::UnexpectedEof)
    );
    assert!(remove_file(&place.join("value")).expect("removed"));
    assert!(!remove_file(&place.join("value")).expect("it is gone"));
    assert_eq!(&map[3..], b"plums", "who has it keeps it");
}

#[test]
fn links_and_pipes_are_not_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = std::fs::canonicalize(directory.path()).expect("its path");
    make_directory(&place.join("real")).expect("made");
    make_directory(&place.join("real")).expect("it is there");
    new_file(&place.join("real/value"), 0o600).expect("made");
    symlink(place.join("real/value"), place.join("link")).expect("a link");
    symlink(place.join("real"), place.join("linked")).expect("a link");
    nix::unistd::mkfifo(&place.join("pipe"), Mode::S_IRWXU).expect("a pipe");
    assert!(open_regular(&place.join("real/value")).is_ok());
    assert!(open_regular(&place.join("link")).is_err());
    assert!(open_regular(&place.join("linked/value")).is_err());
    assert_eq!(
        open_regular(&place.join("pipe")).map(drop).map_err(|e| e.kind()),
        Err(ErrorKind::InvalidInput)
    );
    assert!(open_regular(&place).is_err());
    assert_eq!(
        make_directory(&place.join("linked")).map_err(|e| e.kind()),
        Err(ErrorKind::NotADirectory)
    );
}

#[test]
fn a_copy_is_as_long_as_its_source_is_by_then() {
    let [source, target] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
    write_at(&source, 0, &[7; 100_000]).expect("written");
    assert_eq!(
        copy_into(&source, 200_000, &target, 4096).expect("copied"),
        100_000
    );
    assert_eq!(
        copy_by_hand(&source, 99_990, 100, &target, 0).expect("copied"),
        10
    );
    let state = FileState::of(&target).expect("its state");
    assert_eq!(state.len_bytes, 104_096);
    assert!(state.blocks_512 * 512 >= 104_096);
    let map = ReadMap::of(&target, state.len_bytes).expect("mapped");
    assert!(map[4096..].iter().all(|byte| *byte == 7));
    assert_eq!(map[..12], [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0]);
}
