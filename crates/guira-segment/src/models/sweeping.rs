//! Two sweepers, one of which is killed at any of its changes: when two epochs are complete, no slot is left
//! that named nothing when the first began, whoever swept its range.

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;
use guira_shm::sync::model::{explore, mortal};

use super::run::{catches_at_some_change, holds_at_each_change};
use super::world::{TWO_BUCKETS, World, drain, key_of, seal_block_of, thread};
use crate::Expiry;
use crate::layout::control::CONTROL_SWEEP;
use crate::segment::Segment;

/// A slot in each bucket whose block has been retired.
fn with_stale_slots() -> Segment {
    let segment = World::new(TWO_BUCKETS).alone();
    let keys = [key_of(&segment, 0, 1, 0), key_of(&segment, 1, 0, 0)];
    for key in &keys {
        segment.put(key, b"v", Expiry::never()).expect("room");
    }
    let block = seal_block_of(&segment, &keys[0]);
    drain(&segment, block);
    assert_eq!(stale_slots(&segment), 2);
    segment
}

fn stale_slots(segment: &Segment) -> usize {
    (0..2)
        .filter(|&bucket| !segment.shared.load_slot(bucket, 0).is_empty())
        .count()
}

/// Sweeps until two epochs were completed: at least one began when the slots were stale.
fn sweep_twice(segment: &Segment) {
    let shared = &segment.shared;
    let thread = shared.thread().expect("an attached process");
    while shared.word(CONTROL_SWEEP).load(Ordering::Acquire) >> 32 < 2 {
        shared.sweep_whole(&thread);
    }
}

fn model(changes: usize) {
    let segment = with_stale_slots();
    let dying = thread(&segment, move |segment| {
        mortal(changes, || sweep_twice(segment));
        None
    });
    let sweeping = thread(&segment, |segment| {
        sweep_twice(segment);
        (stale_slots(segment) > 0).then(Vec::new)
    });
    let [_, left] = explore([dying, sweeping]);
    assert!(left.is_none(), "stale slots after two epochs");
}

#[test]
fn two_epochs_leave_no_stale_slot() {
    holds_at_each_change("sweep-sweep", 1, model);
}

#[test]
fn a_range_that_is_marked_before_it_is_swept_is_caught() {
    catches_at_some_change("sweep-sweep", Mutant::SweepMarkedFirst, 1, model);
}
