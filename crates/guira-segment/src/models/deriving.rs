//! Writes derived from a present value, against reads, invalidations, each other, and the end of the block
//! that the value lies in.

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::{Body, explore, mortal};

use super::run::{catches, holds, holds_at_each_change};
use super::world::{
    ONE_BUCKET, Said, World, assert_sound, compact, drain, invalidating, read, reading, seal_block_of, thread,
};
use crate::layout::block::BlockState;
use crate::segment::{Add, Segment};
use crate::{Expiry, PutOptions};

/// A segment whose key has a value that nobody read, in a sealed block.
fn with_base() -> (Segment, u32) {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let block = seal_block_of(&segment, b"k");
    (segment, block)
}

fn appending(segment: &Segment, suffix: &'static [u8]) -> Body<Said> {
    thread(segment, move |segment| {
        segment.append(b"k", suffix).expect("there is room");
        None
    })
}

fn append_read() {
    let (segment, _) = with_base();
    let [_, value] = explore([appending(&segment, b"a"), reading(&segment, b"k")]);
    assert!(matches!(value.as_deref(), Some(b"0" | b"0a")), "{value:?}");
    assert_eq!(read(&segment, b"k").as_deref(), Some(&b"0a"[..]));
    assert_sound(&segment);
}

fn append_append() {
    let (segment, _) = with_base();
    explore([appending(&segment, b"a"), appending(&segment, b"b")]);
    let value = read(&segment, b"k");
    assert!(matches!(value.as_deref(), Some(b"0ab" | b"0ba")), "{value:?}");
    assert_sound(&segment);
}

/// The block that an append goes to, and its base lies in, is sealed and drained meanwhile.
fn append_in_drained_block() {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let block = segment.metadata(b"k").expect("just put").block;
    let draining = thread(&segment, move |segment| {
        segment.shared.seal_block(block, segment.shared.block(block));
        compact(segment, block);
        None
    });
    explore([appending(&segment, b"a"), draining]);
    assert_eq!(read(&segment, b"k").as_deref(), Some(&b"0a"[..]));
    assert_sound(&segment);
}

/// The value's block is dropped, and the key invalidated: an append that goes on from what was there must
/// not bring it back.
fn append_from_retired_base() {
    let (segment, block) = with_base();
    let ending = thread(&segment, move |segment| {
        drain(segment, block);
        segment.invalidate(b"k");
        None
    });
    explore([appending(&segment, b"a"), ending]);
    assert_eq!(read(&segment, b"k"), None);
    assert_sound(&segment);
}

/// The kill scan passed the place of the new entry before it was linked, and comes to the old one when its
/// block is gone. (The third thread is a drainer whose walk is over.)
fn append_invalidate_retire() {
    let (segment, block) = with_base();
    let shared = &segment.shared;
    let sealed = shared.block(block);
    let owner = shared.thread().expect("an attached process").owner;
    let drained = sealed.with_state(BlockState::Drain).with_owner(owner);
    assert!(shared.change_block(block, sealed, drained));
    let retiring = thread(&segment, move |segment| {
        let retired = drained.next_generation(BlockState::Retired);
        segment.shared.change_block(block, drained, retired);
        None
    });
    explore([invalidating(&segment, b"k"), appending(&segment, b"a"), retiring]);
    assert_eq!(read(&segment, b"k"), None);
}

/// An append stops for ever at any of its changes; the block of its base is dropped; an add must neither
/// wait for it nor leave two values.
fn orphan(changes: usize) {
    let (segment, block) = with_base();
    let stopping = thread(&segment, move |segment| {
        mortal(changes, || segment.append(b"k", b"a").expect("there is room"));
        None
    });
    let adding = thread(&segment, move |segment| {
        drain(segment, block);
        let add = segment
            .add(b"k", b"Q", &PutOptions::default())
            .expect("it does not wait");
        (add == Add::Stored).then(Vec::new)
    });
    let [_, stored] = explore([stopping, adding]);
    let value = read(&segment, b"k");
    if stored.is_some() {
        assert!(matches!(value.as_deref(), Some(b"Q" | b"Qa")), "{value:?}");
    } else {
        assert!(matches!(value.as_deref(), Some(b"0" | b"0a")), "{value:?}");
    }
    let faults = segment.verify().faults;
    assert!(
        faults
            .iter()
            .all(|fault| fault.kind != crate::FaultKind::DuplicateKey),
        "{faults:?}"
    );
}

#[test]
fn a_value_that_is_appended_to_is_never_missed() {
    holds("append-read", 2, append_read);
}

#[test]
fn no_append_is_lost() {
    holds("append-append", 1, append_append);
}

#[test]
fn an_append_is_not_drained_away_from_under_its_writer() {
    holds("append-lane-drain", 1, append_in_drained_block);
}

#[test]
fn a_drain_that_comes_upon_a_writer_is_caught() {
    catches(
        "append-lane-drain",
        Mutant::WritersAreDrained,
        1,
        append_in_drained_block,
    );
}

#[test]
fn an_append_to_a_retired_base_brings_nothing_back() {
    holds("append-retired-base", 1, append_from_retired_base);
}

#[test]
fn an_appended_value_does_not_survive_an_invalidation() {
    holds("append-invalidate-retire", 1, append_invalidate_retire);
}

#[test]
fn a_stopped_append_stands_in_nobodys_way() {
    holds_at_each_change("append-orphan", 0, orphan);
}

#[test]
fn an_append_without_a_bump_is_caught() {
    catches(
        "append-invalidate-retire",
        Mutant::ForwardWithoutBump,
        2,
        append_invalidate_retire,
    );
}

#[test]
fn second_looks_in_no_order_are_caught() {
    catches(
        "append-invalidate-retire",
        Mutant::UnorderedSecondLooks,
        1,
        append_invalidate_retire,
    );
}
