//! An entry moves from its partner bucket to its primary one: a reader does not miss it, a kill scan
//! does not leave it.

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::explore;

use super::run::{catches, holds};
use super::world::{Said, TWO_BUCKETS, World, invalidating, key_of, read, reading, thread};
use crate::Expiry;
use crate::layout::slot::Slot;
use crate::segment::Segment;

/// A segment with one entry, linked in the partner bucket of its key.
fn in_partner_bucket() -> (Segment, Vec<u8>) {
    let segment = World::new(TWO_BUCKETS).alone();
    let key = key_of(&segment, 0, 1, 0);
    segment.put(&key, b"v", Expiry::never()).expect("room");
    let shared = &segment.shared;
    let word = shared.load_slot(0, 0);
    assert!(shared.claim_slot(1, 0, Slot::EMPTY, word));
    assert!(shared.claim_slot(0, 0, word, Slot::EMPTY));
    (segment, key)
}

fn moving(segment: &Segment) -> Box<dyn FnOnce() -> Said + Send> {
    let word = segment.shared.load_slot(1, 0);
    thread(segment, move |segment| {
        let shared = &segment.shared;
        let thread = shared.thread().expect("an attached process");
        shared.move_slot(&thread, (1, 0, word), (0, 0, Slot::EMPTY));
        None
    })
}

fn against_a_read() {
    let (segment, key) = in_partner_bucket();
    let [_, value] = explore([moving(&segment), reading(&segment, &key)]);
    assert_eq!(value, Some(b"v".to_vec()));
}

fn against_an_invalidation() {
    let (segment, key) = in_partner_bucket();
    explore([moving(&segment), invalidating(&segment, &key)]);
    assert_eq!(read(&segment, &key), None);
}

#[test]
fn an_entry_that_moves_is_never_missed() {
    holds("move-read", 3, against_a_read);
}

#[test]
fn an_entry_that_moves_is_invalidated() {
    holds("move-invalidate", 2, against_an_invalidation);
}

#[test]
fn a_move_without_a_bump_is_caught() {
    catches("move-read", Mutant::MoveWithoutBump, 2, against_a_read);
}

#[test]
fn a_move_without_a_bump_against_an_invalidation_is_caught() {
    catches(
        "move-invalidate",
        Mutant::MoveWithoutBump,
        2,
        against_an_invalidation,
    );
}

#[test]
fn an_unverified_kill_scan_is_caught() {
    catches(
        "move-invalidate",
        Mutant::UnverifiedScan,
        2,
        against_an_invalidation,
    );
}
