//! A put that is overtaken while it settles: its entry neither comes back after it was read and removed,
//! nor ends in a ring with another.

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::explore;

use super::run::{catches, holds};
use super::world::{ONE_BUCKET, World, assert_sound, drain, putting, read, thread};
use crate::{Expiry, PutOptions};

/// The put's value is read, its block dropped, the key removed and put again: a value that was read and
/// replaced is not there any more.
fn evicted() {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"first", b"v", Expiry::never()).expect("room");
    let block = segment.metadata(b"first").expect("just put").block;
    let overtaking = thread(&segment, move |segment| {
        let shared = &segment.shared;
        let seen = read(segment, b"k");
        shared.seal_block(block, shared.block(block));
        drain(segment, block);
        segment.remove(b"k");
        segment.put(b"k", b"Q", Expiry::never()).expect("room");
        seen
    });
    let [_, seen] = explore([putting(&segment, b"k", b"P"), overtaking]);
    let value = read(&segment, b"k");
    let expected: &[&[u8]] = if seen.is_some() { &[b"Q"] } else { &[b"P", b"Q"] };
    let value = value.unwrap_or_default();
    assert!(
        expected.contains(&&value[..]) || (value.is_empty() && seen.is_none()),
        "{value:?} after {seen:?}"
    );
}

/// An add helps the put to LIVE, and another put replaces it, before the first put has seen all its twins.
fn ring() {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let overtaking = thread(&segment, |segment| {
        segment.add(b"k", b"A", &PutOptions::default()).expect("room");
        segment.put(b"k", b"Q", Expiry::never()).expect("room");
        None
    });
    explore([putting(&segment, b"k", b"P"), overtaking]);
    let value = read(&segment, b"k");
    assert!(matches!(value.as_deref(), Some(b"P" | b"Q")), "{value:?}");
    assert_sound(&segment);
}

#[test]
fn a_put_has_one_life() {
    holds("put-second-life", 1, evicted);
}

#[test]
fn two_puts_make_no_ring() {
    holds("put-ring", 1, ring);
}

#[test]
fn a_put_that_does_not_look_at_its_own_entry_is_caught() {
    catches("put-ring", Mutant::OwnEntryNotLookedAt, 1, ring);
}
