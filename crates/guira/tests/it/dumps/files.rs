//! Values in files: dumped whole, and made files again where they are loaded.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use guira::Guira;
use guira::dump::{Dump, Dumped, Load};
use guira::files::{Depot, Files, FilesBuilder, TakeFile};
use guira_segment::{Expiry, PutOptions, Segment};

use super::{LONG, await_that, dump_with, load, load_with, read};

const LIMIT_BYTES: u64 = 48 << 20;

fn settings() -> FilesBuilder {
    Files::builder().limit_bytes(LIMIT_BYTES)
}

fn files_in(directory: &Path) -> Files {
    settings().open_or_create(directory).expect("a directory of ours")
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 31 / 7) as u8).collect()
}

fn dump_of(files: &Files) -> (Dumped, Vec<u8>) {
    dump_with(Dump::new().stubs(files.depot()), files.index())
}

fn into_files(files: &Files) -> Load<'_> {
    Load::new().files(files.depot(), files.inline_max_bytes())
}

/// Every value file below a directory.
fn value_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(value_files(&path));
        } else if path
            .file_name()
            .is_some_and(|name| name.len() >= 16 && !name.to_string_lossy().contains('.'))
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_files_cache_goes_into_another_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = files_in(&directory.path().join("before"));
    let users = before.namespace("users").expect("a row");
    let tags: [&[u8]; 1] = [b"red"];
    let sizes = [0, 1, 4096, 4097, 65_535, 65_536, 65_537, 3_000_000];
    for size in sizes {
        let options = PutOptions::from(Expiry::after(LONG)).tags(&tags);
        before
            .put(format!("of {size}").as_bytes(), &content(size), options)
            .expect("room");
    }
    users
        .put(b"of 65536", &content(100_000), Expiry::never())
        .expect("room");
    let (dumped, bytes) = dump_of(&before);
    assert_eq!((dumped.entries, dumped.missing), (sizes.len() as u64 + 1, 0));
    assert_eq!(dumped.value_bytes, sizes.iter().sum::<usize>() as u64 + 100_000);

    let after = files_in(&directory.path().join("after"));
    let loaded = load_with(into_files(&after), &bytes, after.index()).expect("it is whole");
    assert_eq!(
        (loaded.entries, loaded.value_bytes),
        (dumped.entries, dumped.value_bytes)
    );
    assert_eq!(
        (loaded.files, after.stats().files),
        (6, 6),
        "what is longer than 4 KiB"
    );
    for size in sizes {
        let key = format!("of {size}");
        let value = after
            .get_bytes(key.as_bytes())
            .expect("readable")
            .expect("loaded");
        assert!(value == content(size), "{key}");
        assert_eq!(after.index().tags(key.as_bytes()), Some(vec![b"red".to_vec()]));
        assert!(
            after
                .metadata(key.as_bytes())
                .and_then(|it| it.ttl)
                .is_some_and(|ttl| ttl > LONG / 2)
        );
    }
    let users = after.namespace("users").expect("a row");
    assert!(users.get_bytes(b"of 65536").expect("readable") == Some(content(100_000)));
    after.invalidate_tag(b"red");
    assert!(!after.contains(b"of 4097") && users.contains(b"of 65536"));

    // Replacing leaves no file of what was there.
    let loaded = load_with(into_files(&after).replace(true), &bytes, after.index()).expect("whole");
    assert_eq!(loaded.entries, dumped.entries);
    let swept = after.sweep().expect("ours");
    assert_eq!(after.stats().files, 6, "{swept:?}");
    assert_eq!(value_files(&directory.path().join("after")).len(), 6);
    // And keeping writes none.
    let written = after.stats().written;
    let loaded = load_with(into_files(&after), &bytes, after.index()).expect("whole");
    assert_eq!((loaded.entries, loaded.kept), (0, dumped.entries));
    assert_eq!(after.stats().written, written);
}

