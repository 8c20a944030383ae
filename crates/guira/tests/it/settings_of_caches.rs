//! Codecs, schemas and lifetimes as caches are set up with them.

use std::sync::atomic::{AtomicBool, Ordering};

use guira::codec::{Raw, Text};
use guira::{CodecError, Error, Lifetime, Mismatch, PutOptions, Replace, Swap, Ttl};

use crate::kinds::{SECOND, guira_with_clock};

#[test]
fn a_value_of_another_kind_is_a_counted_miss_or_an_error_and_never_garbage() {
    let (guira, _clock) = guira_with_clock();
    let texts = guira
        .cache_builder::<u64, String>("x")
        .codec(Text)
        .build()
        .expect("name");
    let bytes = guira
        .cache_builder::<u64, Vec<u8>>("x")
        .codec(Raw)
        .build()
        .expect("name");
    let counters = guira.counters::<u64>("x");
    let lists = guira.cache::<u64, Vec<u8>>("x");
    let newer = guira
        .cache_builder::<u64, Vec<u8>>("x")
        .schema(2)
        .build()
        .expect("name");

    texts.put(&1, &"12".to_owned(), Lifetime::never()).expect("room");
    counters.put(&2, &12, Lifetime::never()).expect("room");
    bytes.put(&3, &b"12".to_vec(), Lifetime::never()).expect("room");
    lists.put(&4, &vec![12], Lifetime::never()).expect("room");
    newer.put(&5, &vec![12], Lifetime::never()).expect("room");
    let raw = texts.segment().expect("name");
    let key = texts.key_bytes(&6).expect("key");
    raw.put(&key, b"bare text", guira_segment::Expiry::never())
        .expect("room");

    for key in 1..=6 {
        assert_eq!(texts.get(&key).expect("a miss").is_some(), key == 1, "{key}");
        assert_eq!(counters.get(&key).expect("a miss").is_some(), key == 2, "{key}");
        assert_eq!(bytes.get(&key).expect("a miss").is_some(), key == 3, "{key}");
        assert_eq!(lists.get(&key).expect("a miss").is_some(), key == 4, "{key}");
        assert_eq!(newer.get(&key).expect("a miss").is_some(), key == 5, "{key}");
    }
    assert_eq!(texts.mismatches(), 5);
    assert_eq!(texts.stats().expect("name").mismatches, 5);

    let strict = guira
        .cache_builder::<u64, String>("x")
        .codec(Text)
        .mismatch(Mismatch::Error)
        .build()
        .expect("name");
    for (key, found) in [
        (2, "a counter"),
        (4, "postcard"),
        (6, "bytes that no cache wrote"),
    ] {
        let error = strict.get(&key).expect_err("another kind");
        assert!(
            matches!(error, Error::Codec(CodecError::Mismatch { .. })),
            "{error:?}"
        );
        assert!(error.to_string().contains(found), "{error}");
    }
}

#[test]
fn bytes_that_do_not_decode_are_no_value() {
    let (guira, _clock) = guira_with_clock();
    let narrow = guira.cache::<u64, (u8, String)>("x");
    let segment = narrow.segment().expect("name");
    let key = narrow.key_bytes(&1).expect("key");
    narrow
        .put(&1, &(1, "abc".to_owned()), Lifetime::never())
        .expect("room");
    let good = segment.get(&key).expect("just put").to_vec();
    for cut in 0..good.len() {
        segment
            .put(&key, &good[..cut], guira_segment::Expiry::never())
            .expect("room");
        assert_eq!(narrow.get(&1).expect("a miss"), None, "{cut}");
    }
    let longer = [good.as_slice(), b"x"].concat();
    segment
        .put(&key, &longer, guira_segment::Expiry::never())
        .expect("room");
    assert_eq!(narrow.get(&1).expect("a miss"), None);
    segment
        .put(&key, &good, guira_segment::Expiry::never())
        .expect("room");
    assert!(narrow.get(&1).expect("a hit").is_some());
}

