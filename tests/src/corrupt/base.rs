//! The images that damage begins with: small segments that hold everything a segment can hold, some of
//! it left behind by processes that are gone.

use std::path::Path;

use guira_segment::{OpenError, Part, Segment, SegmentBuilder};

use super::Trust;
use super::caller::Caller;

/// A segment's bytes, and where its parts lie.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
    pub(super) is_checked: bool,
}

/// The second namespace of the callers.
pub(super) const SECOND: &str = "second";

/// What a base is like.
struct Shape {
    block_bytes: u64,
    blocks: u64,
    is_checked: bool,
    generation_bits: u64,
    operations: u64,
}

const SHAPES: [Shape; 6] = [
    Shape::new(16384, 64, true, 12, 6_000),
    Shape::new(8192, 64, true, 12, 20_000),
    Shape::new(16384, 64, false, 12, 6_000),
    // Full of dead space and forwards; generations wrap.
    Shape::new(4096, 64, true, 3, 60_000),
    // Nearly empty.
    Shape::new(16384, 32, true, 12, 60),
    Shape::new(8192, 128, false, 4, 40_000),
];

impl Shape {
    const fn new(
        block_bytes: u64,
        blocks: u64,
        is_checked: bool,
        generation_bits: u64,
        operations: u64,
    ) -> Self {
        Self {
            block_bytes,
            blocks,
            is_checked,
            generation_bits,
            operations,
        }
    }

    fn builder(&self) -> SegmentBuilder {
        Segment::builder()
            .exact_blocks(self.block_bytes, self.blocks)
            .generation_bits(self.generation_bits)
            .checked_values(self.is_checked)
            .max_processes(12)
            .max_threads(24)
    }
}

/// Makes every base, in files of `directory` that are gone afterwards.
pub(super) fn make_all(directory: &Path) -> Result<Vec<Base>, OpenError> {
    let path = directory.join("base.guira");
    let mut bases = Vec::new();
    for shape in &SHAPES {
        let segment = shape.builder().create(&path)?;
        let second = segment.namespace(SECOND).unwrap_or_else(|_| segment.clone());
        let mut caller = Caller::new([&segment, &second], shape.operations, Trust::Full);
        caller.run(shape.operations);
        // Read while it is attached and holds guards: the copy has a process that is gone.
        let bytes = std::fs::read(&path).map_err(|source| OpenError::System {
            path: path.clone(),
            action: "reading a base",
            source,
        })?;
        bases.push(Base {
            bytes,
            parts: segment.parts(),
            is_checked: shape.is_checked,
        });
        drop(caller);
        drop((segment, second));
        let _ = std::fs::remove_file(&path);
    }
    Ok(bases)
}