#[test]
fn spilled_values_of_typed_caches_go_along() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = |name: &str| {
        let depot = Depot::builder().limit_bytes(LIMIT_BYTES);
        Guira::builder()
            .size(8 << 20)
            .files(directory.path().join(name), depot)
            .private()
            .expect("room")
    };
    let models = |guira: &Guira| {
        let builder = guira.cache_builder::<str, Vec<u8>>("models").spill_above(2_000);
        builder.build().expect("a name")
    };
    let before = open("before");
    models(&before)
        .put("plums", &content(1_000_000), LONG)
        .expect("room");
    models(&before).put("pears", &content(3_000), LONG).expect("room");
    models(&before).put("figs", &content(100), LONG).expect("room");
    let depot = before.files().expect("named");
    let (dumped, bytes) = dump_with(Dump::new().stubs(depot), before.segment());
    assert_eq!(dumped.entries, 3);
    assert_eq!(
        read(&bytes)
            .0
            .iter()
            .filter(|(_, head, _)| head.was_spilled)
            .count(),
        2
    );

    let after = open("after");
    let depot = after.files().expect("named");
    let loaded = load_with(Load::new().files(depot, 64 << 10), &bytes, after.segment()).expect("whole");
    // What was a file is one again, whatever its length.
    assert_eq!((loaded.entries, loaded.files), (3, 2));
    for (key, size) in [("plums", 1_000_000), ("pears", 3_000), ("figs", 100)] {
        assert!(
            models(&after).get(key).expect("readable") == Some(content(size)),
            "{key}"
        );
    }

    // Into a segment without files goes what it can hold.
    let plain = Guira::builder().size(8 << 20).private().expect("room");
    let loaded = load(&bytes, plain.segment());
    assert_eq!((loaded.entries, loaded.files, loaded.too_large), (3, 0, 0));
    let cache = plain.cache::<str, Vec<u8>>("models");
    assert!(cache.get("plums").expect("readable") == Some(content(1_000_000)));

    // Without the directory a dump has stubs, which are misses elsewhere.
    let (dumped, bytes) = dump_with(Dump::new(), before.segment());
    assert_eq!((dumped.entries, dumped.missing), (3, 0));
    let elsewhere = open("elsewhere");
    load(&bytes, elsewhere.segment());
    assert_eq!(models(&elsewhere).get("plums").expect("a miss is no error"), None);
    assert!(models(&elsewhere).get("figs").expect("readable").is_some());
}

#[test]
fn files_that_are_gone_or_damaged_are_left_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cache");
    let files = files_in(&path);
    for key in [&b"gone"[..], b"damaged", b"sound"] {
        files.put(key, &content(100_000), Expiry::never()).expect("room");
        let newest = value_files(&path)
            .into_iter()
            .max_by_key(|path| path.file_name().map(ToOwned::to_owned));
        let newest = newest.expect("just written");
        match key {
            b"gone" => std::fs::remove_file(newest).expect("ours"),
            b"damaged" => {
                let mut bytes = std::fs::read(&newest).expect("ours");
                *bytes.last_mut().expect("long") ^= 1;
                std::fs::remove_file(&newest).expect("ours");
                std::fs::write(&newest, bytes).expect("room");
            }
            _ => {}
        }
    }
    let (dumped, bytes) = dump_of(&files);
    assert_eq!((dumped.entries, dumped.missing), (1, 2));
    assert_eq!(read(&bytes).0[0].1.key, b"sound");
}

/// A linked file is somebody else's, too.
#[test]
fn a_linked_file_that_is_changed_is_dumped_as_it_was_or_not_at_all() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = files_in(&directory.path().join("cache"));
    let source_path = directory.path().join("source");
    std::fs::write(&source_path, content(1_000_000)).expect("room");
    let source = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&source_path)
        .expect("ours");
    files
        .put_file(b"linked", &source, TakeFile::Link, Expiry::never())
        .expect("room");
    let value = files.open(b"linked").expect("readable").expect("just put");
    assert_eq!(value.offset_bytes(), 0, "it is linked, not copied");

    /// Changes the source when the dump has come to the value.
    struct Changing<'f> {
        bytes: Vec<u8>,
        source: &'f std::fs::File,
    }
    impl std::io::Write for Changing<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.bytes.is_empty() {
                self.source.write_all_at(b"changed", 900_000)?;
            }
            self.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut out = Changing {
        bytes: Vec::new(),
        source: &source,
    };
    let dump = Dump::new().stubs(files.depot());
    let dumped = dump.write(files.index(), &mut out, &mut |_| ()).expect("memory");
    assert_eq!((dumped.entries, dumped.missing), (1, 0));
    let (entries, ended) = read(&out.bytes);
    assert!(ended.is_ok() && entries[0].2 == content(1_000_000));
    // It has changed by now.
    let (dumped, _) = dump_of(&files);
    assert_eq!((dumped.entries, dumped.missing), (0, 1));
}

