//! A pin against the reclaim of its block: what was pinned and found of its generation keeps its bytes.

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;
use guira_shm::sync::model::explore;

use super::run::{catches, holds};
use super::world::{ONE_BUCKET, Said, World, seal_block_of, thread};
use crate::Expiry;
use crate::layout::block::BlockState;
use crate::layout::entry::ENTRY_BORN;
use crate::pin::EnginePin;
use crate::segment::Segment;

/// A block that is drained to its end and about to be retired.
fn drained() -> (Segment, u32) {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let block = seal_block_of(&segment, b"k");
    let shared = &segment.shared;
    let word = shared.block(block);
    let owner = shared.thread().expect("an attached process").owner;
    assert!(shared.change_block(block, word, word.with_state(BlockState::Drain).with_owner(owner)));
    (segment, block)
}

/// Retires the block; once it is free its bytes are somebody else's.
fn reclaiming(segment: &Segment, block: u32) -> Box<dyn FnOnce() -> Said + Send> {
    thread(segment, move |segment| {
        let shared = &segment.shared;
        let thread = shared.thread().expect("an attached process");
        if shared.retire_block(&thread, block, shared.block(block)) {
            let word = shared.block(block);
            assert!(shared.change_block(block, word, word.with_state(BlockState::Open)));
            let offset = shared.geometry.block_offset(block);
            shared
                .word(offset + ENTRY_BORN)
                .store(u64::MAX, Ordering::Relaxed);
        }
        None
    })
}

fn model() {
    let (segment, block) = drained();
    let slot = segment.shared.load_slot(0, 0);
    let reader = thread(&segment, move |segment| {
        let shared = &segment.shared;
        let thread = shared.thread().expect("an attached process");
        let pin = thread.engine_pin(shared, EnginePin::Read);
        let _pinned = shared.pin_location(&thread, pin, slot.location(), slot.generation())?;
        let born = shared.word(slot.location().offset() + ENTRY_BORN);
        for _ in 0..2 {
            assert_ne!(
                born.load(Ordering::Relaxed),
                u64::MAX,
                "the bytes changed under a pin"
            );
        }
        None
    });
    explore([reader, reclaiming(&segment, block)]);
}

#[test]
fn what_is_pinned_keeps_its_bytes() {
    holds("pin-reclaim", 3, model);
}

#[test]
fn a_pin_that_nothing_orders_is_caught() {
    catches("pin-reclaim", Mutant::UnorderedPin, 3, model);
}

#[test]
fn a_pin_whose_generation_is_not_compared_is_caught() {
    catches("pin-reclaim", Mutant::PinWithoutGeneration, 3, model);
}

#[test]
fn a_reclaim_that_looks_at_no_pin_is_caught() {
    catches("pin-reclaim", Mutant::PinsNotLookedAt, 3, model);
}

#[test]
fn a_reclaim_without_its_fence_is_caught() {
    catches("pin-reclaim", Mutant::ReclaimWithoutFence, 3, model);
}
