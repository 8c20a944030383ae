//! Dumps: what goes in comes out, and what was cut or changed is an error and never another value.

mod faults;
mod files;
mod loading;
mod stubs;

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use guira::dump::{
    Dump, DumpReader, DumpWriter, Dumped, EntryHead, Load, LoadError, Loaded, Origin, Part, ReadError,
    Written,
};
use guira_segment::{Expiry, PutOptions, Segment};
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;

const LONG: Duration = Duration::from_secs(3600);

fn segment() -> Segment {
    Segment::builder().size(8 << 20).private().expect("it is small")
}

fn dump_with(dump: Dump<'_>, segment: &Segment) -> (Dumped, Vec<u8>) {
    let mut bytes = Vec::new();
    let dumped = dump.write(segment, &mut bytes, &mut |_| ()).expect("memory");
    assert_eq!(dumped.dump_bytes, bytes.len() as u64);
    (dumped, bytes)
}

fn dump(segment: &Segment) -> Vec<u8> {
    dump_with(Dump::new(), segment).1
}

fn load_with(load: Load<'_>, bytes: &[u8], segment: &Segment) -> Result<Loaded, LoadError> {
    let reader = DumpReader::new(bytes).expect("it begins well");
    load.run(reader, segment, &mut |_| ())
}

fn load(bytes: &[u8], segment: &Segment) -> Loaded {
    load_with(Load::new(), bytes, segment).expect("it is whole")
}

/// What matters of an entry: the time that is left to it, and whether it is stale; and value, tags and alignment.
type Facts = (
    Option<Duration>,
    Option<Duration>,
    bool,
    Vec<u8>,
    Vec<Vec<u8>>,
    bool,
);

fn facts(segment: &Segment) -> BTreeMap<(Option<String>, Vec<u8>), Facts> {
    let entries = segment.all_entries().with_values();
    let facts = entries.map(|entry| {
        let entry = entry.expect("a whole segment");
        let metadata = entry.info.metadata;
        let facts = (
            metadata.ttl,
            metadata.soft_ttl,
            metadata.is_stale,
            entry.value,
            entry.info.tags,
            entry.is_aligned,
        );
        ((entry.info.namespace, entry.info.key), facts)
    });
    facts.collect()
}

/// The same, but for the time that passed between two looks at it.
fn assert_same(before: &Segment, after: &Segment) {
    let (before, after) = (facts(before), facts(after));
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
    for (place, one) in &before {
        let other = &after[place];
        assert_eq!(
            (one.2, &one.3, &one.4, one.5),
            (other.2, &other.3, &other.4, other.5)
        );
        assert_eq!(one.0.is_some(), other.0.is_some(), "{place:?}");
        if let (Some(one), Some(other)) = (one.0, other.0) {
            assert!(one.abs_diff(other) < LONG / 4, "{place:?}: {one:?} {other:?}");
        }
        if let (Some(one), Some(other), false) = (one.1, other.1, one.2) {
            assert!(one.abs_diff(other) < LONG / 4, "{place:?}: {one:?} {other:?}");
        }
    }
}

#[track_caller]
fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[derive(Clone, Debug)]
struct Stored {
    value: Vec<u8>,
    tags: Vec<Vec<u8>>,
    life: Expiry,
    is_aligned: bool,
    is_expired: bool,
}

fn stored() -> impl Strategy<Value = Stored> {
    let long =
        prop_oneof![4 => 0..300_usize, 1 => 60_000..200_000_usize, 1 => Just(64 << 10), 1 => Just(128 << 10)];
    let value = (long, any::<u8>())
        .prop_map(|(bytes, first)| (0..bytes).map(|n| (n * 7 / 5) as u8 ^ first).collect());
    let life = prop_oneof![
        Just(Expiry::never()),
        Just(Expiry::after(LONG)),
        Just(Expiry::after(LONG).soft(LONG / 2)),
        Just(Expiry::never().soft(LONG)),
    ];
    let tags = vec(vec(any::<u8>(), 1..=255), 0..=16);
    (value, tags, life, any::<bool>(), any::<bool>()).prop_map(
        |(value, tags, life, is_aligned, is_expired)| Stored {
            value,
            tags,
            life,
            is_aligned,
            is_expired,
        },
    )
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn what_is_dumped_and_loaded_is_as_it_was(
        entries in btree_map(
            (prop_oneof![Just(None), Just(Some("users")), Just(Some("gr\u{fc}n"))], vec(any::<u8>(), 1..=600)),
            stored(),
            0..24,
        ),
        is_compressed in any::<bool>(),
    ) {
        let before = segment();
        for ((namespace, key), stored) in &entries {
            let tags: Vec<&[u8]> = stored.tags.iter().map(Vec::as_slice).collect();
            let options = PutOptions::from(stored.life).tags(&tags).aligned(stored.is_aligned);
            let handle = namespace.map_or(before.clone(), |name| before.namespace(name).expect("a row"));
            handle.put_with(key, &stored.value, &options).expect("there is room");
            if stored.is_expired {
                assert!(handle.expire(key));
            }
        }
        let (dumped, bytes) = dump_with(Dump::new().compressed(is_compressed), &before);
        assert_eq!(dumped.entries, entries.len() as u64);
        let after = segment();
        let loaded = load(&bytes, &after);
        assert_eq!((loaded.entries, loaded.value_bytes), (dumped.entries, dumped.value_bytes));
        assert_eq!((loaded.evicted, loaded.kept, loaded.too_large), (0, 0, 0));
        await_that("what was stale is so again", || {
            let stale = |segment: &Segment| facts(segment).values().filter(|facts| facts.2).count();
            stale(&before) == stale(&after)
        });
        assert_same(&before, &after);
        assert_eq!(before.stats().hits, 0, "a dump is no reader");
    }
}

