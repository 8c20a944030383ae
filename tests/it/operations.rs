//! Every operation, from one thread, on files and on private memory.

use std::time::Duration;

use guira_segment::{Add, Expiry, Fill, Lookup, Put, PutOptions, Replace, Segment, StoreError, Swap};

fn never() -> PutOptions<'static> {
    PutOptions::default()
}

fn small() -> Segment {
    Segment::builder()
        .size(8 << 20)
        .private()
        .expect("a private segment")
}

#[test]
fn what_was_put_is_got_until_it_is_removed() {
    let segment = small();
    assert_eq!(segment.put(b"k", b"v", Expiry::never()), Ok(Put::Stored));
    assert_eq!(segment.get(b"k").as_deref(), Some(b"v".as_slice()));
    assert_eq!(segment.put(b"k", b"w", Expiry::never()), Ok(Put::Stored));
    let mut buffer = Vec::new();
    assert!(segment.get_into(b"k", &mut buffer));
    assert_eq!(buffer, b"w");
    assert!(segment.remove(b"k"));
    assert!(!segment.remove(b"k"));
    assert!(segment.get(b"k").is_none());
    let stats = segment.stats();
    assert_eq!((stats.entries, stats.hits, stats.misses), (0, 2, 1));
}

#[test]
fn many_keys_of_many_sizes_are_kept() {
    let segment = Segment::builder()
        .size(64 << 20)
        .private()
        .expect("a private segment");
    let value = |n: u64| vec![n as u8; n as usize * 7 % 3000];
    for n in 0..10_000_u64 {
        segment
            .put(&n.to_le_bytes(), &value(n), Expiry::never())
            .expect("room");
    }
    for n in 0..10_000_u64 {
        assert_eq!(
            segment.get(&n.to_le_bytes()).as_deref(),
            Some(value(n).as_slice()),
            "key {n}"
        );
    }
    let keys: Vec<[u8; 8]> = (0..10_000_u64).map(u64::to_le_bytes).collect();
    let keys: Vec<&[u8]> = keys.iter().map(<[u8; 8]>::as_slice).collect();
    let mut seen = 0;
    segment.get_many(&keys, |index, found| {
        assert_eq!(index, seen);
        assert_eq!(found, Some(value(index as u64).as_slice()));
        seen += 1;
    });
    assert_eq!(seen, 10_000);
    let verified = segment.verify();
    assert!(verified.is_clean(), "{:?}", verified.faults);
    assert_eq!(verified.entries, 10_000);
    assert_eq!(segment.entries().count(), 10_000);
}

#[test]
fn overwriting_alone_evicts_nothing() {
    let segment = small();
    let keys = 20_000_u32;
    for round in 0..20_u32 {
        for key in 0..keys {
            let value = [key.to_le_bytes(), round.to_le_bytes()].concat().repeat(12);
            segment
                .put(&key.to_le_bytes(), &value, Expiry::never())
                .expect("room");
        }
    }
    let missing = (0..keys)
        .filter(|key| segment.get(&key.to_le_bytes()).is_none())
        .count();
    assert_eq!(missing, 0, "{:?}", segment.stats());
    assert_eq!(segment.stats().evictions, 0);
    assert!(segment.verify().is_clean());
}

#[test]
fn a_full_segment_evicts_and_goes_on() {
    let segment = small();
    for key in 0..400_000_u32 {
        let value = key.to_le_bytes().repeat(25);
        segment
            .put(&key.to_le_bytes(), &value, Expiry::never())
            .expect("room");
    }
    let mut present = 0;
    for key in 0..400_000_u32 {
        if let Some(value) = segment.get(&key.to_le_bytes()) {
            assert_eq!(*value, *key.to_le_bytes().repeat(25));
            present += 1;
        }
    }
    let stats = segment.stats();
    assert!(present > 30_000, "{present} {stats:?}");
    assert_eq!(stats.entries, present);
    let verified = segment.verify();
    assert!(
        verified.is_clean(),
        "{:?}",
        &verified.faults[..verified.faults.len().min(5)]
    );
}

#[test]
fn conditional_writes_look_at_what_is_there() {
    let segment = small();
    assert_eq!(segment.replace(b"k", b"1", &never()), Ok(Replace::NotFound));
    assert_eq!(segment.add(b"k", b"1", &never()), Ok(Add::Stored));
    assert_eq!(segment.add(b"k", b"2", &never()), Ok(Add::Exists));
    assert_eq!(segment.replace(b"k", b"3", &never()), Ok(Replace::Stored));
    let version = segment.metadata(b"k").expect("there").version;
    assert_eq!(
        segment.compare_and_swap(b"k", version, b"4", &never()),
        Ok(Swap::Stored)
    );
    assert!(matches!(
        segment.compare_and_swap(b"k", version, b"5", &never()),
        Ok(Swap::Conflict(_))
    ));
    assert_eq!(segment.increment(b"k", 38, None, Expiry::never()), Ok(Some(42)));
    assert_eq!(segment.decrement(b"k", 2, None, Expiry::never()), Ok(Some(40)));
    assert_eq!(segment.increment(b"n", 1, None, Expiry::never()), Ok(None));
    assert_eq!(segment.increment(b"n", 1, Some(7), Expiry::never()), Ok(Some(7)));
    assert_eq!(segment.append(b"k", b"0"), Ok(Replace::Stored));
    assert_eq!(segment.get(b"k").as_deref(), Some(b"400".as_slice()));
    assert_eq!(segment.append(b"k", b"x"), Ok(Replace::Stored));
    assert_eq!(
        segment.increment(b"k", 1, None, Expiry::never()),
        Err(StoreError::NotANumber)
    );
    segment
        .put(b"m", i64::MAX.to_string().as_bytes(), Expiry::never())
        .expect("room");
    assert!(matches!(
        segment.increment(b"m", 1, None, Expiry::never()),
        Err(StoreError::Overflow { .. })
    ));
}

