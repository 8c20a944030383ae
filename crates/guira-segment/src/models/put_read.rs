//! A put over a value against a read: the old value or the new one is read, never none.
//!
//! The new entry is linked in a slot before the old one's, which the reader may have passed by then.

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::explore;

use super::run::{catches, holds};
use super::world::{
    ONE_BUCKET, World, assert_sound, drain, key_of, putting, read, reading, seal_block_of, thread,
};
use crate::{Expiry, PutOptions};

fn model() {
    let segment = World::new(ONE_BUCKET).alone();
    let (key, other) = (key_of(&segment, 0, 0, 0), key_of(&segment, 0, 0, 1));
    segment.put(&other, b"x", Expiry::never()).expect("room");
    segment.put(&key, b"0", Expiry::never()).expect("room");
    segment.remove(&other);
    let [_, value] = explore([putting(&segment, &key, b"1"), reading(&segment, &key)]);
    assert!(matches!(value.as_deref(), Some(b"0" | b"1")), "{value:?}");
    assert_eq!(read(&segment, &key).as_deref(), Some(&b"1"[..]));
}

/// The block of the old value is drained meanwhile: when nothing in it is needed any more it goes unwalked, and
/// the reader comes to the old slot too late.
fn with_a_drain() {
    let segment = World::new(ONE_BUCKET).alone();
    let (key, other) = (key_of(&segment, 0, 0, 0), key_of(&segment, 0, 0, 1));
    segment.put(&other, b"x", Expiry::never()).expect("room");
    segment.put(&key, b"0", Expiry::never()).expect("room");
    assert!(read(&segment, &key).is_some());
    segment.remove(&other);
    let block = seal_block_of(&segment, &key);
    let draining = thread(&segment, move |segment| {
        drain(segment, block);
        None
    });
    let [_, value, _] = explore([putting(&segment, &key, b"1"), reading(&segment, &key), draining]);
    assert!(matches!(value.as_deref(), Some(b"0" | b"1")), "{value:?}");
    assert_eq!(read(&segment, &key).as_deref(), Some(&b"1"[..]));
    assert_sound(&segment);
}

/// The old value has a tag, which is invalidated when it was replaced: who met the old value before must not
/// take its tag's end for the key's.
fn with_a_tag() {
    let segment = World::new(ONE_BUCKET).alone();
    let (key, other) = (key_of(&segment, 0, 0, 0), key_of(&segment, 0, 0, 1));
    segment.put(&other, b"x", Expiry::never()).expect("room");
    let tagged = PutOptions::default().tags(&[b"tag"]);
    segment.put_with(&key, b"0", &tagged).expect("room");
    segment.remove(&other);
    let replacing = {
        let key = key.clone();
        thread(&segment, move |segment| {
            segment.put(&key, b"1", Expiry::never()).expect("room");
            segment.invalidate_tag(b"tag");
            None
        })
    };
    let [_, value] = explore([replacing, reading(&segment, &key)]);
    assert!(matches!(value.as_deref(), Some(b"0" | b"1")), "{value:?}");
    assert_eq!(read(&segment, &key).as_deref(), Some(&b"1"[..]));
}

/// A value that was replaced or removed does not come back.
fn with_a_removal() {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let removing = thread(&segment, |segment| {
        segment.remove(b"k");
        None
    });
    let [_, _, seen] = explore([putting(&segment, b"k", b"1"), removing, reading(&segment, b"k")]);
    assert!(matches!(seen.as_deref(), None | Some(b"0" | b"1")), "{seen:?}");
    let value = read(&segment, b"k");
    assert!(matches!(value.as_deref(), None | Some(b"1")), "{value:?}");
    assert_sound(&segment);
}

#[test]
fn a_put_and_a_removal_leave_the_put_or_nothing() {
    holds("put-remove-read", 1, with_a_removal);
}

#[test]
fn a_value_that_is_replaced_is_never_missed() {
    holds("put-read", 2, model);
}

#[test]
fn a_miss_that_is_not_verified_is_caught() {
    catches("put-read", Mutant::UnverifiedScan, 2, model);
}

#[test]
fn a_slot_cleared_without_a_bump_is_caught() {
    catches("put-read", Mutant::ClearWithoutBump, 2, model);
}

#[test]
fn a_value_is_not_missed_for_what_its_predecessor_had() {
    holds("put-tag-read", 2, with_a_tag);
}

#[test]
fn an_old_value_that_is_believed_to_be_the_keys_is_caught() {
    catches("put-tag-read", Mutant::InvalidIsGone, 2, with_a_tag);
}

#[test]
fn a_value_that_is_replaced_while_its_block_goes_is_never_missed() {
    holds("put-read-drain", 1, with_a_drain);
}

#[test]
fn a_count_that_ends_without_a_bump_is_caught() {
    catches("put-read-drain", Mutant::ClearWithoutBump, 1, with_a_drain);
}
