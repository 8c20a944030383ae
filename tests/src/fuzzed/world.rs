//! Small segments full of everything, made once: what is changed by the bytes of a fuzzer.

use std::sync::OnceLock;

use guira_segment::{Part, Segment};

use crate::corrupt::{Caller, Trust};

/// An image, and where its parts lie.
#[derive(Debug)]
pub(super) struct World {
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
}

/// Block bytes, blocks, whether values are checked, bits of a generation, operations.
const SHAPES: [(u64, u64, bool, u64, u64); 4] = [
    (1024, 64, true, 12, 3_000),
    (2048, 32, true, 3, 20_000),
    (1024, 16, false, 12, 500),
    (4096, 16, true, 12, 40),
];

/// Every world. The same for every process: it takes a file in memory, and only at first.
pub(super) fn worlds() -> &'static [World] {
    static WORLDS: OnceLock<Vec<World>> = OnceLock::new();
    WORLDS.get_or_init(|| SHAPES.iter().map(make).collect())
}

fn make(
    &(block_bytes, blocks, is_checked, generation_bits, operations): &(u64, u64, bool, u64, u64),
) -> World {
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let path = directory.path().join("world.guira");
    let segment = Segment::builder()
        .exact_blocks(block_bytes, blocks)
        .checked_values(is_checked)
        .generation_bits(generation_bits)
        .max_processes(4)
        .max_threads(6)
        .create(&path)
        .expect("a small segment");
    let second = segment.namespace("second").expect("a free row");
    let mut caller = Caller::new([&segment, &second], operations, Trust::Full);
    caller.run(operations);
    World {
        bytes: std::fs::read(&path).expect("just made"),
        parts: segment.parts(),
    }
}
