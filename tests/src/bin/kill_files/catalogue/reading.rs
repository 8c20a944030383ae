//! Scenes of reads.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::{Scene, does, scene};
use crate::world::{World, name};

fn damaged(world: &mut World, damage: fn(&std::path::Path)) {
    world.furnish();
    damage(&world.file_of(1));
    world.beliefs.borrow_mut().lose(1);
}

pub(super) fn flip(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    let file = OpenOptions::new().write(true).open(path).expect("it is ours");
    file.write_all_at(b"wrong", 50_000).expect("written");
}

pub(super) fn cut(path: &std::path::Path) {
    flip(path);
    let file = OpenOptions::new().write(true).open(path).expect("it is ours");
    file.set_len(1_000).expect("cut");
}

pub(super) fn scenes() -> Vec<Scene> {
    let get = || does(|files| drop(files.get(&name(1)).expect("it is readable")));
    let bytes = || does(|files| drop(files.get_bytes(&name(1)).expect("it is readable")));
    vec![
        scene("get: the first time", &[1], World::furnish, get()),
        scene(
            "get: a file that was left alone for a while",
            &[1],
            |world| {
                world.furnish();
                world.settle(1);
            },
            get(),
        ),
        scene("get: a damaged file", &[1], |world| damaged(world, flip), get()),
        scene(
            "get_bytes: a missing file",
            &[1],
            |world| {
                damaged(world, |path| std::fs::remove_file(path).expect("it is there"));
            },
            bytes(),
        ),
        scene(
            "get_bytes: a file that was cut",
            &[1],
            |world| {
                damaged(world, cut);
            },
            bytes(),
        ),
        scene(
            "verify: a damaged file",
            &[1],
            |world| damaged(world, flip),
            does(|files| files.verify(|_| ()).expect("it is readable")),
        ),
        scene(
            "open: a small value",
            &[10],
            World::furnish,
            does(|files| {
                drop(files.open(&name(10)).expect("it is readable"));
            }),
        ),
    ]
}
