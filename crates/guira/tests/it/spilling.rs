//! Large values in files: the entry decides, whatever is done with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira::codec::{Raw, Rkyv};
use guira::files::DepotBuilder;
use guira::store::Decoded;
use guira::transform::KeyRing;
use guira::{Add, Cache, Error, Guira, Lifetime, PutOptions, Replace, Store, Swap, depends_on};
use tempfile::TempDir;

use crate::children::await_that;

const HOUR: Duration = Duration::from_secs(3600);
const LARGE: usize = 300_000;

struct Place {
    directory: TempDir,
    guira: Guira,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let guira = Guira::builder()
            .size(8 << 20)
            .files(
                directory.path().join("large"),
                DepotBuilder::default().limit_bytes(64 << 20),
            )
            .open(directory.path().join("segment"))
            .expect("it opens");
        Self { directory, guira }
    }

    fn pages(&self) -> Cache<str, Vec<u8>> {
        self.guira.cache("pages")
    }

    fn raw(&self) -> Cache<str, Vec<u8>, Raw> {
        self.guira
            .cache_builder("raw")
            .codec(Raw)
            .build()
            .expect("a name")
    }

    fn files(&self) -> Vec<PathBuf> {
        value_files(&self.directory.path().join("large"))
    }
}

fn value_files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).expect("listed").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.append(&mut value_files(&path));
        } else if path.extension().is_none() {
            found.push(path);
        }
    }
    found
}

#[test]
fn large_values_are_files_and_small_ones_are_not() {
    let place = Place::new();
    let pages = place.pages();
    pages.put("small", &vec![1; 1_000], HOUR).expect("put");
    assert!(place.files().is_empty());
    pages.put("large", &vec![2; LARGE], HOUR).expect("put");
    assert_eq!(place.files().len(), 1);
    assert_eq!(pages.get("large").expect("readable"), Some(vec![2; LARGE]));
    assert_eq!(pages.get_many(["small", "large"]).len(), 2);
    assert!(pages.get_many(["large"]).remove(0).expect("readable").is_some());
    let (value, ttl) = pages.get_ttl("large").expect("readable").expect("there");
    assert!(value.len() == LARGE && ttl.outlasts(HOUR / 2));
    let metadata = pages.metadata("large").expect("a key").expect("there");
    assert!(metadata.value_bytes > LARGE, "{metadata:?}");
    assert_eq!(pages.mismatches(), 0);

    let lower = place
        .guira
        .cache_builder::<str, Vec<u8>>("lower")
        .spill_above(2_000)
        .build();
    lower
        .expect("a name")
        .put("key", &vec![3; 3_000], HOUR)
        .expect("put");
    assert_eq!(place.files().len(), 2);
    pages.put("large", &vec![4; 10], HOUR).expect("put");
    assert_eq!(pages.get("large").expect("readable"), Some(vec![4; 10]));
}

#[test]
fn each_write_decides_as_it_does_of_small_values_and_leaves_one_file_for_a_value() {
    let place = Place::new();
    let pages = place.pages();
    let value = |n: u8| vec![n; LARGE];
    assert_eq!(
        pages.replace("key", &value(1), HOUR).expect("asked"),
        Replace::NotFound
    );
    assert_eq!(pages.add("key", &value(1), HOUR).expect("asked"), Add::Stored);
    assert_eq!(pages.add("key", &value(2), HOUR).expect("asked"), Add::Exists);
    assert_eq!(
        pages.replace("key", &value(3), HOUR).expect("asked"),
        Replace::Stored
    );
    let (found, version) = pages.get_versioned("key").expect("readable").expect("there");
    assert_eq!(found, value(3));
    assert_eq!(
        pages
            .compare_and_swap("key", version, &value(4), HOUR)
            .expect("asked"),
        Swap::Stored
    );
    let late = pages
        .compare_and_swap("key", version, &value(5), HOUR)
        .expect("asked");
    assert!(matches!(late, Swap::Conflict(_)));
    assert_eq!(pages.get("key").expect("readable"), Some(value(4)));
    assert_eq!(
        pages.touch("key", Lifetime::never()).expect("asked"),
        Replace::Stored
    );
    assert!(pages.expire("key").expect("asked"));
    assert!(pages.ttl("key").expect("asked").expect("there").is_stale());
    assert_eq!(pages.get("key").expect("readable"), Some(value(4)));
    assert_eq!(place.files().len(), 1);
    assert!(pages.remove("key").expect("asked"));
    assert_eq!(
        (pages.get("key").expect("readable"), place.files().len()),
        (None, 0)
    );
    pages.put("key", &value(6), HOUR).expect("put");
    assert!(pages.invalidate("key").expect("asked"));
    assert_eq!(
        (pages.get("key").expect("readable"), place.files().len()),
        (None, 0)
    );
}

