//! A writer on a shared lane against the sealing, draining and reopening of the lane's block: no two
//! writers get the same bytes.

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;
use guira_shm::sync::model::explore;

use super::run::{catches, holds};
use super::world::{ONE_BUCKET, World, drain, putting, read, thread};
use crate::Expiry;
use crate::layout::control::CONTROL_FREE_HINT;

const LONG: &[u8] = &[7; 300];

fn model() {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"first", b"v", Expiry::never()).expect("room");
    let block = segment.metadata(b"first").expect("just put").block;
    // The next block that is opened is this one again.
    let hint = segment.shared.word(CONTROL_FREE_HINT);
    hint.store(u64::from(block), Ordering::Relaxed);
    let reopening = thread(&segment, move |segment| {
        let shared = &segment.shared;
        shared.seal_block(block, shared.block(block));
        drain(segment, block);
        segment.put(b"second", LONG, Expiry::never()).expect("room");
        None
    });
    explore([putting(&segment, b"k", b"short"), reopening]);
    assert_eq!(read(&segment, b"second").as_deref(), Some(LONG));
    let value = read(&segment, b"k");
    assert!(matches!(value.as_deref(), None | Some(b"short")), "{value:?}");
}

#[test]
fn no_two_writers_get_the_same_bytes() {
    holds("lane-seal", 1, model);
}

#[test]
fn a_lane_whose_block_is_freed_under_a_pin_is_caught() {
    catches("lane-seal", Mutant::PinsNotLookedAt, 2, model);
}

#[test]
fn an_unguarded_lane_is_caught() {
    catches("lane-seal", Mutant::UnguardedLane, 2, model);
}
