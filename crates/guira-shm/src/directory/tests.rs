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

    let (opened, _) = open_regular(&place.join("value")).expect("opened");
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

#[test]
fn a_file_that_is_written_whole_is_read_whole() {
    let file = tempfile::tempfile().expect("a file");
    let value: Vec<u8> = (0..100_003_u32).map(|n| (n * 7 / 5) as u8).collect();
    write_whole(&file, b"head", &value).expect("written");
    let state = FileState::of(&file).expect("its state");
    assert_eq!(state.len_bytes, 100_007);
    assert!(read_at(&file, 4, value.len()).expect("read") == value);
    assert_eq!(
        read_at(&file, 5, value.len()).map(drop).map_err(|e| e.kind()),
        Err(ErrorKind::UnexpectedEof)
    );
    let map = ReadMap::of(&file, state.len_bytes).expect("mapped");
    for begin in [0, 1, 4, 99_000, 100_004, 100_007, 100_008] {
        let expected = map.get(begin..).unwrap_or_default();
        assert!(map.copy_from(begin) == expected, "{begin}");
    }
    assert!(map.copy_from(4) == value);
    write_whole(&file, b"", b"").expect("nothing to write");
}

#[test]
fn a_folder_gives_what_its_path_gives() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = std::fs::canonicalize(directory.path()).expect("its path");
    make_directory(&place.join("000")).expect("made");
    let file = new_file(&place.join("000/value"), 0o600).expect("made");
    write_whole(&file, b"seven ", b"plums").expect("written");
    symlink(place.join("000/value"), place.join("link")).expect("a link");
    symlink(place.join("000"), place.join("001")).expect("a link");
    let folder = Folder::open(&place).expect("opened");
    let name = Path::new("000/value");
    let (_, by_path) = open_regular(&place.join(name)).expect("opened");
    let (_, state) = folder.open_regular(name).expect("opened");
    assert_eq!(state, by_path);
    assert_eq!(folder.state_of(name).expect("its state"), by_path);
    assert!(folder.open_regular(Path::new("link")).is_err());
    assert!(folder.open_regular(Path::new("001/value")).is_err());
    assert!(folder.open_regular(Path::new("000")).is_err());
    assert_ne!(folder.state_of(Path::new("link")).expect("its own"), by_path);
    assert!(folder.state_of(Path::new("000/none")).is_err());
}
