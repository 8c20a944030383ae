//! Requests that cannot be met: each error says what is wrong and what is allowed, and what was
//! there stays, except where a failed put must not leave the value it was to replace.

use std::time::Duration;

use guira_segment::{
    Add, Expiry, Fill, NamespaceError, OpenError, Put, PutOptions, Replace, Segment, StoreError,
};

use crate::places::SMALL_BYTES;

const MAX_KEY_BYTES: usize = 4_093;

fn small() -> Segment {
    let segment = Segment::builder()
        .size(SMALL_BYTES)
        .private()
        .expect("a private segment");
    segment.put(b"k", b"kept", Expiry::never()).expect("room");
    segment
}

fn is_kept(segment: &Segment) -> bool {
    segment.get(b"k").as_deref() == Some(b"kept".as_slice())
}

/// Every operation that stores, on `key`.
fn all_stores(segment: &Segment, key: &[u8]) -> Vec<StoreError> {
    let options = PutOptions::default();
    let token = segment.fill_token(key);
    let version = segment.metadata(b"k").expect("there").version;
    [
        segment.put(key, b"v", Expiry::never()).err(),
        segment.add(key, b"v", &options).err(),
        segment.replace(key, b"v", &options).err(),
        segment.compare_and_swap(key, version, b"v", &options).err(),
        segment.increment(key, 1, Some(1), Expiry::never()).err(),
        segment.append(key, b"v").err(),
        segment.touch(key, Expiry::never()).err(),
        segment.fill(key, b"v", &token, &options).err(),
    ]
    .map(|error| error.expect("a bad key"))
    .to_vec()
}

fn assert_reads_miss(segment: &Segment, key: &[u8]) {
    assert!(segment.get(key).is_none());
    assert!(!segment.get_into(key, &mut Vec::new()));
    assert!(!segment.contains(key));
    assert!(segment.metadata(key).is_none());
    assert!(segment.ttl(key).is_none());
    assert!(segment.tags(key).is_none());
    assert!(!segment.remove(key));
    assert!(!segment.invalidate(key));
    assert!(!segment.expire(key));
    segment.get_many(&[b"k", key], |index, value| {
        assert_eq!(value.is_some(), index == 0);
    });
}

#[test]
fn an_empty_key_is_an_error_to_writers_and_a_miss_to_readers() {
    let segment = small();
    for error in all_stores(&segment, b"") {
        assert!(matches!(error, StoreError::EmptyKey { .. }), "{error}");
        assert!(error.to_string().contains("1 to "), "{error}");
    }
    assert_reads_miss(&segment, b"");
    assert!(is_kept(&segment));
}

#[test]
fn a_key_one_byte_too_long_is_refused_and_the_longest_is_not() {
    let segment = Segment::builder()
        .size(64 << 20)
        .private()
        .expect("a private segment");
    segment.put(b"k", b"kept", Expiry::never()).expect("room");
    let mut key = vec![7; MAX_KEY_BYTES];
    let named = segment.namespace("named").expect("a row");
    for handle in [&segment, &named] {
        assert_eq!(handle.put(&key, b"v", Expiry::never()), Ok(Put::Stored));
        assert_eq!(handle.get(&key).as_deref(), Some(b"v".as_slice()));
    }
    key.push(7);
    for error in all_stores(&segment, &key) {
        assert_eq!(
            error,
            StoreError::KeyTooLong {
                key_bytes: MAX_KEY_BYTES + 1,
                max_bytes: MAX_KEY_BYTES
            }
        );
        assert!(error.to_string().contains("hash longer ones"), "{error}");
    }
    assert_reads_miss(&segment, &key);
    key.resize(10_000_000, 7);
    assert_reads_miss(&segment, &key);
    assert!(is_kept(&segment));
}

