//! What becomes of the entries of a dump in a segment: kept, replaced, over, too large, without room.

use std::time::Duration;

use guira::dump::{Dump, DumpWriter, EntryHead, Load, LoadCause, Origin};
use guira_segment::{Expiry, Segment, StoreError};

use super::{LONG, await_that, dump, dump_with, facts, load, load_with, read, segment};

#[test]
fn what_is_over_is_passed_over() {
    let before = segment();
    before
        .put(b"short", b"v", Expiry::after(Duration::from_millis(30)))
        .expect("room");
    before.put(b"long", b"v", Expiry::after(LONG)).expect("room");
    let bytes = dump(&before);
    await_that("it expires", || !before.contains(b"short"));
    let after = segment();
    let loaded = load(&bytes, &after);
    // A dump after the deadline has it no more, which a slow machine may bring about.
    assert_eq!(loaded.entries, 1);
    assert!(loaded.expired <= 1 && after.contains(b"long") && !after.contains(b"short"));

    let mut writer = DumpWriter::new(Vec::new(), &Origin::default(), false).expect("memory");
    let head = EntryHead {
        key: b"k".to_vec(),
        hard_ms: Some(1),
        ..EntryHead::default()
    };
    writer.entry(None, &head, &mut &b"of 1970"[..]).expect("memory");
    let (bytes, _) = writer.finish().expect("memory");
    let loaded = load(&bytes, &after);
    assert_eq!((loaded.entries, loaded.expired), (0, 1));
}

#[test]
fn what_is_there_is_kept_unless_said_otherwise() {
    let before = segment();
    before.put(b"both", b"old", Expiry::never()).expect("room");
    before.put(b"one", b"old", Expiry::never()).expect("room");
    let bytes = dump(&before);
    let after = segment();
    after.put(b"both", b"new", Expiry::never()).expect("room");
    let loaded = load(&bytes, &after);
    assert_eq!((loaded.entries, loaded.kept), (1, 1));
    assert_eq!(&*after.get(b"both").expect("kept"), b"new");
    let loaded = load_with(Load::new().replace(true), &bytes, &after).expect("whole");
    assert_eq!((loaded.entries, loaded.kept), (2, 0));
    assert_eq!(&*after.get(b"both").expect("replaced"), b"old");
}

#[test]
fn values_can_be_loaded_as_stale() {
    let before = segment();
    before.put(b"k", b"v", Expiry::after(LONG)).expect("room");
    let after = segment();
    load_with(Load::new().as_stale(true), &dump(&before), &after).expect("whole");
    await_that("it is stale", || after.get(b"k").expect("it lives").is_stale());
    let ttl = after.ttl(b"k").flatten().expect("a deadline");
    assert!(ttl > LONG / 2 && ttl <= LONG, "{ttl:?}");
}

#[test]
fn one_namespace_can_be_dumped_alone() {
    let before = segment();
    let users = before.namespace("users").expect("a row");
    before.put(b"k", b"default", Expiry::never()).expect("room");
    users.put(b"k", b"of users", Expiry::never()).expect("room");
    let (dumped, bytes) = dump_with(Dump::new().one_namespace(true), &users);
    assert_eq!(dumped.entries, 1);
    let (entries, _) = read(&bytes);
    assert_eq!(entries[0].0.as_deref(), Some("users"));
    let (_, bytes) = dump_with(Dump::new().one_namespace(true), &before);
    let (entries, _) = read(&bytes);
    assert_eq!((entries.len(), entries[0].0.as_deref()), (1, None));
}

#[test]
fn a_smaller_segment_takes_what_it_can_and_says_what_it_dropped() {
    let before = Segment::builder().size(64 << 20).private().expect("it is small");
    for n in 0..400_u32 {
        before
            .put(&n.to_le_bytes(), &[n as u8; 50_000], Expiry::never())
            .expect("room");
    }
    before
        .put(b"huge", &vec![9; 8 << 20], Expiry::never())
        .expect("room");
    let after = segment();
    let loaded = load(&dump(&before), &after);
    assert_eq!((loaded.entries, loaded.too_large), (400, 1));
    let there = after.all_entries().count() as u64;
    assert!(loaded.evicted > 100, "{loaded:?}");
    assert_eq!(there, loaded.entries - loaded.evicted);
    for (place, one) in facts(&after) {
        assert_eq!(one.3, [place.1[0]; 50_000]);
    }
}

#[test]
fn a_segment_that_takes_no_more_ends_the_load() {
    let before = segment();
    before.put(b"k", b"v", Expiry::never()).expect("room");
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let path = directory.path().join("cut.guira");
    let after = Segment::builder().size(8 << 20).create(&path).expect("room");
    std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("there")
        .set_len(0)
        .expect("cut");
    let error = load_with(Load::new(), &dump(&before), &after).expect_err("it is cut");
    assert!(
        matches!(error.cause, LoadCause::Store(StoreError::Truncated { .. })),
        "{error}"
    );
    assert_eq!(error.loaded.entries, 0);
}
