//! The segments that sequences run on: large and tiny, on a file and on private memory.

use std::path::Path;
use std::sync::Arc;

use guira_segment::{Clock, OpenError, Segment, SegmentBuilder};
use std::sync::atomic::AtomicU64;

use super::names::{SPACES, space_name};
use super::telling::{CLUSTER, JOURNAL_RECORDS};
use crate::random::Random;

/// What a segment is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Entries that the index is made for.
    pub index_entries: u64,
    /// Bits of a generation that are compared.
    pub generation_bits: u64,
    /// Values carry checks.
    pub checked_values: bool,
    /// Every read compares them.
    pub verify_values: bool,
    /// On a file, opened twice, and again in between.
    pub on_file: bool,
    /// Of a cluster, with a short journal.
    pub is_clustered: bool,
    /// Nothing that is stored fits for ever: any entry may be dropped at any time.
    pub may_evict: bool,
}

/// The handles of one opening, by namespace.
pub(super) type Handles = Vec<Segment>;

impl World {
    /// A world in which nothing is ever dropped.
    #[must_use]
    pub const fn large() -> Self {
        Self {
            block_bytes: 65_536,
            blocks: 64,
            index_entries: 600,
            generation_bits: 12,
            checked_values: false,
            verify_values: false,
            on_file: false,
            is_clustered: false,
            may_evict: false,
        }
    }

    /// A world of a few pages, where every generation wraps.
    #[must_use]
    pub const fn tiny() -> Self {
        Self {
            block_bytes: 4096,
            blocks: 12,
            index_entries: 40,
            generation_bits: 3,
            may_evict: true,
            ..Self::large()
        }
    }

    /// One of all.
    #[must_use]
    pub fn random(random: &mut Random) -> Self {
        let mut world = match random.below(8) {
            0 => Self {
                block_bytes: 1024,
                blocks: 5,
                index_entries: 16,
                ..Self::tiny()
            },
            1 => Self {
                block_bytes: 1024,
                blocks: 64,
                index_entries: 200,
                ..Self::tiny()
            },
            2..4 => Self::tiny(),
            _ => Self::large(),
        };
        world.generation_bits = [2, 3, 3, 12][random.below(4) as usize];
        world.checked_values = random.one_in(2);
        world.verify_values = random.one_in(2);
        world.on_file = random.one_in(20);
        world.is_clustered = random.one_in(3);
        world
    }

    /// Longest value, before the key and the tags are counted.
    pub(super) fn max_entry_bytes(&self) -> usize {
        (self.blocks / 4).max(1) as usize * self.block_bytes as usize
    }

    /// The largest entry that shares its block.
    pub(super) const fn max_shared_entry_bytes(&self) -> usize {
        self.block_bytes as usize / 2
    }

    fn builder(&self, clock: &Arc<AtomicU64>) -> SegmentBuilder {
        let mut builder = Segment::builder();
        if self.is_clustered {
            builder = builder.cluster(CLUSTER).journal_records(JOURNAL_RECORDS);
        }
        builder
            .clock(Clock::manual(Arc::clone(clock)))
            .size(1 << 40)
            .exact_blocks(self.block_bytes, self.blocks)
            .index_entries(self.index_entries)
            .generation_bits(self.generation_bits)
            .max_threads(8)
            .max_processes(4)
            .mode(0o660)
            .allow_group(true)
            .checked_values(self.checked_values)
            .verify_values(self.verify_values)
            .outlive_truncation(self.checked_values)
    }

    /// Makes the segment, or opens the one at `path` again.
    ///
    /// # Panics
    ///
    /// When it cannot be made or opened.
    pub(super) fn open(&self, path: Option<&Path>, clock: &Arc<AtomicU64>, is_new: bool) -> Vec<Handles> {
        let builder = self.builder(clock);
        let Some(path) = path else {
            let segment = builder.private().expect("a segment on private memory");
            let clone = segment.clone();
            return vec![by_space(segment), by_space(clone)];
        };
        let first = if is_new {
            builder.create(path)
        } else {
            builder.clone().populate(true).open_or_create(path)
        };
        let first = first.expect("a segment on a file");
        assert!(
            matches!(builder.create(path), Err(OpenError::File(_))),
            "what exists was overwritten"
        );
        let second = builder.verify_values(true).salvage(true).huge_pages(true);
        let second = second.open(path).expect("a second opening of the file");
        assert_eq!([first.path(), second.path()], [path, path]);
        vec![by_space(first), by_space(second)]
    }
}

/// The segment through each of its namespaces.
fn by_space(segment: Segment) -> Handles {
    let mut handles: Handles = (1..SPACES)
        .map(|space| {
            let name = space_name(space).expect("only the first has no name");
            segment.namespace(name).expect("a free row")
        })
        .collect();
    handles.insert(0, segment);
    handles
}