#[test]
fn bytes_grow_at_both_ends_into_a_file_and_within_it() {
    let place = Place::new();
    let raw = place.raw();
    raw.put("key", &vec![1; 60_000], HOUR).expect("put");
    assert!(place.files().is_empty());
    assert_eq!(raw.append("key", &[2; 60_000]).expect("asked"), Replace::Stored);
    assert_eq!(place.files().len(), 1);
    assert_eq!(raw.append("key", b"end").expect("asked"), Replace::Stored);
    assert_eq!(raw.prepend("key", b"begin").expect("asked"), Replace::Stored);
    let whole = [&b"begin"[..], &[1; 60_000], &[2; 60_000], b"end"].concat();
    assert_eq!(raw.get("key").expect("readable"), Some(whole.clone()));
    let borrowed = raw.get_ref("key").expect("readable").expect("there");
    assert!(borrowed.is_borrowed(), "the file itself");
    assert_eq!(&*borrowed, &whole[..]);
    assert_eq!(place.files().len(), 1);
    assert_eq!(raw.append("none", b"x").expect("asked"), Replace::NotFound);
}

#[test]
fn archives_are_read_where_they_lie_in_their_files() {
    let place = Place::new();
    let routes: Cache<u64, Vec<u64>, Rkyv> = place
        .guira
        .cache_builder("routes")
        .codec(Rkyv)
        .build()
        .expect("a name");
    let stops: Vec<u64> = (0..50_000).collect();
    routes.put(&7, &stops, HOUR).expect("put");
    assert_eq!(place.files().len(), 1);
    let archived = routes.get_archived(&7).expect("readable").expect("there");
    assert!(archived.is_borrowed());
    assert_eq!(archived.access().expect("an archive").as_slice()[49_999], 49_999);
}

#[test]
fn sealed_and_compressed_values_are_so_in_their_files() {
    let place = Place::new();
    let secrets = place
        .guira
        .cache_builder::<str, Vec<u8>>("secrets")
        .encrypt(KeyRing::new(1, [7; 32]))
        .build()
        .expect("a name");
    let secret = b"a well-kept secret, ".repeat(10_000);
    secrets.put("key", &secret, HOUR).expect("put");
    let stored = std::fs::read(&place.files()[0]).expect("read");
    assert!(!stored.windows(12).any(|window| window == b"a well-kept "));
    assert_eq!(secrets.get("key").expect("readable"), Some(secret.clone()));

    let packed = place
        .guira
        .cache_builder::<str, Vec<u8>>("packed")
        .compress_lz4(1_000);
    let packed = packed.spill_above(1_024).build().expect("a name");
    packed.put("key", &secret, HOUR).expect("put");
    assert_eq!(place.files().len(), 1, "it is short enough for the segment");
    assert_eq!(packed.get("key").expect("readable"), Some(secret));
}

#[test]
fn tags_namespaces_and_dependencies_make_spilled_values_void() {
    let place = Place::new();
    let pages = place.pages();
    let tagged = PutOptions::from(HOUR).tags(&[b"user:7"]);
    pages.put("one", &vec![1; LARGE], tagged).expect("put");
    pages.put("two", &vec![2; LARGE], HOUR).expect("put");
    pages.invalidate_tag(b"user:7").expect("asked");
    assert_eq!(pages.get("one").expect("readable"), None);
    assert!(pages.get("two").expect("readable").is_some());
    pages.clear().expect("asked");
    assert_eq!(pages.get("two").expect("readable"), None);
    let swept = place.guira.files().expect("it has one").sweep().expect("swept");
    assert_eq!((swept.orphaned, place.files().len()), (2, 0));

    let compute = || {
        depends_on("catalogue");
        vec![3; LARGE]
    };
    assert_eq!(
        pages.get_or_compute("three", compute).expect("computed").len(),
        LARGE
    );
    place.guira.dependency("catalogue").invalidate();
    assert_eq!(pages.get("three").expect("readable"), None);
}

