//! Scenes of values that are streams and files.

use std::io::Read;

use guira_files::{FilesError, TakeFile};
use guira_segment::Expiry;

use super::{Actor, Scene, is_put, scene};
use crate::world::{ACTED, Key, LARGE_BYTES, World, name, value};

pub(super) fn scenes() -> Vec<Scene> {
    let never = usize::MAX;
    vec![
        scene(
            "put_stream: grows",
            &[50],
            World::fill_up,
            streams(50, 1_000_000, never),
        )
        .evicting(),
        scene(
            "put_stream: over a file",
            &[1],
            World::furnish,
            streams(1, 300_000, never),
        ),
        scene(
            "put_stream: its source breaks",
            &[1],
            World::fill_up,
            streams(1, 800_000, 500_000),
        )
        .evicting(),
        scene(
            "put_stream: too large",
            &[1],
            World::fill_up,
            streams(1, 2_000_000, never),
        )
        .evicting(),
        scene(
            "put_file: copied",
            &[1],
            World::furnish,
            takes(1, LARGE_BYTES, TakeFile::Copy),
        ),
        scene(
            "put_file: shared",
            &[1],
            World::furnish,
            takes(1, LARGE_BYTES, TakeFile::Share),
        ),
        scene(
            "put_file: linked",
            &[1],
            World::furnish,
            takes(1, LARGE_BYTES, TakeFile::Link),
        ),
        scene(
            "put_file: linked, evicts",
            &[50],
            World::fill_up,
            takes(50, 3 * LARGE_BYTES, TakeFile::Link),
        )
        .evicting(),
        scene("put_file: not to be linked", &[50], World::fill_up, |actor| {
            // A file without a name may not get one by a hard link of another.
            let source = actor.world.source(50, LARGE_BYTES);
            std::fs::remove_file(actor.world.outside("source")).expect("it is there");
            is_put(
                actor
                    .handle()
                    .put_file(&name(50), &source, TakeFile::Link, Expiry::never()),
            )
        })
        .evicting(),
    ]
}

/// Gives a value; at `fails_at` it fails, if it comes so far.
#[derive(Debug)]
struct Pieces {
    bytes: Vec<u8>,
    position: usize,
    fails_at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.position >= self.fails_at {
            return Err(std::io::Error::other("the source broke"));
        }
        let left = self.bytes.get(self.position..).unwrap_or_default();
        let length = left.len().min(buffer.len());
        buffer[..length].copy_from_slice(&left[..length]);
        self.position += length;
        Ok(length)
    }
}

fn streams(key: Key, bytes: usize, fails_at: usize) -> impl Fn(&mut Actor<'_>) -> Result<(), String> {
    move |actor| {
        let source = Pieces {
            bytes: value(key, ACTED, bytes),
            position: 0,
            fails_at,
        };
        match actor.handle().put_stream(&name(key), source, Expiry::never()) {
            Err(FilesError::Source { .. }) if fails_at < bytes => Ok(()),
            Err(FilesError::ValueTooLarge { .. }) if bytes > 1_300_000 => Ok(()),
            other => is_put(other),
        }
    }
}

fn takes(key: Key, bytes: usize, take: TakeFile) -> impl Fn(&mut Actor<'_>) -> Result<(), String> {
    move |actor| {
        let source = actor.world.source(key, bytes);
        is_put(
            actor
                .handle()
                .put_file(&name(key), &source, take, Expiry::never()),
        )
    }
}