/// A dump with everything in it, in few bytes.
fn small(is_compressed: bool) -> Vec<u8> {
    let before = segment();
    let users = before.namespace("users").expect("a row");
    let tags: [&[u8]; 2] = [b"red", b"blue"];
    let tagged = PutOptions::from(Expiry::after(LONG).soft(LONG / 2)).tags(&tags);
    users.put_with(b"plum", b"violet", &tagged).expect("room");
    users.put(b"empty", b"", Expiry::never()).expect("room");
    before.put(b"k", &[7; 40], Expiry::after(LONG)).expect("room");
    dump_with(Dump::new().compressed(is_compressed), &before).1
}

/// Namespace, head and value of an entry of a dump.
type Entry = (Option<String>, EntryHead, Vec<u8>);

/// All entries of a dump, if it is whole, and those before the fault, if not.
fn read(bytes: &[u8]) -> (Vec<Entry>, Result<(), ReadError>) {
    let mut entries = Vec::new();
    let ended = read_into(bytes, &mut entries);
    (entries, ended)
}

fn read_into(bytes: &[u8], entries: &mut Vec<Entry>) -> Result<(), ReadError> {
    let mut reader = DumpReader::new(bytes)?;
    while let Some(entry) = reader.next_entry()? {
        let mut value = Vec::new();
        loop {
            match reader.next_part(&mut value)? {
                Part::More => {}
                Part::Last => {
                    break entries.push((entry.namespace.map(|name| name.to_string()), entry.head, value));
                }
                Part::Void => break,
            }
        }
    }
    Ok(())
}

#[test]
fn what_no_segment_could_hold_is_not_written() {
    let mut writer = DumpWriter::new(Vec::new(), &Origin::default(), false).expect("memory");
    let key = |bytes| EntryHead {
        key: vec![b'k'; bytes],
        ..EntryHead::default()
    };
    let tags = |tags| EntryHead { tags, ..key(1) };
    for head in [
        key(0),
        key(4094),
        tags(vec![vec![]]),
        tags(vec![vec![1; 256]]),
        tags(vec![vec![1]; 17]),
    ] {
        assert!(writer.entry(None, &head, &mut io::empty()).is_err());
    }
    for head in [key(1), key(4093), tags(vec![vec![1; 255]; 16])] {
        let written = writer.entry(None, &head, &mut io::empty()).expect("memory");
        assert!(matches!(written, Written::Whole));
    }
    let (bytes, _) = writer.finish().expect("memory");
    assert_eq!(read(&bytes).0.len(), 3);
}

#[test]
fn who_is_told_how_far_it_is_sees_it_grow() {
    let before = segment();
    for n in 0..50_u32 {
        before
            .put(&n.to_le_bytes(), b"value", Expiry::never())
            .expect("room");
    }
    let (mut bytes, mut seen) = (Vec::new(), Vec::new());
    let dumped = Dump::new()
        .write(&before, &mut bytes, &mut |so_far| seen.push(*so_far))
        .expect("memory");
    assert_eq!(seen.len(), 50);
    assert!(seen.is_sorted_by(|one, next| one.entries < next.entries && one.walked <= next.walked));
    assert_eq!(
        (dumped.entries, dumped.value_bytes, dumped.walked),
        (50, 250, 1.0)
    );
    let mut seen = Vec::new();
    let reader = DumpReader::new(&bytes[..]).expect("it begins well");
    assert_eq!(reader.origin().segment, before.id());
    let loaded = Load::new()
        .run(reader, &segment(), &mut |so_far| seen.push(*so_far))
        .expect("whole");
    assert!(seen.is_sorted_by(|one, next| one.entries < next.entries));
    assert_eq!((seen.len(), loaded.dump_bytes), (50, bytes.len() as u64));
}
