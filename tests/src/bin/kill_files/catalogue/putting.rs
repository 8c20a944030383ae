//! Scenes of puts and adds.

use std::time::Duration;

use guira_files::FilesError;
use guira_segment::{Expiry, PutOptions};

use super::{Scene, adds, is_put, puts, scene};
use crate::world::{ACTED, LARGE_BYTES, SMALL_BYTES, World, name, value};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        scene("put: small, new", &[50], World::furnish, puts(50, SMALL_BYTES)),
        scene(
            "put: small, over a file",
            &[0],
            World::furnish,
            puts(0, SMALL_BYTES),
        ),
        scene("put: a file, new", &[50], World::furnish, puts(50, LARGE_BYTES)),
        scene(
            "put: a file, over a file",
            &[1],
            World::furnish,
            puts(1, LARGE_BYTES),
        ),
        scene(
            "put: a file, over a small value",
            &[10],
            World::furnish,
            puts(10, LARGE_BYTES),
        ),
        scene("put: a file, durable", &[1], World::furnish, |actor| {
            let files = actor.world.open_durable().expect("it opens");
            actor.begin();
            is_put(files.put(&name(1), &value(1, ACTED, LARGE_BYTES), Expiry::never()))
        })
        .on_disk(),
        scene("put: by a forked child", &[1], World::furnish, |actor| {
            actor.begin();
            is_put(
                actor
                    .world
                    .prepared()
                    .put(&name(1), &value(1, ACTED, LARGE_BYTES), Expiry::never()),
            )
        }),
        scene("put: too large", &[1], World::furnish, |actor| {
            match actor.handle().put(&name(1), &vec![1; 3 << 20], Expiry::never()) {
                Err(FilesError::ValueTooLarge { .. }) => Ok(()),
                other => Err(format!("it gave {other:?}")),
            }
        }),
        scene("put: with a tag and a lifetime", &[1], World::furnish, |actor| {
            let options = PutOptions::from(Expiry::after(Duration::from_secs(3600))).tags(&[b"red"]);
            is_put(
                actor
                    .handle()
                    .put(&name(1), &value(1, ACTED, LARGE_BYTES), options),
            )
        }),
        scene("add: new", &[50], World::furnish, adds(50, LARGE_BYTES)).adding(),
        scene("add: there is one", &[1], World::furnish, adds(1, LARGE_BYTES)).adding(),
        scene(
            "add: small, there is one",
            &[1],
            World::furnish,
            adds(1, SMALL_BYTES),
        )
        .adding(),
        scene(
            "put: a file, behind many places that count no more",
            &[1],
            |world| {
                world.begin();
                world.put(0, LARGE_BYTES);
                for _ in 0..23 {
                    world.put(1, LARGE_BYTES);
                }
            },
            puts(1, LARGE_BYTES),
        ),
    ]
}
