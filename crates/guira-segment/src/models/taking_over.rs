//! A drainer dies at any of its changes; another process takes its drain over. The survivor is found.

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::{Body, explore, mortal};

use super::run::{catches_at_some_change, holds_at_each_change};
use super::world::{ONE_BUCKET, Said, World, assert_sound, drain, read, seal_block_of, thread};
use crate::Expiry;
use crate::segment::Segment;

struct Scene {
    heir: Segment,
    block: u32,
    dying: Body<Said>,
    /// Kept until the verdict: the dead detach from nothing.
    _dead: Segment,
}

fn scene(changes: usize) -> Scene {
    let world = World::new(ONE_BUCKET);
    let (dead, heir) = (world.process(), world.process());
    heir.put(b"k", b"0", Expiry::never()).expect("room");
    assert!(read(&heir, b"k").is_some());
    let block = seal_block_of(&heir, b"k");
    let bury = world.undertaker(&dead);
    let dying = thread(&dead, move |segment| {
        if mortal(changes, || drain(segment, block)).is_none() {
            bury();
        }
        None
    });
    Scene {
        heir,
        block,
        dying,
        _dead: dead,
    }
}

fn against_a_read(changes: usize) {
    let scene = scene(changes);
    let block = scene.block;
    let heir = thread(&scene.heir, move |segment| {
        segment.recover();
        drain(segment, block);
        read(segment, b"k")
    });
    let [_, value] = explore([scene.dying, heir]);
    assert_eq!(value.as_deref(), Some(&b"0"[..]));
    // Whenever it died, whoever comes later takes it over to the end.
    scene.heir.recover();
    drain(&scene.heir, block);
    assert_eq!(read(&scene.heir, b"k").as_deref(), Some(&b"0"[..]));
    assert_sound(&scene.heir);
}

fn against_a_put(changes: usize) {
    let scene = scene(changes);
    let block = scene.block;
    let heir = thread(&scene.heir, move |segment| {
        segment.put(b"k", b"1", Expiry::never()).expect("room");
        segment.recover();
        drain(segment, block);
        None
    });
    explore([scene.dying, heir]);
    scene.heir.recover();
    drain(&scene.heir, block);
    assert_eq!(read(&scene.heir, b"k").as_deref(), Some(&b"1"[..]));
    assert_sound(&scene.heir);
}

#[test]
fn a_survivor_of_a_dead_drainer_is_found() {
    holds_at_each_change("takeover-read", 1, against_a_read);
}

#[test]
fn a_put_beside_a_dead_drainer_stays() {
    holds_at_each_change("takeover-put", 0, against_a_put);
}

#[test]
fn a_take_over_that_does_not_swing_again_is_caught() {
    catches_at_some_change("takeover-read", Mutant::NoSecondSwing, 1, against_a_read);
}
