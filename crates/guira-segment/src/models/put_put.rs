//! Two puts of one key: one of the two values is there afterwards, once. So with an `expire` for one of them.

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::{explore, mortal};

use super::run::{catches, holds, holds_at_each_change};
use super::world::{ONE_BUCKET, World, assert_sound, putting, read, thread};
use crate::Expiry;

fn over_a_value() {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    explore([putting(&segment, b"k", b"1"), putting(&segment, b"k", b"2")]);
    let value = read(&segment, b"k");
    assert!(matches!(value.as_deref(), Some(b"1" | b"2")), "{value:?}");
    assert_sound(&segment);
}

fn of_an_absent_key() {
    let segment = World::new(ONE_BUCKET).alone();
    explore([putting(&segment, b"k", b"1"), putting(&segment, b"k", b"2")]);
    let value = read(&segment, b"k");
    assert!(matches!(value.as_deref(), Some(b"1" | b"2")), "{value:?}");
    assert_sound(&segment);
}

/// What a put has stored is there, though another put dies beside it.
fn over_a_value_beside_the_dying(changes: usize) {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let dying = thread(&segment, move |segment| {
        mortal(changes, || {
            // What a put that dies would have answered, nobody hears.
            let _ = segment.put(b"k", b"1", Expiry::never());
        });
        None
    });
    let survivor = thread(&segment, |segment| {
        segment.put(b"k", b"2", Expiry::never()).expect("room");
        read(segment, b"k")
    });
    let [_, value] = explore([dying, survivor]);
    assert!(matches!(value.as_deref(), Some(b"1" | b"2")), "{value:?}");
}

/// The word that a put is to change changes under it, and still is LIVE.
fn over_a_value_that_expires() {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let expire = thread(&segment, |segment| {
        segment.expire(b"k");
        None
    });
    explore([putting(&segment, b"k", b"1"), expire]);
    assert_eq!(read(&segment, b"k").as_deref(), Some(&b"1"[..]));
    assert_sound(&segment);
}

#[test]
fn of_two_puts_over_a_value_one_stays() {
    holds("put-put-over-value", 1, over_a_value);
}

#[test]
fn of_two_first_puts_one_stays() {
    holds("put-put-first", 1, of_an_absent_key);
}

#[test]
fn a_put_is_there_whoever_dies_in_a_put_beside_it() {
    holds_at_each_change("put-put-dies", 1, over_a_value_beside_the_dying);
}

#[test]
fn a_put_replaces_a_value_that_expires() {
    holds("put-expire", 1, over_a_value_that_expires);
}

#[test]
fn a_put_that_takes_a_raced_twin_for_settled_is_caught() {
    catches(
        "put-expire",
        Mutant::RacedTwinIsSettled,
        1,
        over_a_value_that_expires,
    );
}

#[test]
fn a_put_that_leaves_another_on_its_way_alone_is_caught() {
    catches("put-put-first", Mutant::OrphansAreLeft, 1, of_an_absent_key);
}
