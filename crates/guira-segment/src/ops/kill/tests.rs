//! Kills and evictions of what is on its way, and behind what is void.

use crate::expiry::Expiry;
use crate::layout::entry::Kind;
use crate::log::write::Draft;
use crate::ops::settle::{Manner, Settled};
use crate::options::PutOptions;
use crate::segment::Segment;
use crate::tags::Tags;

/// A put that dies before it goes LIVE, or after that but before it clears the slot of what it replaced.
fn put_and_die(segment: &Segment, name: &[u8], tags: &Tags, goes_live: bool) {
    put_value_and_die(segment, name, b"new", tags, goes_live);
}

/// Gives the block of the new entry.
fn put_value_and_die(segment: &Segment, name: &[u8], value: &[u8], tags: &Tags, goes_live: bool) -> u32 {
    let shared = &*segment.shared;
    let thread = shared.thread().expect("this process is attached");
    let key = segment.key(name);
    let draft = Draft::for_ever(key, value, tags, shared.token(&key).clock);
    let written = shared.write(&thread, &draft).expect("there is room");
    let slot = written.slot(shared, key.pair.tag);
    assert!(shared.link(&thread, &key.pair, slot));
    let settled = shared.settle(&thread, &key, slot, Manner::Override);
    assert!(matches!(settled, Settled::Ready(_)));
    let live = written.state.to_kind(Kind::Live);
    assert!(!goes_live || shared.change_state(written.place.location, written.state, live));
    written.place.block
}

fn segment() -> Segment {
    Segment::builder().size(8 << 20).private().expect("it is small")
}

/// A name whose primary bucket is that of `key`.
fn filler_beside_key(segment: &Segment) -> [u8; 4] {
    let bucket = segment.key(b"key").pair.primary;
    (0_u32..)
        .map(u32::to_le_bytes)
        .find(|name| segment.key(name).pair.primary == bucket)
        .expect("there are few buckets")
}

#[test]
fn a_remove_that_comes_by_an_invalidated_entry_finds_the_value_behind_it() {
    let segment = segment();
    let options = PutOptions::default().tags(&[b"tag"]);
    segment.put_with(b"key", b"old", &options).expect("there is room");
    segment.invalidate_tag(b"tag");
    put_and_die(&segment, b"key", &Tags::NONE, true);
    assert_eq!(segment.get(b"key").as_deref(), Some(&b"new"[..]));
    assert!(segment.remove(b"key"), "it had a value");
    assert!(segment.get(b"key").is_none());
}

#[test]
fn a_remove_that_comes_by_a_valid_entry_does_not_find_an_invalidated_value_behind_it() {
    let segment = segment();
    segment
        .put_with(b"key", b"old", &PutOptions::default())
        .expect("there is room");
    let tags = Tags::new(segment.shared.superblock.hash_seed, &[b"tag"]).expect("one short tag");
    put_and_die(&segment, b"key", &tags, true);
    segment.invalidate_tag(b"tag");
    assert!(segment.get(b"key").is_none());
    assert!(!segment.remove(b"key"), "it had none");
}

#[test]
fn a_remove_that_meets_a_put_in_progress_before_what_it_replaces_finds_the_old_value() {
    let segment = segment();
    let filler = filler_beside_key(&segment);
    for name in [&filler[..], b"key"] {
        segment.put(name, b"old", Expiry::never()).expect("there is room");
    }
    // The put is linked where the filler was, before the old value.
    assert!(segment.remove(&filler));
    put_and_die(&segment, b"key", &Tags::NONE, false);
    assert_eq!(segment.get(b"key").as_deref(), Some(&b"old"[..]));
    assert!(segment.remove(b"key"), "it had a value");
    assert!(segment.get(b"key").is_none());
}

#[test]
fn an_eviction_of_a_value_that_a_put_in_progress_replaces_cuts_that_put_off() {
    let segment = segment();
    segment
        .put(b"key", b"old", Expiry::never())
        .expect("there is room");
    put_and_die(&segment, b"key", &Tags::NONE, false);
    let (name, hash) = (segment.namespace_hash(), segment.hash_of(b"key"));
    assert!(!segment.evict_by_hash(name, hash, 9, |value| value == b"new"));
    assert!(segment.evict_by_hash(name, hash, 9, |value| value == b"old"));
    assert!(segment.get(b"key").is_none());
    assert!(segment.verify().is_clean());
    // Whoever adds does not complete what was cut off.
    let added = segment.add(b"key", b"added", &PutOptions::default());
    assert_eq!(added, Ok(crate::Add::Stored));
    assert_eq!(segment.get(b"key").as_deref(), Some(&b"added"[..]));
}