#[test]
fn appending_keeps_the_lifetime_and_the_kind() {
    let (guira, _clock) = guira_with_clock();
    let texts = guira
        .cache_builder::<u64, String>("x")
        .codec(Text)
        .build()
        .expect("name");
    assert_eq!(texts.append(&1, "b").expect("room"), Replace::NotFound);
    texts.put(&1, &"a".to_owned(), 10 * SECOND).expect("room");
    assert_eq!(texts.append(&1, "b").expect("room"), Replace::Stored);
    assert_eq!(texts.get(&1).expect("a hit"), Some("ab".to_owned()));
    assert_eq!(texts.ttl(&1).expect("no error"), Some(Ttl::Fresh(10 * SECOND)));

    let bytes = guira
        .cache_builder::<u64, Vec<u8>>("x")
        .codec(Raw)
        .build()
        .expect("name");
    assert!(matches!(
        bytes.append(&1, b"c"),
        Err(Error::Codec(CodecError::Mismatch { .. }))
    ));
    assert_eq!(texts.get(&1).expect("a hit"), Some("ab".to_owned()));
}

#[test]
fn nothing_is_appended_to_a_value_of_another_kind_that_is_put_meanwhile() {
    let (guira, _clock) = guira_with_clock();
    let texts = guira
        .cache_builder::<u64, String>("x")
        .codec(Text)
        .build()
        .expect("name");
    let counters = guira.counters::<u64>("x");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                texts.put(&1, &"a".to_owned(), Lifetime::never()).expect("room");
                // It may find a counter there.
                let _ = texts.append(&1, "1");
            }
        });
        for _ in 0..30_000 {
            counters.put(&1, &5, Lifetime::never()).expect("room");
            let found = counters.get(&1).expect("no error");
            if found.is_some_and(|count| count != 5) {
                is_over.store(true, Ordering::Relaxed);
            }
            assert!(found.is_none_or(|count| count == 5), "{found:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn appending_keeps_what_is_stale_and_the_tags() {
    let (guira, clock_ms) = guira_with_clock();
    let texts = guira
        .cache_builder::<u64, String>("x")
        .codec(Text)
        .build()
        .expect("name");
    let lifetime = Lifetime::after(10 * SECOND).stale_after(4 * SECOND);
    let options = PutOptions::default().lifetime(lifetime).tags(&[b"letters"]);
    texts.put(&1, &"a".to_owned(), options).expect("room");
    assert_eq!(texts.append(&1, "b").expect("room"), Replace::Stored);
    assert_eq!(texts.ttl(&1).expect("no error"), Some(Ttl::Fresh(4 * SECOND)));
    clock_ms.fetch_add(5_000, Ordering::Relaxed);
    assert_eq!(texts.append(&1, "c").expect("room"), Replace::Stored);
    clock_ms.fetch_add(1, Ordering::Relaxed);
    assert!(texts.ttl(&1).expect("no error").is_some_and(Ttl::is_stale));
    texts.invalidate_tag(b"letters").expect("no error");
    assert_eq!(texts.get(&1).expect("no error"), None);
}

#[test]
fn prepending_keeps_the_lifetime_the_tags_and_the_kind() {
    let (guira, _clock) = guira_with_clock();
    let texts = guira
        .cache_builder::<u64, String>("x")
        .codec(Text)
        .schema(7)
        .build()
        .expect("name");
    assert_eq!(texts.prepend(&1, "b").expect("room"), Replace::NotFound);
    let options = PutOptions::default().lifetime(10 * SECOND).tags(&[b"letters"]);
    texts.put(&1, &"b".to_owned(), options).expect("room");
    assert_eq!(texts.prepend(&1, "a").expect("room"), Replace::Stored);
    assert_eq!(texts.append(&1, "c").expect("room"), Replace::Stored);
    assert_eq!(texts.get(&1).expect("a hit"), Some("abc".to_owned()));
    assert_eq!(texts.ttl(&1).expect("no error"), Some(Ttl::Fresh(10 * SECOND)));

    let bytes = guira
        .cache_builder::<u64, Vec<u8>>("x")
        .codec(Raw)
        .build()
        .expect("name");
    assert!(matches!(
        bytes.prepend(&1, b"c"),
        Err(Error::Codec(CodecError::Mismatch { .. }))
    ));
    bytes.put(&2, &vec![2, 3], Lifetime::never()).expect("room");
    assert_eq!(bytes.prepend(&2, &[0, 1]).expect("room"), Replace::Stored);
    assert_eq!(bytes.get(&2).expect("a hit"), Some(vec![0, 1, 2, 3]));
    guira.dependency("letters").invalidate();
    assert_eq!(texts.get(&1).expect("no error"), None);
}

#[test]
fn a_swap_of_what_changed_meanwhile_is_a_conflict() {
    let (guira, _clock) = guira_with_clock();
    let cache = guira.cache::<u64, u32>("x");
    cache.put(&1, &1, Lifetime::never()).expect("room");
    let (value, version) = cache.get_versioned(&1).expect("no error").expect("there");
    assert_eq!(value, 1);
    assert_eq!(
        cache.metadata(&1).expect("no error").expect("there").version,
        version
    );
    let swap = |value| {
        cache
            .compare_and_swap(&1, version, &value, Lifetime::never())
            .expect("room")
    };
    assert_eq!(swap(2), Swap::Stored);
    assert!(matches!(swap(3), Swap::Conflict(_)));
    assert_eq!(cache.get(&1).expect("no error"), Some(2));
    cache.remove(&1).expect("no error");
    assert_eq!(swap(3), Swap::NotFound);
}

#[test]
fn what_is_read_stays_where_lifetimes_slide() {
    let (guira, clock_ms) = guira_with_clock();
    let sessions = guira
        .cache_builder::<u64, u64>("sessions")
        .sliding(10 * SECOND)
        .build()
        .expect("name");
    sessions.put(&1, &1, Lifetime::default()).expect("room");
    sessions.put(&2, &2, Lifetime::default()).expect("room");
    for _ in 0..20 {
        clock_ms.fetch_add(7_000, Ordering::Relaxed);
        assert_eq!(sessions.get(&1).expect("no error"), Some(1));
    }
    assert_eq!(sessions.get(&2).expect("no error"), None);
    clock_ms.fetch_add(10_000, Ordering::Relaxed);
    assert_eq!(sessions.get(&1).expect("no error"), None);
}

#[test]
fn a_cache_with_a_bad_name_says_so_at_each_operation_or_when_built() {
    let (guira, _clock) = guira_with_clock();
    let cache = guira.cache::<u64, u64>("");
    assert!(matches!(cache.get(&1), Err(Error::Namespace { .. })));
    assert!(matches!(cache.put(&1, &1, SECOND), Err(Error::Namespace { .. })));
    let many = cache.get_many([&1, &2]);
    assert!(many.iter().all(Result::is_err));
    let long = "x".repeat(105);
    let refused = guira
        .cache_builder::<u64, u64>(&long)
        .build()
        .expect_err("too long");
    assert!(refused.to_string().contains("105"), "{refused}");
}

#[test]
fn a_bad_key_is_the_result_of_that_key_alone() {
    let (guira, _clock) = guira_with_clock();
    let cache = guira.cache::<f64, u64>("x");
    cache.put(&1.5, &1, SECOND).expect("room");
    assert!(matches!(cache.put(&f64::NAN, &1, SECOND), Err(Error::Key(_))));
    let results = cache.get_many([&f64::NAN, &1.5, &2.5]);
    assert!(matches!(results[0], Err(Error::Key(_))));
    assert_eq!(*results[1].as_ref().expect("no error"), Some(1));
    assert_eq!(*results[2].as_ref().expect("no error"), None);
}
