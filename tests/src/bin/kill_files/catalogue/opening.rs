//! Scenes of opening and closing.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::{Scene, opens, puts, scene, sweeps};
use crate::world::{LARGE_BYTES, World};

fn close(world: &mut World) {
    world.survivor = None;
}

/// The table is of another boot of the machine: its words 512 and 513 say so, and the one behind them that it was in
/// use.
fn reboot(world: &World, was_in_use: bool) {
    let path = world.directory().join("table.guira-files");
    let table = OpenOptions::new().write(true).open(path).expect("it is ours");
    table.write_all_at(&[7; 16], 4096).expect("written");
    if was_in_use {
        table.write_all_at(&1_u64.to_le_bytes(), 4112).expect("written");
    }
}

pub(super) fn scenes() -> Vec<Scene> {
    let lose_index = |world: &mut World| {
        world.furnish();
        close(world);
        std::fs::remove_file(world.directory().join("index.guira")).expect("it is there");
        world.beliefs.borrow_mut().lose_all();
    };
    vec![
        scene("open: a new directory", &[50], |_| {}, opens),
        scene("open: a new directory on a disk", &[50], |_| {}, opens).on_disk(),
        scene(
            "open and close: nobody else is there",
            &[1],
            |world| {
                world.furnish();
                close(world);
            },
            opens,
        ),
        scene("open and close: beside others", &[1], World::furnish, opens),
        scene(
            "open and close: the last on a disk",
            &[1],
            |world| {
                world.furnish();
                close(world);
            },
            opens,
        )
        .on_disk(),
        scene(
            "open: of another boot, in order",
            &[1],
            |world| {
                world.furnish();
                close(world);
                reboot(world, false);
            },
            opens,
        )
        // Who dies while marking it for this boot leaves a table that is in order no more.
        .evicting()
        .beside_strangers()
        .on_disk(),
        scene(
            "open: of another boot, not in order",
            &[1],
            |world| {
                world.furnish();
                close(world);
                reboot(world, true);
                for key in 0..6 {
                    world.beliefs.borrow_mut().lose(key);
                }
            },
            opens,
        )
        .beside_strangers()
        .on_disk(),
        scene("open: a new index over old values", &[1], lose_index, opens).beside_strangers(),
        scene(
            "put: beside old values",
            &[50],
            move |world| {
                lose_index(world);
                world.begin();
            },
            puts(50, LARGE_BYTES),
        )
        .beside_strangers(),
        scene(
            "sweep: old values",
            &[50],
            move |world| {
                lose_index(world);
                world.begin();
            },
            sweeps,
        )
        .beside_strangers(),
    ]
}