#[test]
fn a_large_value_is_computed_once_for_all_who_ask() {
    let place = Place::new();
    let pages = place.pages();
    let computed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let value = pages.get_or_compute("key", || {
                    computed.fetch_add(1, Ordering::Relaxed);
                    vec![7; 5 << 20]
                });
                assert_eq!(value.expect("computed").len(), 5 << 20);
            });
        }
    });
    assert_eq!((computed.into_inner(), place.files().len()), (1, 1));
}

#[test]
fn a_value_that_is_invalidated_while_it_is_computed_leaves_no_file() {
    let place = Place::new();
    let pages = place.pages();
    let value = pages.get_or_compute("key", || {
        pages.invalidate("key").expect("asked");
        vec![7; LARGE]
    });
    assert_eq!(value.expect("computed").len(), LARGE);
    assert_eq!(
        (pages.get("key").expect("readable"), place.files().len()),
        (None, 0)
    );
}

#[test]
fn who_waited_for_a_large_value_that_was_not_stored_computes_at_once() {
    let place = Place::new();
    let pages = place.pages();
    let computing = AtomicU64::new(0);
    let compute = || {
        computing.fetch_add(1, Ordering::Relaxed);
        await_that("the other", || computing.load(Ordering::Relaxed) == 2);
        vec![8; LARGE]
    };
    std::thread::scope(|scope| {
        let mut waiters = Vec::new();
        let value = pages.get_or_compute("key", || {
            for _ in 0..2 {
                waiters.push(scope.spawn(|| pages.get_or_compute("key", compute)));
            }
            await_that("both", || place.guira.stats().flights_waited == 2);
            pages.invalidate("key").expect("asked");
            vec![7; LARGE]
        });
        assert_eq!(value.expect("computed"), vec![7; LARGE]);
        for waiter in waiters {
            let value = waiter.join().expect("it ends").expect("computed");
            assert!(value == vec![8; LARGE]);
        }
    });
}

#[test]
fn a_file_that_is_gone_or_damaged_is_a_miss_and_is_computed_anew() {
    let place = Place::new();
    let pages = place.pages();
    let spoil: [fn(&Path); 2] = [
        |path| std::fs::remove_file(path).expect("removed"),
        |path| {
            let mut bytes = std::fs::read(path).expect("read");
            bytes[200_000] ^= 1;
            std::fs::remove_file(path).expect("removed");
            std::fs::write(path, bytes).expect("written");
        },
    ];
    for spoil in spoil {
        pages.put("key", &vec![1; LARGE], HOUR).expect("put");
        spoil(&place.files()[0]);
        assert_eq!(pages.get("key").expect("a miss"), None);
        assert!(!pages.contains("key").expect("asked"));
        pages.put("key", &vec![1; LARGE], HOUR).expect("put");
        spoil(&place.files()[0]);
        let value = pages.get_or_compute("key", || vec![2; LARGE]).expect("computed");
        assert_eq!(value[0], 2);
        let again = pages.get_or_compute("key", || vec![3; LARGE]).expect("kept");
        assert_eq!(again[0], 2, "it was stored");
    }
}

#[test]
fn a_key_that_always_has_a_value_is_never_missed_while_others_replace_it() {
    let place = Place::new();
    let (pages, raw) = (place.pages(), place.raw());
    pages
        .put("key", &vec![0; LARGE], Lifetime::never())
        .expect("room");
    raw.put("key", &vec![0; LARGE], Lifetime::never()).expect("room");
    let is_over = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..300_u64 {
                let length = if n % 3 == 0 { 100 } else { LARGE };
                for put in [
                    pages.put("key", &vec![n as u8; length], Lifetime::never()),
                    raw.put("key", &vec![n as u8; LARGE], Lifetime::never()),
                ] {
                    put.expect("room");
                }
            }
            is_over.store(1, Ordering::SeqCst);
        });
        while is_over.load(Ordering::SeqCst) == 0 {
            assert!(pages.get("key").expect("readable").is_some());
            assert!(pages.get_ttl("key").expect("readable").is_some());
            assert!(raw.get_ref("key").expect("readable").is_some());
            let appended = raw.append("key", &[7; 10]).expect("room");
            assert_ne!(appended, Replace::NotFound);
        }
    });
}

