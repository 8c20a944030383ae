//! Directories that somebody removes while they are in use.

use guira_files::FilesError;
use guira_segment::Expiry;

use crate::place::{Place, bytes, value_files};

const NEVER: Expiry = Expiry::never();

#[test]
fn directories_of_values_that_somebody_removed_are_made_again() {
    let place = Place::new();
    let files = place.files();
    let value = bytes(1, 100_000);
    files.put(b"key", &value, NEVER).expect("put");
    let values = value_files(&place.path()).remove(0);
    let values = values.ancestors().nth(2).expect("two directories up");
    std::fs::remove_dir_all(values).expect("removed");
    assert!(files.get_bytes(b"key").expect("looked").is_none());
    for n in 0..100_u64 {
        files.put(&n.to_le_bytes(), &value, NEVER).expect("put");
        assert!(files.get_bytes(&n.to_le_bytes()).expect("readable").is_some());
    }
}

#[test]
fn a_directory_that_is_removed_while_it_is_in_use_is_told_and_opened_anew() {
    let place = Place::new();
    let files = place.files();
    let value = bytes(1, 100_000);
    files.put(b"key", &value, NEVER).expect("put");
    std::fs::remove_dir_all(place.path()).expect("removed");
    assert!(files.get_bytes(b"key").expect("looked").is_none());
    let refused = files.put(b"key", &value, NEVER).expect_err("there is no place");
    assert!(matches!(refused, FilesError::Removed { .. }), "{refused}");
    let anew = place.files();
    assert!(
        files.put(b"key", &value, NEVER).is_err(),
        "it is another directory"
    );
    anew.put(b"key", &value, NEVER).expect("put");
    assert_eq!(anew.get_bytes(b"key").expect("readable"), Some(value));
}
