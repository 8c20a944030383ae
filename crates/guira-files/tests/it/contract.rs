//! What every cache does, by a files cache: small values in the index, large ones in files.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use guira_files::Files;
use guira_segment::{Add, Expiry, Put, PutOptions, Replace};

use crate::place::{Place, bytes, value_files};

const HOUR: Expiry = Expiry::after(Duration::from_secs(3600));

fn get(files: &Files, key: &[u8]) -> Option<Vec<u8>> {
    let mapped = files.get(key).expect("readable").map(|value| value.to_vec());
    let copied = files.get_bytes(key).expect("readable");
    assert_eq!(mapped, copied);
    let read = files.open(key).expect("readable").map(|mut value| {
        let mut read = Vec::new();
        value.read_to_end(&mut read).expect("read");
        assert_eq!(read.len() as u64, value.len());
        let mut file = value.into_file().expect("positioned");
        let mut again = Vec::new();
        file.read_to_end(&mut again).expect("read");
        assert_eq!(read, again, "a file reads the value to its end");
        read
    });
    assert_eq!(mapped, read);
    mapped
}

#[test]
fn values_of_every_size_come_back_by_every_way_of_reading() {
    let place = Place::new();
    let files = place.files();
    for length in [
        0,
        1,
        55,
        56,
        57,
        4095,
        4096,
        4097,
        16 << 10,
        100_000,
        1_000_000,
        3 << 20,
    ] {
        let value = bytes(length as u64, length);
        let key = format!("key {length}");
        assert_eq!(files.put(key.as_bytes(), &value, HOUR).expect("put"), Put::Stored);
        assert_eq!(get(&files, key.as_bytes()), Some(value), "{length}");
        assert_eq!(files.value_bytes(key.as_bytes()), Some(length as u64));
    }
    let other = Files::builder().open(place.path()).expect("it is there");
    assert_eq!(get(&other, b"key 100000"), Some(bytes(100_000, 100_000)));
    assert_eq!(value_files(&place.path()).len(), 6 - 1);
    assert_eq!(files.entries().filter(|entry| entry.is_file).count(), 5);
}

#[test]
fn keys_are_any_bytes() {
    let place = Place::new();
    let files = place.files();
    let keys: [&[u8]; 6] = [
        b"a",
        "schl\u{fc}ssel \u{1f426}".as_bytes(),
        b"\0",
        b"a/../b",
        &[0xff; 1000],
        b"a\0",
    ];
    for (seed, key) in keys.iter().enumerate() {
        files.put(key, &bytes(seed as u64, 50_000), HOUR).expect("put");
    }
    for (seed, key) in keys.iter().enumerate() {
        assert_eq!(get(&files, key), Some(bytes(seed as u64, 50_000)));
    }
    assert!(files.put(b"", b"value", HOUR).is_err());
    assert!(files.put(b"", &[7; 50_000], HOUR).is_err());
}

#[test]
fn a_value_is_replaced_removed_and_invalidated_with_its_file() {
    let place = Place::new();
    let files = place.files();
    for round in 0..4 {
        files.put(b"key", &bytes(round, 20_000), HOUR).expect("put");
        assert_eq!(get(&files, b"key"), Some(bytes(round, 20_000)));
        assert_eq!(value_files(&place.path()).len(), 1, "the replaced one is gone");
    }
    files.put(b"key", b"small", HOUR).expect("put");
    assert_eq!(
        (get(&files, b"key"), value_files(&place.path()).len()),
        (Some(b"small".to_vec()), 0)
    );
    files.put(b"key", &bytes(9, 20_000), HOUR).expect("put");
    assert!(files.remove(b"key") && !files.remove(b"key"));
    assert_eq!((get(&files, b"key"), value_files(&place.path()).len()), (None, 0));
    files.put(b"key", &bytes(9, 20_000), HOUR).expect("put");
    assert!(files.invalidate(b"key"));
    assert_eq!((get(&files, b"key"), value_files(&place.path()).len()), (None, 0));
    assert_eq!(files.depot().used_bytes(), 0);
}

#[test]
fn add_stores_only_what_is_missing_and_leaves_no_file_otherwise() {
    let place = Place::new();
    let files = place.files();
    assert_eq!(
        files.add(b"key", &bytes(1, 20_000), HOUR).expect("added"),
        Add::Stored
    );
    assert_eq!(
        files.add(b"key", &bytes(2, 20_000), HOUR).expect("there"),
        Add::Exists
    );
    assert_eq!(get(&files, b"key"), Some(bytes(1, 20_000)));
    assert_eq!(value_files(&place.path()).len(), 1);
}

#[test]
fn lifetimes_and_staleness_are_those_of_the_entry() {
    let place = Place::new();
    let files = place.files();
    files.put(b"key", &bytes(1, 20_000), HOUR).expect("put");
    let left = files.metadata(b"key").expect("there").ttl.expect("it ends");
    assert!(left > Duration::from_secs(3500));
    assert_eq!(
        files.touch(b"key", Expiry::never()).expect("touched"),
        Replace::Stored
    );
    assert_eq!(files.metadata(b"key").expect("there").ttl, None);
    assert_eq!(get(&files, b"key"), Some(bytes(1, 20_000)));
    assert!(files.expire(b"key"));
    assert!(files.metadata(b"key").expect("there").is_stale);
    assert_eq!(
        get(&files, b"key"),
        Some(bytes(1, 20_000)),
        "stale values are given"
    );
    assert_eq!(files.purge(Duration::from_secs(60)).expect("purged").stale, 0);
    assert_eq!(files.purge(Duration::ZERO).expect("purged").stale, 1);
    assert_eq!((get(&files, b"key"), value_files(&place.path()).len()), (None, 0));
}

