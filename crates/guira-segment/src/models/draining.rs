//! An entry is copied out of a block that is drained: readers find it, kills reach it, puts replace it.

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::explore;

use super::run::{catches, holds};
use super::world::{
    ONE_BUCKET, Said, World, assert_sound, drain, invalidating, putting, read, reading, seal_block_of, thread,
};
use crate::Expiry;
use crate::segment::Segment;

/// A segment with an entry that was read, in a sealed block.
fn with_survivor() -> (Segment, u32) {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    assert!(read(&segment, b"k").is_some());
    let block = seal_block_of(&segment, b"k");
    (segment, block)
}

fn draining(segment: &Segment, block: u32) -> Box<dyn FnOnce() -> Said + Send> {
    thread(segment, move |segment| {
        drain(segment, block);
        None
    })
}

fn against_a_read() {
    let (segment, block) = with_survivor();
    let [_, value] = explore([draining(&segment, block), reading(&segment, b"k")]);
    assert_eq!(value, Some(b"0".to_vec()));
    assert_eq!(read(&segment, b"k").as_deref(), Some(&b"0"[..]));
    assert_sound(&segment);
}

fn against_an_invalidation() {
    let (segment, block) = with_survivor();
    explore([draining(&segment, block), invalidating(&segment, b"k")]);
    assert_eq!(read(&segment, b"k"), None);
    assert_sound(&segment);
}

fn against_a_put() {
    let (segment, block) = with_survivor();
    explore([draining(&segment, block), putting(&segment, b"k", b"1")]);
    assert_eq!(read(&segment, b"k").as_deref(), Some(&b"1"[..]));
    assert_sound(&segment);
}

#[test]
fn a_survivor_is_never_missed() {
    holds("drain-read", 2, against_a_read);
}

#[test]
fn a_survivor_does_not_survive_an_invalidation() {
    holds("drain-invalidate", 2, against_an_invalidation);
}

#[test]
fn a_survivor_does_not_come_back_over_a_put() {
    holds("drain-put", 1, against_a_put);
}

#[test]
fn a_swing_without_a_bump_is_caught() {
    catches(
        "drain-invalidate",
        Mutant::SwingWithoutBump,
        2,
        against_an_invalidation,
    );
}

#[test]
fn a_kill_that_stops_at_a_forward_is_caught() {
    catches(
        "drain-invalidate",
        Mutant::KillStopsAtForward,
        2,
        against_an_invalidation,
    );
}
