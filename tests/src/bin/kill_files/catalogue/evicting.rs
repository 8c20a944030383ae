//! Scenes of puts that need the room of others.

use super::{Scene, puts, scene};
use crate::world::{LARGE_BYTES, World};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        scene("put: evicts one", &[50], World::fill_up, puts(50, LARGE_BYTES)).evicting(),
        scene(
            "put: evicts several",
            &[50],
            World::fill_up,
            puts(50, 5 * LARGE_BYTES),
        )
        .evicting(),
        scene(
            "put: evicts what is read",
            &[50],
            |world| {
                world.fill_up();
                world.read_all();
            },
            puts(50, 2 * LARGE_BYTES),
        )
        .evicting(),
        scene(
            "put: of a key that was evicted",
            &[0],
            |world| {
                world.fill_up();
                world.squeeze(51, 3 * LARGE_BYTES);
            },
            puts(0, LARGE_BYTES),
        )
        .evicting(),
        scene(
            "put: more files than records",
            &[50],
            |world| {
                world.begin();
                for key in 0..16 {
                    world.put(key, 20_000);
                }
            },
            puts(50, 20_000),
        )
        .evicting(),
        scene(
            "put: evicts what is over",
            &[50],
            overdue,
            puts(50, 3 * LARGE_BYTES),
        ),
        scene(
            "put: evicts what is read again",
            &[50],
            |world| {
                world.fill_up();
                world.read_all();
                world.squeeze(51, 2 * LARGE_BYTES);
                world.read_all();
            },
            puts(50, 2 * LARGE_BYTES),
        )
        .evicting(),
        scene(
            "put: where nothing is over any more",
            &[50],
            |world| {
                world.begin();
                world.put_expired(30, LARGE_BYTES);
                let swept = world.prepared().sweep().expect("swept");
                assert_eq!(swept.expired + swept.orphaned, 1);
                for key in 0..13 {
                    world.put(key, LARGE_BYTES);
                }
            },
            puts(50, LARGE_BYTES),
        )
        .evicting(),
    ]
}

/// Files whose time is over, and not one byte free without them.
pub(super) fn overdue(world: &mut World) {
    world.begin();
    for key in 0..6 {
        world.put(key, LARGE_BYTES);
    }
    for key in 30..37 {
        world.put_expired(key, LARGE_BYTES);
    }
}
