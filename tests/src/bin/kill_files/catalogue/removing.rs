//! Scenes of removals and sweeps.

use std::time::Duration;

use guira_files::Files;
use guira_segment::Expiry;

use super::evicting::overdue;
use super::{Scene, does, scene, sweeps};
use crate::world::{LARGE_BYTES, World, name};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        scene(
            "remove",
            &[1],
            World::furnish,
            does(|files| files.remove(&name(1))),
        ),
        scene(
            "invalidate",
            &[1],
            World::furnish,
            does(|files| files.invalidate(&name(1))),
        ),
        scene(
            "expire",
            &[1],
            World::furnish,
            does(|files| files.expire(&name(1))),
        ),
        scene(
            "touch",
            &[1],
            World::furnish,
            does(|files| {
                files
                    .touch(&name(1), Expiry::after(Duration::from_secs(3600)))
                    .expect("there is room");
            }),
        ),
        scene("clear", &[1], World::furnish, does(Files::clear)),
        scene("clear, then sweep", &[1], World::furnish, |actor| {
            let files = actor.handle();
            files.clear();
            files
                .sweep()
                .map(drop)
                .map_err(|error| format!("a sweep failed: {error}"))
        }),
        scene("purge: what is stale", &[1], World::furnish, |actor| {
            let files = actor.handle();
            for key in 0..3 {
                // False if somebody else was faster.
                let _ = files.expire(&name(key));
            }
            files
                .purge(Duration::ZERO)
                .map(drop)
                .map_err(|error| format!("a purge failed: {error}"))
        }),
        scene("purge: what is over", &[1], overdue, |actor| {
            let purged = actor.handle().purge(Duration::ZERO);
            purged
                .map(drop)
                .map_err(|error| format!("a purge failed: {error}"))
        }),
        scene("sweep: nothing to do", &[1], World::furnish, sweeps),
        scene(
            "sweep: orphans",
            &[1],
            |world| {
                world.furnish();
                for key in 0..4 {
                    // Behind the files' back: nobody retires them.
                    world.prepared().index().remove(&name(key));
                    world.beliefs.borrow_mut().lose(key);
                }
            },
            sweeps,
        ),
        scene(
            "sweep: names of nobody, and of others",
            &[1],
            |world| {
                world.furnish();
                let shard = world.file_of(1).parent().expect("a directory").to_path_buf();
                std::fs::write(shard.join("0000000000000001"), b"left by a crash").expect("written");
                std::fs::write(shard.join("0000000000000002l"), b"left by a crash").expect("written");
                let foreign = [shard.join("notes.txt"), world.directory().join("README.txt")];
                for path in &foreign {
                    std::fs::write(path, b"somebody's").expect("written");
                }
                world.foreign.borrow_mut().extend(foreign);
            },
            sweeps,
        )
        .beside_strangers(),
        scene(
            "sweep: what was given more time",
            &[1],
            |world| {
                world.begin();
                for key in 0..3 {
                    world.put_for(key, LARGE_BYTES, Expiry::after(Duration::from_millis(400)));
                    world
                        .prepared()
                        .touch(&name(key), Expiry::never())
                        .expect("there is room");
                }
                world.put_for(3, LARGE_BYTES, Expiry::after(Duration::from_millis(401)));
                while world.prepared().contains(&name(3)) {
                    std::thread::yield_now();
                }
                world.beliefs.borrow_mut().lose(3);
            },
            sweeps,
        ),
    ]
}
