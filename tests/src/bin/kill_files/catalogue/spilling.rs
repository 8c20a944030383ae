//! Scenes of a cache on a segment whose large values are in files.

use std::time::Duration;

use guira::{Lifetime, PutOptions};

use super::reading::{cut, flip};
use super::{Actor, Scene, adds, opens, puts, scene_of, sweeps};
use crate::subject::Spilled;
use crate::world::{ACTED, Key, LARGE_BYTES, SMALL_BYTES, World, value};

pub(crate) fn scenes() -> Vec<Scene<Spilled>> {
    let mut scenes = writing();
    scenes.extend(computing());
    scenes.extend(removing());
    scenes.extend(reading());
    scenes
}

fn writing() -> Vec<Scene<Spilled>> {
    let never = Lifetime::never;
    vec![
        scene(
            "spilled put: over nothing",
            &[50],
            World::furnish,
            puts(50, LARGE_BYTES),
        ),
        scene(
            "spilled put: over a spilled value",
            &[1],
            World::furnish,
            puts(1, LARGE_BYTES),
        ),
        scene(
            "spilled put: over an inline value",
            &[10],
            World::furnish,
            puts(10, LARGE_BYTES),
        ),
        scene(
            "spilled put: inline, over a spilled value",
            &[1],
            World::furnish,
            puts(1, SMALL_BYTES),
        ),
        scene(
            "spilled put: evicts one",
            &[50],
            World::fill_up,
            puts(50, LARGE_BYTES),
        )
        .evicting(),
        scene("spilled put: too large", &[1], World::furnish, move |actor| {
            let put = actor.handle().cache.put(&1, &vec![1; 3 << 20], never());
            put.map_or(Ok(()), |put| Err(format!("it gave {put:?}")))
        }),
        scene(
            "spilled put: with a tag and a lifetime",
            &[1],
            World::furnish,
            writes(move |it| {
                let hour = Lifetime::after(Duration::from_secs(3600));
                let options = PutOptions::from(hour).tags(&[b"red"]);
                it.cache.put(&1, &large(1), options)
            }),
        ),
        scene("spilled add: new", &[50], World::furnish, adds(50, LARGE_BYTES)).adding(),
        scene(
            "spilled add: there is one",
            &[1],
            World::furnish,
            adds(1, LARGE_BYTES),
        )
        .adding(),
        scene(
            "spilled replace",
            &[1],
            World::furnish,
            writes(move |it| it.cache.replace(&1, &large(1), never())),
        ),
        scene("spilled swap", &[1], World::furnish, move |actor| {
            let it = actor.world.open().expect("it opens");
            let found = it.cache.get_versioned(&1).expect("it is readable");
            let (_, version) = found.expect("it was put");
            actor.begin();
            let swapped = it.cache.compare_and_swap(&1, version, &large(1), never());
            swapped
                .map(drop)
                .map_err(|error| format!("a swap failed: {error}"))
        }),
        scene(
            "spilled swap: somebody was faster",
            &[1],
            World::furnish,
            move |actor| {
                let it = actor.world.open().expect("it opens");
                let found = it.cache.get_versioned(&0).expect("it is readable");
                let (_, version) = found.expect("it was put");
                actor.begin();
                let swapped = it.cache.compare_and_swap(&1, version, &large(1), never());
                swapped
                    .map(drop)
                    .map_err(|error| format!("a swap failed: {error}"))
            },
        ),
    ]
}

fn computing() -> Vec<Scene<Spilled>> {
    vec![
        scene("spilled fill: new", &[50], World::furnish, computes(50)).computing(),
        scene("spilled fill: there is one", &[1], World::furnish, computes(1)).computing(),
        scene(
            "spilled fill: over a stale value",
            &[1],
            |world| {
                world.furnish();
                assert_eq!(world.prepared().cache.expire(&1).ok(), Some(true));
            },
            computes(1),
        )
        .computing(),
    ]
}