#[test]
fn a_stub_whose_directory_is_gone_stands_in_nobodys_way() {
    let Place { directory, guira } = Place::new();
    let pages: Cache<str, Vec<u8>> = guira.cache("pages");
    pages
        .put("key", &vec![1; LARGE], Lifetime::never())
        .expect("room");
    drop((pages, guira));
    std::fs::remove_dir_all(directory.path().join("large")).expect("removed");
    let place = Place {
        guira: Guira::builder()
            .size(8 << 20)
            .files(
                directory.path().join("large"),
                DepotBuilder::default().limit_bytes(64 << 20),
            )
            .open(directory.path().join("segment"))
            .expect("it opens"),
        directory,
    };
    let pages = place.pages();
    assert_eq!(pages.get("key").expect("readable"), None);
    assert!(!pages.contains("key").expect("looked"));
    let added = pages.add("key", &vec![2; LARGE], Lifetime::never());
    assert_eq!(added.expect("room"), Add::Stored);
}

#[test]
fn what_does_not_fit_the_files_is_an_error_that_says_so_and_loses_nothing() {
    let place = Place::new();
    let pages = place.pages();
    pages.put("key", &vec![1; LARGE], HOUR).expect("put");
    let error = pages.put("key", &vec![2; 70 << 20], HOUR).expect_err("too large");
    assert!(matches!(error, Error::Codec(_)), "{error:?}");
    assert!(error.to_string().contains("raise the limit"), "{error}");
    assert_eq!(pages.get("key").expect("readable"), Some(vec![1; LARGE]));
    let value = pages
        .get_or_compute("other", || vec![3; 70 << 20])
        .expect("computed");
    assert_eq!(value.len(), 70 << 20);
    assert_eq!(place.files().len(), 1);
}

#[test]
fn decoded_values_follow_their_entries() {
    let place = Place::new();
    let pages = place.guira.cache::<u64, Vec<u8>>("pages");
    let decoded = Decoded::new(pages.clone(), 100);
    pages.put(&7, &vec![1; LARGE], HOUR).expect("put");
    assert_eq!(decoded.get(&7).expect("readable").map(|value| value[0]), Some(1));
    pages.put(&7, &vec![2; LARGE], HOUR).expect("put");
    assert_eq!(decoded.get(&7).expect("readable").map(|value| value[0]), Some(2));
    pages.invalidate(&7).expect("asked");
    assert!(decoded.get(&7).expect("readable").is_none());
}

#[test]
fn who_opens_the_segment_without_its_files_misses_and_does_not_fail() {
    let place = Place::new();
    place.pages().put("key", &vec![1; LARGE], HOUR).expect("put");
    let other = Guira::open(place.directory.path().join("segment")).expect("it opens");
    assert_eq!(
        other.cache::<str, Vec<u8>>("pages").get("key").expect("a miss"),
        None
    );
    assert!(place.pages().get("key").expect("readable").is_some());
}

#[test]
fn files_are_named_by_settings() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, segment) = (
        directory.path().join("guira.toml"),
        directory.path().join("segment"),
    );
    let large = directory.path().join("large");
    let text = format!(
        "path = {segment:?}\nsize = '8M'\nfiles = {large:?}\nfiles_limit = '64M'\n[cache.pages]\nspill_above = '2K'\n"
    );
    std::fs::write(&path, text).expect("written");
    let guira = guira::Settings::read(&path)
        .expect("settings")
        .open()
        .expect("opens");
    guira
        .cache::<u64, Vec<u8>>("pages")
        .put(&7, &vec![1; 3_000], HOUR)
        .expect("put");
    assert_eq!(value_files(&large).len(), 1);
    assert_eq!(guira.files().expect("it has one").stats().limit_bytes, 64 << 20);
    std::fs::write(&path, format!("path = {segment:?}\nfiles_limit = '64M'\n")).expect("written");
    let error = guira::Settings::read(&path)
        .expect("settings")
        .open()
        .expect_err("no directory");
    assert!(error.to_string().contains("files_limit"), "{error}");
}