#[test]
fn what_was_made_stale_stays_stale_while_a_put_of_its_key_is_in_progress() {
    let segment = segment();
    segment
        .put(b"key", b"old", Expiry::never())
        .expect("there is room");
    assert!(segment.expire(b"key"));
    put_and_die(&segment, b"key", &Tags::NONE, false);
    let value = segment
        .get(b"key")
        .expect("the old one, until the new one is LIVE");
    assert_eq!(&value[..], b"old");
    assert!(value.is_stale());
}

#[test]
fn expire_finds_no_value_in_a_put_that_was_invalidated_on_its_way() {
    let segment = segment();
    segment
        .put(b"key", b"old", Expiry::never())
        .expect("there is room");
    put_and_die(&segment, b"key", &Tags::NONE, false);
    segment.clear();
    assert!(!segment.expire(b"key"));
}

/// It was linked before, but did nothing yet; when it goes on it finds the other's value, and could be
/// given it, with the other helped, at any moment: killed it would take that value along.
#[test]
fn a_put_that_replaces_a_value_leaves_another_on_its_way_alone() {
    let segment = segment();
    segment
        .put(b"key", b"old", Expiry::never())
        .expect("there is room");
    let shared = &*segment.shared;
    let thread = shared.thread().expect("this process is attached");
    let key = segment.key(b"key");
    let none = Tags::NONE;
    let draft = Draft::for_ever(key, b"new", &none, shared.token(&key).clock);
    let first = shared.write(&thread, &draft).expect("there is room");
    let slot = first.slot(shared, key.pair.tag);
    assert!(shared.link(&thread, &key.pair, slot));
    segment
        .put(b"key", b"second", Expiry::never())
        .expect("there is room");
    assert_eq!(shared.load_state(slot.location()).kind(), Kind::Writing);
    let settled = shared.settle(&thread, &key, slot, Manner::Override);
    assert!(matches!(settled, Settled::Ready(_)));
    assert_eq!(segment.get(b"key").as_deref(), Some(&b"second"[..]));
    let live = first.state.to_kind(Kind::Live);
    assert!(shared.change_state(first.place.location, first.state, live));
    assert_eq!(segment.get(b"key").as_deref(), Some(&b"new"[..]));
}

#[test]
fn a_value_stays_while_two_puts_are_on_their_way_wherever_they_are_linked() {
    for is_linked_before in [false, true] {
        let segment = segment();
        let filler = filler_beside_key(&segment);
        for name in [&filler[..], b"key"] {
            segment.put(name, b"old", Expiry::never()).expect("there is room");
        }
        if is_linked_before {
            assert!(segment.remove(&filler));
        }
        put_and_die(&segment, b"key", &Tags::NONE, false);
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"old"[..]));
        put_and_die(&segment, b"key", &Tags::NONE, false);
        assert_eq!(
            segment.get(b"key").as_deref(),
            Some(&b"new"[..]),
            "that of the first, which the second had to help"
        );
    }
}

/// The bytes of the dead put stay after its blocks were given up, and its state word says WRITING.
#[test]
fn a_key_whose_put_died_and_was_given_up_is_neither_found_nor_listed() {
    let segment = segment();
    segment
        .put(b"key", b"old", Expiry::never())
        .expect("there is room");
    let long = vec![7; 2 * segment.shared.geometry.block_bytes];
    let block = put_value_and_die(&segment, b"key", &long, &Tags::NONE, false);
    let is_listed = || segment.entries().any(|entry| entry.key == b"key");
    assert!(is_listed() && segment.contains(b"key"), "until it is given up");
    let shared = &*segment.shared;
    let thread = shared.thread().expect("this process is attached");
    shared.evict_block(&thread, block, shared.block(block));
    assert!(!segment.contains(b"key") && !is_listed());
}

#[test]
fn a_value_whose_put_is_on_its_way_does_not_make_room_in_the_index() {
    let segment = Segment::builder()
        .size(8 << 20)
        .index_entries(16)
        .private()
        .expect("it is small");
    segment
        .put(b"key", b"old", Expiry::never())
        .expect("there is room");
    put_and_die(&segment, b"key", &Tags::NONE, false);
    let evicted_before = segment.stats().evictions;
    for other in 0_u32..2000 {
        segment
            .put(&other.to_le_bytes(), b"other", Expiry::never())
            .expect("there is room");
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"old"[..]), "{other}");
    }
    assert!(segment.stats().evictions > evicted_before, "the index was full");
}