#[test]
fn large_values_take_runs_of_blocks() {
    let segment = Segment::builder()
        .size(32 << 20)
        .private()
        .expect("a private segment");
    let large = |n: u8| vec![n; 1_000_000 + usize::from(n)];
    for n in 0..60_u8 {
        segment.put(&[n], &large(n), Expiry::never()).expect("room");
        assert_eq!(
            segment.get(&[n]).as_deref(),
            Some(large(n).as_slice()),
            "value {n}"
        );
    }
    let max = segment.max_value_bytes();
    segment
        .put(b"max", &vec![1; max], Expiry::never())
        .expect("the largest value fits");
    assert_eq!(segment.get(b"max").map(|value| value.len()), Some(max));
    let refused = segment.put(b"max", &vec![1; max + 1], Expiry::never());
    assert!(
        matches!(refused, Err(StoreError::ValueTooLarge { .. })),
        "{refused:?}"
    );
    assert!(
        segment.get(b"max").is_none(),
        "a put that fails leaves no old value"
    );
    assert!(segment.verify().is_clean(), "{:?}", segment.verify());
}

#[test]
fn invalidation_supersedes_what_began_before() {
    let segment = small();
    let token = segment.fill_token(b"k");
    assert!(!segment.invalidate(b"k"));
    assert_eq!(segment.fill(b"k", b"old", &token, &never()), Ok(Fill::Superseded));
    let token = segment.fill_token(b"k");
    assert_eq!(segment.fill(b"k", b"new", &token, &never()), Ok(Fill::Stored));
    assert_eq!(
        segment.fill(b"k", b"late", &token, &never()),
        Ok(Fill::Superseded)
    );
    let token = segment.fill_token(b"k");
    segment.put(b"k", b"put", Expiry::never()).expect("room");
    segment.remove(b"k");
    assert_eq!(
        segment.fill(b"k", b"late", &token, &never()),
        Ok(Fill::Superseded)
    );
}

#[test]
fn tags_namespaces_and_clears_reach_what_they_name() {
    let segment = small();
    let users = segment.namespace("users").expect("a row");
    let tagged = never().tags(&[b"red", b"blue"]);
    users.put_with(b"a", b"1", &tagged).expect("room");
    users.put(b"b", b"2", Expiry::never()).expect("room");
    segment.put(b"a", b"3", Expiry::never()).expect("room");
    assert_eq!(users.tags(b"a"), Some(vec![b"red".to_vec(), b"blue".to_vec()]));
    segment.invalidate_tag(b"blue");
    assert!(users.get(b"a").is_none());
    assert!(users.get(b"b").is_some());
    users.clear();
    assert!(users.get(b"b").is_none());
    assert_eq!(segment.get(b"a").as_deref(), Some(b"3".as_slice()));
    segment.clear_all();
    assert!(segment.get(b"a").is_none());
    segment.put(b"a", b"4", Expiry::never()).expect("room");
    assert!(segment.get(b"a").is_some());
}

#[test]
fn a_stale_value_is_refreshed_by_the_one_who_saw_it() {
    let segment = small();
    segment.put(b"k", b"old", Expiry::never()).expect("room");
    assert!(segment.expire(b"k"));
    let Lookup::Stale(value, token) = segment.lookup(b"k") else {
        panic!("not stale")
    };
    assert_eq!(&*value, b"old");
    drop(value);
    assert_eq!(segment.fill(b"k", b"new", &token, &never()), Ok(Fill::Stored));
    let Lookup::Hit(value) = segment.lookup(b"k") else {
        panic!("not fresh")
    };
    assert_eq!(&*value, b"new");
    assert_eq!(
        segment.touch(b"k", Expiry::after(Duration::from_secs(60))),
        Ok(Replace::Stored)
    );
    assert!(
        segment
            .ttl(b"k")
            .flatten()
            .is_some_and(|ttl| ttl > Duration::from_secs(59))
    );
}

#[test]
fn an_aligned_value_that_is_put_again_has_its_old_version() {
    // Whatever lay where the value is put: what aligns it is no part of the entry.
    let segment = Segment::builder()
        .exact_blocks(4096, 8)
        .private()
        .expect("a private segment");
    let aligned = never().aligned(true);
    let mut versions = Vec::new();
    for round in 0..200_u8 {
        for key in 0..3 {
            let other = vec![round | 1; usize::from(round) * (7 + usize::from(key)) % 300];
            segment.put(&[key], &other, Expiry::never()).expect("room");
        }
        segment.put_with(b"k", b"value", &aligned).expect("room");
        versions.extend(segment.metadata(b"k").map(|metadata| metadata.version));
    }
    assert!(versions.len() > 100);
    versions.dedup();
    assert_eq!(versions.len(), 1, "one entry, many versions");
}