#[test]
fn a_value_one_byte_too_large_is_refused_and_replaces_nothing_by_nothing() {
    let segment = small();
    let max_bytes = segment.max_value_bytes();
    let too_large = vec![1; max_bytes + 1];
    let expected = Err(StoreError::ValueTooLarge {
        value_bytes: max_bytes + 1,
        max_bytes,
    });
    let options = PutOptions::default();
    assert_eq!(segment.add(b"k", &too_large, &options).map(|_| ()), expected);
    assert_eq!(segment.add(b"n", &too_large, &options).map(|_| ()), expected);
    assert!(is_kept(&segment), "add removes nothing");
    assert!(segment.append(b"k", &too_large).is_err());
    assert!(is_kept(&segment), "append leaves the value");
    assert_eq!(
        segment.put(b"k", &too_large, Expiry::never()).map(|_| ()),
        expected
    );
    assert!(segment.get(b"k").is_none(), "a failed put leaves no old value");
    assert_eq!(
        segment.put(b"k", &vec![1; max_bytes], Expiry::never()),
        Ok(Put::Stored)
    );
    assert_eq!(segment.get(b"k").map(|value| value.len()), Some(max_bytes));
    assert!(segment.verify().is_clean());
}

#[test]
fn lifetimes_of_zero_and_crossed_deadlines_are_refused_and_change_nothing() {
    let segment = small();
    let zero = Expiry::after(Duration::ZERO);
    let soft_zero = Expiry::never().soft(Duration::ZERO);
    let crossed = Expiry::after(Duration::from_secs(1)).soft(Duration::from_secs(2));
    let token = segment.fill_token(b"n");
    for (expiry, said) in [(zero, "zero"), (soft_zero, "soft deadline"), (crossed, "shorter")] {
        let options = PutOptions::from(expiry);
        for error in [
            segment.put(b"k", b"v", expiry).err(),
            segment.add(b"n", b"v", &options).err(),
            segment.replace(b"k", b"v", &options).err(),
            segment.touch(b"k", expiry).err(),
            segment.fill(b"n", b"v", &token, &options).err(),
            segment.increment(b"n", 1, Some(1), expiry).err(),
        ] {
            let error = error.expect("a bad lifetime");
            assert!(matches!(error, StoreError::BadExpiry { .. }), "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
        assert!(is_kept(&segment), "{said}");
    }
}

#[test]
fn lifetimes_beyond_any_clock_are_for_ever() {
    let segment = small();
    for lifetime in [
        Duration::MAX,
        Duration::from_secs(u64::MAX / 1000),
        Duration::from_millis(u64::MAX),
    ] {
        let expiry = Expiry::after(lifetime).soft(lifetime);
        assert_eq!(segment.put(b"k", b"v", expiry), Ok(Put::Stored));
        assert_eq!(segment.ttl(b"k"), Some(None), "{lifetime:?}");
        assert_eq!(segment.touch(b"k", expiry), Ok(Replace::Stored));
        assert!(segment.get(b"k").is_some_and(|value| !value.is_stale()));
    }
}

#[test]
fn bad_tags_are_refused_and_change_nothing() {
    let segment = small();
    let long = [b't'; 256];
    let many = [b"tag".as_slice(); 17];
    for tags in [&[b"".as_slice()][..], &[&long], &many] {
        let options = PutOptions::default().tags(tags);
        let error = segment.put_with(b"k", b"v", &options).expect_err("bad tags");
        assert!(
            matches!(
                error,
                StoreError::BadTags {
                    max_tags: 16,
                    max_bytes: 255
                }
            ),
            "{error}"
        );
        assert!(segment.add(b"n", b"v", &options).is_err());
        assert!(is_kept(&segment));
    }
    let options = PutOptions::default().tags(&many[..16]);
    assert_eq!(segment.put_with(b"k", b"v", &options), Ok(Put::Stored));
    segment.invalidate_tag(&long);
    segment.invalidate_tag(b"");
    assert!(segment.get(b"k").is_some());
}

#[test]
fn bad_and_too_many_namespaces_are_refused() {
    let segment = small();
    for name in ["", &"n".repeat(105)] {
        let error = segment.namespace(name).expect_err("a bad name");
        assert!(matches!(error, NamespaceError::BadName { .. }), "{error}");
        assert!(error.to_string().contains("1 to 104"), "{error}");
        assert!(segment.existing_namespace(name).is_none());
    }
    let mut made = 0;
    let error = loop {
        match segment.namespace(&format!("{made}{}", "n".repeat(90))) {
            Ok(named) => {
                named.put(b"k", &[made as u8], Expiry::never()).expect("room");
                made += 1;
            }
            Err(error) => break error,
        }
        assert!(made < 100_000, "namespaces without end");
    };
    assert!(matches!(error, NamespaceError::Full { .. }), "{error}");
    assert!(error.to_string().contains("use tags"), "{error}");
    for n in 0..made {
        let named = segment.existing_namespace(&format!("{n}{}", "n".repeat(90)));
        let value = named.expect("made above").get(b"k").map(|value| value.to_vec());
        assert_eq!(value, Some(vec![n as u8]));
    }
    assert!(is_kept(&segment));
}

#[test]
fn what_is_no_number_is_not_counted() {
    let segment = small();
    for text in [
        "",
        " 1",
        "1 ",
        "0x1",
        "1.0",
        "9223372036854775808",
        "-9223372036854775809",
        "--1",
    ] {
        segment.put(b"n", text.as_bytes(), Expiry::never()).expect("room");
        let error = segment.increment(b"n", 1, Some(0), Expiry::never());
        assert_eq!(error, Err(StoreError::NotANumber), "{text:?}");
        assert_eq!(segment.get(b"n").as_deref(), Some(text.as_bytes()));
    }
    segment
        .put(b"n", i64::MIN.to_string().as_bytes(), Expiry::never())
        .expect("room");
    let error = segment
        .decrement(b"n", 1, None, Expiry::never())
        .expect_err("too low");
    assert!(error.to_string().contains("unchanged"), "{error}");
    assert!(segment.decrement(b"n", i64::MIN, None, Expiry::never()).is_err());
    assert_eq!(
        segment.increment(b"n", i64::MAX, None, Expiry::never()),
        Ok(Some(-1))
    );
}

#[test]
fn a_token_of_another_key_fills_nothing() {
    let segment = small();
    let token = segment.fill_token(b"other");
    let options = PutOptions::default();
    assert_eq!(segment.fill(b"n", b"v", &token, &options), Ok(Fill::Superseded));
    assert!(segment.get(b"n").is_none());
    assert_eq!(segment.add(b"n", b"v", &options), Ok(Add::Stored));
}

#[test]
fn sizes_and_counts_out_of_range_are_refused_by_name() {
    let refused = |builder: guira_segment::SegmentBuilder, field: &str| {
        let error = builder.private().expect_err("out of range");
        let OpenError::Options { field: found, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(*found, field);
        error.to_string()
    };
    let builder = || Segment::builder().size(SMALL_BYTES);
    for bytes in [0, 1, 4096, SMALL_BYTES - 1] {
        let message = refused(Segment::builder().size(bytes), "size");
        assert!(
            message.contains("8388608") && message.contains(&bytes.to_string()),
            "{message}"
        );
    }
    for processes in [0, 4095, u64::MAX] {
        let message = refused(builder().max_processes(processes), "attach records");
        assert!(message.contains("4094"), "{message}");
    }
    for threads in [0, 1, 65_537, u64::MAX] {
        let message = refused(builder().max_threads(threads), "thread lines");
        assert!(message.contains("65536"), "{message}");
    }
    let message = refused(builder().max_threads(65_536), "total size");
    assert!(message.contains("fewer"), "{message}");
    for entries in [1 << 30, u64::MAX] {
        let error = builder()
            .index_entries(entries)
            .private()
            .expect_err("too many entries");
        assert!(error.to_string().contains("fewer"), "{error}");
    }
    for block_bytes in [0, 512, 1000, 1 << 31] {
        let message = refused(builder().exact_blocks(block_bytes, 64), "block size");
        assert!(message.contains("power of two"), "{message}");
    }
    for blocks in [0, 3, u64::MAX] {
        assert!(
            builder().exact_blocks(4096, blocks).private().is_err(),
            "{blocks} blocks"
        );
    }
}

#[test]
fn sizes_beyond_any_machine_say_how_large_a_segment_can_be() {
    for bytes in [1 << 50, 1 << 62, u64::MAX] {
        let error = Segment::builder()
            .size(bytes)
            .private()
            .expect_err("beyond any machine");
        let message = error.to_string();
        assert!(message.contains(&bytes.to_string()), "{message}");
        assert!(!message.contains("larger size"), "{message}");
    }
}

#[test]
fn a_private_segment_that_is_larger_than_the_memory_is_an_error() {
    match Segment::builder().size(1 << 40).private() {
        // A kernel that promises any memory gives it: nothing of it is touched that is not used.
        Ok(segment) => assert_eq!(segment.stats().entries, 0),
        Err(error) => {
            assert!(matches!(error, OpenError::System { .. }), "{error}");
            assert!(error.to_string().contains("memory"), "{error}");
        }
    }
}
