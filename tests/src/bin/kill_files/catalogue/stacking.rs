//! Scenes of a stack of two tiers: a segment over a segment, or over files.

use std::time::Duration;

use guira::{Error, Store};

use super::{Actor, Scene, adds, puts, scene_of as scene};
use crate::subject::{Lower, Stack};
use crate::world::{ACTED, Key, LARGE_BYTES, SMALL_BYTES, World, value};

/// The scenes over `lower`.
pub(crate) fn scenes<L: Lower>(lower: &str) -> Vec<Scene<Stack<L>>> {
    let mut scenes = writing();
    scenes.extend(computing());
    scenes.extend(removing());
    scenes.extend(reading());
    for scene in &mut scenes {
        scene.name = format!("tiers over {lower}: {}", scene.name);
    }
    scenes
}

/// The near tier has lost key 1 for want of room.
fn below<L: Lower>(world: &mut World<Stack<L>>) {
    world.furnish();
    assert_eq!(world.prepared().evict(1), Ok(()));
}

/// Somebody who knows of no lower tier has invalidated key 1.
fn void<L: Lower>(world: &mut World<Stack<L>>) {
    world.furnish();
    assert_eq!(world.prepared().near.invalidate(&1).ok(), Some(true));
    world.beliefs.borrow_mut().lose(1);
}

/// Only the near tier has key 1.
fn above<L: Lower>(world: &mut World<Stack<L>>) {
    world.furnish();
    assert_eq!(world.prepared().far.remove(&1).ok(), Some(true));
    // Until that is evicted.
    world.beliefs.borrow_mut().admit(1, None);
}

fn writing<L: Lower>() -> Vec<Scene<Stack<L>>> {
    vec![
        scene("put: over nothing", &[50], World::furnish, puts(50, LARGE_BYTES)),
        scene("put: over a value", &[1], World::furnish, puts(1, LARGE_BYTES)),
        scene(
            "put: small, over a value",
            &[1],
            World::furnish,
            puts(1, SMALL_BYTES),
        ),
        scene("put: over what is below", &[1], below, puts(1, LARGE_BYTES)),
        scene("put: over what is void below", &[1], void, puts(1, LARGE_BYTES)),
        scene("put: over what is above alone", &[1], above, puts(1, LARGE_BYTES)),
        scene(
            "replace: what is below",
            &[1],
            below,
            writes(|it: &Stack<L>| it.tiers.replace(&1, &large(1), &Stack::<L>::options())),
        ),
        scene("add: new", &[50], World::furnish, adds(50, LARGE_BYTES)).adding(),
        scene("add: there is one below", &[1], below, adds(1, LARGE_BYTES)).adding(),
        scene("add: over what is void below", &[1], void, adds(1, LARGE_BYTES)).adding(),
    ]
}

fn computing<L: Lower>() -> Vec<Scene<Stack<L>>> {
    vec![
        scene("fill: new", &[50], World::furnish, computes(50)).computing(),
        scene("fill: there is one below", &[1], below, computes(1)).computing(),
        scene("fill: over what is void below", &[1], void, computes(1)).computing(),
    ]
}

fn removing<L: Lower>() -> Vec<Scene<Stack<L>>> {
    vec![
        scene(
            "invalidated",
            &[1],
            World::furnish,
            writes(|it: &Stack<L>| it.tiers.invalidate(&1)),
        ),
        scene(
            "invalidated, what is below",
            &[1],
            below,
            writes(|it: &Stack<L>| it.tiers.invalidate(&1)),
        ),
        scene(
            "removed",
            &[1],
            World::furnish,
            writes(|it: &Stack<L>| it.tiers.remove(&1)),
        ),
        scene(
            "expired",
            &[1],
            World::furnish,
            writes(|it: &Stack<L>| it.tiers.expire(&1)),
        ),
        scene(
            "touched",
            &[1],
            World::furnish,
            writes(|it: &Stack<L>| it.tiers.touch(&1, Duration::from_secs(3600).into())),
        ),
        scene(
            "cleared",
            &[1],
            World::furnish,
            writes(|it: &Stack<L>| it.tiers.clear()),
        ),
    ]
}

fn reading<L: Lower>() -> Vec<Scene<Stack<L>>> {
    let get = || writes(|it: &Stack<L>| it.tiers.get(&1));
    vec![
        scene("read: what is below", &[1], below, get()),
        scene("read: what is void below", &[1], void, get()),
        scene(
            "read: many, what is below",
            &[1],
            below,
            writes(|it: &Stack<L>| {
                let found = it.tiers.get_many(&[&0, &1, &2]);
                found.into_iter().collect::<Result<Vec<_>, _>>()
            }),
        ),
    ]
}

fn large(key: Key) -> Vec<u8> {
    value(key, ACTED, LARGE_BYTES)
}

fn writes<L: Lower, T>(
    write: impl Fn(&Stack<L>) -> Result<T, Error>,
) -> impl Fn(&mut Actor<'_, Stack<L>>) -> Result<(), String> {
    move |actor| {
        let written = write(&actor.handle());
        written.map(drop).map_err(|error| format!("it failed: {error}"))
    }
}

fn computes<L: Lower>(key: Key) -> impl Fn(&mut Actor<'_, Stack<L>>) -> Result<(), String> {
    move |actor| {
        let it = actor.handle();
        let computed = it.tiers.get_or_compute(&key, || actor.world.computed(key));
        computed
            .map(drop)
            .map_err(|error| format!("a computation failed: {error}"))
    }
}