fn removing() -> Vec<Scene<Spilled>> {
    vec![
        scene(
            "spilled value: removed",
            &[1],
            World::furnish,
            writes(|it| it.cache.remove(&1)),
        ),
        scene(
            "spilled value: invalidated",
            &[1],
            World::furnish,
            writes(|it| it.cache.invalidate(&1)),
        ),
        scene(
            "spilled value: expired",
            &[1],
            World::furnish,
            writes(|it| it.cache.expire(&1)),
        ),
        scene(
            "spilled value: touched",
            &[1],
            World::furnish,
            writes(|it| it.cache.touch(&1, Duration::from_secs(3600))),
        ),
        scene(
            "spilled value: its tag invalidated",
            &[1],
            |world| {
                world.furnish();
                let options = PutOptions::from(Lifetime::never()).tags(&[b"red"]);
                let before = value(1, crate::world::BEFORE, LARGE_BYTES);
                let put = world.prepared().cache.put(&1, &before, options);
                assert_eq!(put.ok(), Some(guira::Put::Stored));
            },
            writes(|it| it.cache.invalidate_tag(b"red")),
        ),
        scene(
            "spilled values: purged",
            &[1],
            |world| {
                world.furnish();
                for key in 0..3 {
                    assert_eq!(world.prepared().cache.expire(&key).ok(), Some(true));
                }
            },
            writes(|it| it.cache.purge()),
        ),
        scene(
            "spilled values: cleared",
            &[1],
            World::furnish,
            writes(|it| it.cache.clear()),
        ),
        scene(
            "spilled values: cleared and swept",
            &[1],
            |world| {
                world.furnish();
                world.prepared().cache.clear().expect("it is open");
                world.beliefs.borrow_mut().lose_all();
            },
            sweeps,
        ),
    ]
}

fn reading() -> Vec<Scene<Spilled>> {
    let get = |key: Key| writes(move |it| it.cache.get(&key));
    vec![
        scene("spilled read: the first", &[1], World::furnish, get(1)),
        scene(
            "spilled read: a missing file",
            &[1],
            |world| damaged(world, |path| std::fs::remove_file(path).expect("it is there")),
            get(1),
        ),
        scene(
            "spilled read: a damaged file",
            &[1],
            |world| damaged(world, flip),
            get(1),
        ),
        scene(
            "spilled read: a file that was cut",
            &[1],
            |world| damaged(world, cut),
            get(1),
        ),
        scene("spilled open: a new place", &[50], |_| {}, opens),
        scene("spilled open: beside others", &[1], World::furnish, opens),
        scene(
            "spilled open: nobody else is there",
            &[1],
            |world| {
                world.furnish();
                world.survivor = None;
            },
            opens,
        ),
    ]
}

fn scene(
    name: &str,
    keys: &[Key],
    prepare: impl Fn(&mut World<Spilled>) + 'static,
    act: impl Fn(&mut Actor<'_, Spilled>) -> Result<(), String> + 'static,
) -> Scene<Spilled> {
    scene_of(name, keys, prepare, act)
}

fn large(key: Key) -> Vec<u8> {
    value(key, ACTED, LARGE_BYTES)
}

fn writes<T>(
    write: impl Fn(&Spilled) -> Result<T, guira::Error>,
) -> impl Fn(&mut Actor<'_, Spilled>) -> Result<(), String> {
    move |actor| {
        let written = write(&actor.handle());
        written
            .map(drop)
            .map_err(|error| format!("a write failed: {error}"))
    }
}

fn computes(key: Key) -> impl Fn(&mut Actor<'_, Spilled>) -> Result<(), String> {
    move |actor| {
        let it = actor.handle();
        let computed = it.cache.get_or_compute(&key, || actor.world.computed(key));
        computed
            .map(drop)
            .map_err(|error| format!("a computation failed: {error}"))
    }
}

fn damaged(world: &mut World<Spilled>, damage: fn(&std::path::Path)) {
    world.furnish();
    damage(&world.file_of(1));
    world.beliefs.borrow_mut().lose(1);
}
