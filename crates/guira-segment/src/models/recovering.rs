//! Two processes recover what a dead one left, and a third takes its record at once: everything is given
//! back once, and nothing of the new holder is touched.

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;
use guira_shm::sync::model::explore;

use super::run::{catches, holds};
use super::world::{ONE_BUCKET, Said, World, assert_sound, seal_block_of, thread};
use crate::Expiry;
use crate::layout::block::BlockState;
use crate::layout::control::CONTROL_RECOVERIES;
use crate::pin::EnginePin;
use crate::segment::Segment;

/// A world in which the first of three processes died, which drained a block and had it pinned.
struct Scene {
    world: World,
    dead: Segment,
    living: [Segment; 2],
    block: u32,
}

fn scene() -> Scene {
    let world = World::new(ONE_BUCKET);
    let dead = world.process();
    let living = [world.process(), world.process()];
    dead.put(b"k", b"0", Expiry::never()).expect("room");
    let block = seal_block_of(&dead, b"k");
    let shared = &dead.shared;
    let thread = shared.thread().expect("an attached process");
    let word = shared.block(block);
    let draining = word.with_state(BlockState::Drain).with_owner(thread.owner);
    assert!(shared.change_block(block, word, draining));
    let pin = thread.engine_pin(shared, EnginePin::Read);
    std::mem::forget(shared.pin_block(&thread, pin, block));
    drop(thread);
    world.undertaker(&dead)();
    Scene {
        world,
        dead,
        living,
        block,
    }
}

fn recovering(segment: &Segment) -> Box<dyn FnOnce() -> Said + Send> {
    thread(segment, |segment| {
        segment.recover();
        None
    })
}

fn recovery_recovery() {
    let Scene {
        living,
        block,
        dead: _dead,
        ..
    } = scene();
    let [one, two] = &living;
    explore([recovering(one), recovering(two)]);
    let shared = &one.shared;
    assert_eq!(shared.block(block).state(), BlockState::Sealed);
    assert_eq!(shared.pinned_blocks(), Vec::<u32>::new());
    assert_eq!(shared.word(CONTROL_RECOVERIES).load(Ordering::Relaxed), 1);
    assert_sound(one);
}

/// A recovery that works without the byte lock, as where a forked child of the dead keeps it, and is
/// late: the record has been recovered and taken meanwhile.
fn late_recovery() {
    let Scene {
        world,
        dead,
        living: [late, _other],
        block,
    } = scene();
    let incarnation = dead
        .shared
        .current_attachment()
        .expect("it was attached")
        .incarnation;
    let recovery = thread(&late, move |segment| {
        segment.shared.release_record(0, incarnation);
        None
    });
    let newcomer = Box::new(move || {
        let segment = world.process();
        let shared = &segment.shared;
        let thread = shared.thread().expect("an attached process");
        let pin = thread.engine_pin(shared, EnginePin::Read);
        let pinned = shared.pin_block(&thread, pin, block);
        let stands = pin.load(Ordering::Relaxed) != 0;
        drop(pinned);
        drop(thread);
        stands.then(Vec::new)
    });
    let [_, stands] = explore([recovery, newcomer]);
    assert!(stands.is_some(), "the pin of a new process was erased");
    assert_sound(&late);
}

#[test]
fn of_two_recoveries_one_gives_everything_back() {
    holds("recovery-recovery", 2, recovery_recovery);
}

#[test]
fn a_late_recovery_touches_no_new_process() {
    holds("late-recovery", 2, late_recovery);
}

#[test]
fn a_late_recovery_that_compares_no_incarnation_is_caught() {
    catches(
        "late-recovery",
        Mutant::RecoveryOfAnyIncarnation,
        2,
        late_recovery,
    );
}
