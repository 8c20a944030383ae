//! Scenes in which somebody died before, and somebody finds that.

use std::io::Read;

use guira_segment::Expiry;
use guira_shm::point::{self, Action};
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};

use super::{Scene, does, is_put, opens, puts, scene};
use crate::victim::{Fate, Task, Victim};
use crate::world::{ACTED, LARGE_BYTES, World, name, value};

/// Scenes in which somebody died at point number `at` of `first`, and somebody else finds that.
pub(crate) fn after_death(first: fn() -> Scene, at: usize) -> Vec<Scene> {
    let prepare = move |world: &mut World| {
        let first = first();
        (first.prepare)(world);
        let fate = Victim::start(&first, world, Task::Act(Action::Kill, at)).wait();
        assert!(matches!(fate, Fate::Killed(_)), "{}: {fate:?}", first.name);
        let mut beliefs = world.beliefs.borrow_mut();
        // What its operation was about may have happened.
        for key in &first.keys {
            beliefs.admit(*key, Some(ACTED));
            beliefs.admit(*key, None);
        }
        if first.evicts {
            beliefs.admit_misses();
        }
    };
    let dead = first();
    let named = |what: &str| format!("{what} after a death in `{}` at {at}", dead.name);
    vec![
        scene(named("open"), &dead.keys, prepare, opens).evicting(),
        scene(named("sweep"), &dead.keys, prepare, |actor| {
            // The handle of before: nobody was met by opening.
            let files = actor.world.prepared();
            assert!(!files.contains(b"nobody's"));
            actor.begin();
            files
                .sweep()
                .map(drop)
                .map_err(|error| format!("a sweep failed: {error}"))
        })
        .evicting(),
        scene(named("put"), &[60], prepare, |actor| {
            let files = actor.world.prepared();
            assert!(!files.contains(b"nobody's"));
            actor.begin();
            is_put(files.put(&name(60), &value(60, ACTED, 13 * LARGE_BYTES), Expiry::never()))
        })
        .evicting(),
    ]
}

/// Somebody holds nearly all the room and dies: who has a row already, and needs the room, has to find that out.
pub(super) fn held_by_the_dead() -> Scene {
    scene("put: the dead have the room", &[60], World::fill_up, |actor| {
        let files = actor.world.open().expect("the directory opens");
        assert!(!files.contains(b"nobody's"));
        let mut child = point::fork(|| {
            let deadly = Deadly {
                left_bytes: 12 * LARGE_BYTES,
            };
            let put = files.put_stream(&name(50), deadly, Expiry::never());
            panic!("its source kills it, and it came to {put:?}");
        })
        .expect("a process can be made");
        let status = waitpid(child.pid(), None);
        child.was_reaped();
        assert!(matches!(status, Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _))));
        actor.begin();
        is_put(files.put(&name(60), &value(60, ACTED, 13 * LARGE_BYTES), Expiry::never()))
    })
    .evicting()
}

/// Gives so many bytes, then kills its reader.
#[derive(Debug)]
struct Deadly {
    left_bytes: usize,
}

impl Read for Deadly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left_bytes == 0 {
            raise(Signal::SIGKILL)?;
        }
        let length = buffer.len().min(self.left_bytes);
        self.left_bytes -= length;
        Ok(length)
    }
}

/// The operations that somebody may have died in.
pub(crate) const DEADLY: [fn() -> Scene; 4] = [
    || scene("put: evicts one", &[50], World::fill_up, puts(50, LARGE_BYTES)).evicting(),
    || {
        scene(
            "put: a file, over a file",
            &[1],
            World::furnish,
            puts(1, LARGE_BYTES),
        )
    },
    || {
        scene(
            "put: needs all the room",
            &[50],
            World::fill_up,
            puts(50, 13 * LARGE_BYTES),
        )
        .evicting()
    },
    || {
        scene(
            "invalidate",
            &[1],
            World::furnish,
            does(|files| files.invalidate(&name(1))),
        )
    },
];
