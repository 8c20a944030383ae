//! A guard that a forked child inherited: its drop leaves the parent's pin alone, so the parent's bytes
//! stay while their block is reclaimed.

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::explore;

use super::run::{catches, holds};
use super::world::{ONE_BUCKET, World, drain, seal_block_of, thread};
use crate::Expiry;

fn model() {
    let world = World::new(ONE_BUCKET);
    let parent = world.process();
    parent.put(b"k", b"0", Expiry::never()).expect("room");
    let block = seal_block_of(&parent, b"k");
    let child = world.child_of(&parent);
    let reader = thread(&parent, move |segment| {
        let guard = segment.get(b"k")?;
        let inherited = guard.inherited_by(&child.shared);
        drop(inherited);
        let generation = |block| segment.shared.block(block).state();
        (guard.is_borrowed() && generation(block) == crate::layout::block::BlockState::Free).then(Vec::new)
    });
    let reclaim = thread(&parent, move |segment| {
        drain(segment, block);
        None
    });
    let [freed, _] = explore([reader, reclaim]);
    assert!(freed.is_none(), "a block became free under a guard");
}

#[test]
fn a_guard_keeps_its_block_whatever_a_child_drops() {
    holds("guard-fork", 2, model);
}

#[test]
fn an_inherited_guard_that_unpins_is_caught() {
    catches("guard-fork", Mutant::InheritedGuardUnpins, 2, model);
}