#[test]
fn a_fault_within_a_value_leaves_neither_an_entry_nor_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = files_in(&directory.path().join("before"));
    before
        .put(b"k", &content(1_000_000), Expiry::never())
        .expect("room");
    let (_, mut bytes) = dump_of(&before);
    let path = directory.path().join("after");
    let after = files_in(&path);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    for bytes in [&bytes[..], &bytes[..middle]] {
        let error = load_with(into_files(&after), bytes, after.index()).expect_err("it is damaged");
        assert!(error.to_string().contains("0 entries were loaded"), "{error}");
        assert!(!after.contains(b"k") && value_files(&path).is_empty());
        assert_eq!((after.stats().files, after.stats().used_bytes), (0, 0));
    }
}

#[test]
fn the_limit_is_kept_and_what_never_fits_is_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let large = Files::builder().limit_bytes(160 << 20);
    let before = large
        .open_or_create(directory.path().join("before"))
        .expect("ours");
    for n in 0..40_u8 {
        before
            .put(&[n], &vec![n; 2 << 20], Expiry::never())
            .expect("room");
    }
    before
        .put(b"huge", &vec![9; 50 << 20], Expiry::never())
        .expect("room");
    let held = before.stats().files;
    let (dumped, bytes) = dump_of(&before);
    assert_eq!(dumped.entries, held);
    let after = files_in(&directory.path().join("after"));
    let loaded = load_with(into_files(&after), &bytes, after.index()).expect("it is whole");
    assert_eq!(loaded.too_large, 1, "{loaded:?}");
    assert_eq!(loaded.entries, held - 1);
    let stats = after.stats();
    assert!(stats.used_bytes <= after.depot().room_bytes(), "{stats:?}");
    assert!(
        loaded.evicted > 0 && loaded.evicted >= loaded.entries - stats.files,
        "{loaded:?} {stats:?}"
    );
}

#[test]
fn what_would_be_taken_for_a_stub_is_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = files_in(&directory.path().join("before"));
    let mut like = vec![3; 56];
    like[..8].copy_from_slice(b"\xfe\xffguira\x01");
    before.put(b"k", &like, Expiry::never()).expect("room");
    let (_, bytes) = dump_of(&before);
    let after = files_in(&directory.path().join("after"));
    let loaded = load_with(into_files(&after), &bytes, after.index()).expect("whole");
    assert_eq!((loaded.entries, loaded.files), (1, 1));
    assert_eq!(after.get_bytes(b"k").expect("readable"), Some(like.clone()));

    // Raw in a plain segment, it is none of the files' when it comes here.
    let plain = Segment::builder().size(8 << 20).private().expect("room");
    plain.put(b"plain", &like, Expiry::never()).expect("room");
    let (_, bytes) = dump_with(Dump::new(), &plain);
    let loaded = load_with(into_files(&after), &bytes, after.index()).expect("whole");
    assert_eq!(loaded.files, 1);
    assert_eq!(after.get_bytes(b"plain").expect("readable"), Some(like));
}

#[test]
fn values_in_files_can_be_loaded_as_stale() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = files_in(&directory.path().join("before"));
    before
        .put(b"k", &content(100_000), Expiry::after(LONG))
        .expect("room");
    let (_, bytes) = dump_of(&before);
    let after = files_in(&directory.path().join("after"));
    load_with(into_files(&after).as_stale(true), &bytes, after.index()).expect("whole");
    await_that("it is stale", || {
        after.metadata(b"k").is_some_and(|it| it.is_stale)
    });
    assert!(after.get_bytes(b"k").expect("readable") == Some(content(100_000)));
}