#[test]
fn tags_and_namespaces_are_cleared_at_once_and_their_files_swept() {
    let place = Place::new();
    let files = place.files();
    let tagged = PutOptions::default().tags(&[b"user:7"]);
    files.put(b"one", &bytes(1, 20_000), tagged).expect("put");
    files.put(b"two", &bytes(2, 20_000), HOUR).expect("put");
    assert!(files.existing_namespace("pages").is_none());
    let pages = files.namespace("pages").expect("a name");
    assert!(files.existing_namespace("pages").is_some());
    pages.put(b"two", &bytes(3, 20_000), HOUR).expect("put");
    files.invalidate_tag(b"user:7");
    assert_eq!(get(&files, b"one"), None);
    pages.clear();
    assert_eq!(get(&pages, b"two"), None);
    assert_eq!(get(&files, b"two"), Some(bytes(2, 20_000)));
    assert_eq!(files.sweep().expect("swept").orphaned, 2);
    assert_eq!(value_files(&place.path()).len(), 1);
    assert_eq!(files.sweep().expect("swept"), guira_files::Swept::default());
}

#[test]
fn a_put_that_began_before_an_invalidation_is_not_stored() {
    /// Invalidates the key while it is read.
    #[derive(Debug)]
    struct Sly<'f>(&'f Files, u32);
    impl Read for Sly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.1 += 1;
            if self.1 == 2 {
                self.0.invalidate(b"key");
            }
            if self.1 > 3 {
                return Ok(0);
            }
            buffer.fill(1);
            Ok(buffer.len())
        }
    }
    let place = Place::new();
    let files = place.files();
    let put = files.put_stream(b"key", Sly(&files, 0), HOUR).expect("written");
    assert_eq!(put, Put::Superseded);
    assert_eq!((get(&files, b"key"), value_files(&place.path()).len()), (None, 0));
    assert_eq!(files.depot().used_bytes(), 0);
}

#[test]
fn a_key_that_always_has_a_value_is_never_missed_while_it_is_replaced() {
    let place = Place::new();
    let files = place.files();
    let value = bytes(1, 100_000);
    files.put(b"key", &value, Expiry::never()).expect("put");
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..500_usize {
                let length = if n.is_multiple_of(3) { 100 } else { 100_000 };
                files.put(b"key", &value[..length], Expiry::never()).expect("put");
            }
            is_over.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
            assert!(files.get(b"key").expect("readable").is_some());
            assert!(files.get_bytes(b"key").expect("readable").is_some());
            assert!(files.open(b"key").expect("readable").is_some());
        }
    });
}

#[test]
fn an_open_value_stays_readable_when_it_is_replaced() {
    let place = Place::new();
    let files = place.files();
    files.put(b"key", &bytes(1, 200_000), HOUR).expect("put");
    let mut open = files.open(b"key").expect("readable").expect("there");
    let mapped = files.get(b"key").expect("readable").expect("there");
    files.put(b"key", &bytes(2, 200_000), HOUR).expect("put");
    open.seek(SeekFrom::End(-1000)).expect("positioned");
    let mut end = Vec::new();
    open.read_to_end(&mut end).expect("read");
    assert_eq!(end, bytes(1, 200_000)[199_000..]);
    assert_eq!(&*mapped, &bytes(1, 200_000)[..]);
    assert!(mapped.is_mapped());
    assert_eq!(get(&files, b"key"), Some(bytes(2, 200_000)));
}

#[test]
fn the_token_of_a_value_is_the_callers_if_it_has_one() {
    let place = Place::new();
    let files = place.files();
    for length in [100, 100_000] {
        let token = files.index().fill_token(b"key");
        files.invalidate(b"key"); // while the value is computed
        let options = PutOptions::default().since(&token);
        let value = bytes(1, length);
        assert_eq!(
            files.put(b"key", &value, options).expect("put"),
            Put::Superseded,
            "{length}"
        );
        assert_eq!(
            files.add(b"key", &value, options).expect("add"),
            Add::Superseded,
            "{length}"
        );
        assert_eq!(get(&files, b"key"), None);
    }
    assert_eq!(value_files(&place.path()).len(), 0);
}

#[test]
fn an_entry_whose_file_is_of_an_earlier_table_is_no_value() {
    let place = Place::new();
    let keys: [&[u8]; 5] = [b"read", b"put", b"added", b"added small", b"swept"];
    let files = place.files();
    for key in keys {
        files.put(key, &bytes(1, 100_000), HOUR).expect("put");
    }
    drop(files);
    std::fs::remove_file(place.path().join("table.guira-files")).expect("it is there");
    let files = place.files();
    for key in keys {
        assert!(!files.contains(key));
        assert_eq!(files.value_bytes(key), None);
    }
    assert_eq!(get(&files, b"read"), None);
    assert_eq!(
        files.put(b"put", &bytes(2, 100_000), HOUR).expect("put"),
        Put::Stored
    );
    let added = files.add(b"added", &bytes(2, 100_000), HOUR);
    assert_eq!(added.expect("added"), Add::Stored);
    let added = files.add(b"added small", b"small", HOUR);
    assert_eq!(added.expect("added"), Add::Stored);
    let swept = files.sweep().expect("swept");
    assert_eq!(swept.missing, 1, "{swept:?}");
    assert_eq!(files.entries().count(), 3);
    assert_eq!(value_files(&place.path()).len(), 2);
    assert_eq!(files.sweep().expect("swept"), Default::default());
}
