//! The world of a model: a segment of a few pages, with one or two processes attached.

use std::sync::Arc;
use std::sync::atomic::AtomicU64 as ManualMs;

use guira_shm::clock::Clock;
use guira_shm::lock::LockTable;
use guira_shm::region::Region;

use crate::attach::AttachmentSlot;
use crate::clock::SegmentClock;
use crate::format::{declare_in_use, format_segment, read_clock_offset};
use crate::layout::geometry::{Counts, Geometry};
use crate::layout::superblock::Superblock;
use crate::memory::Memory;
use crate::segment::Segment;
use crate::shared::Shared;

/// How large the world is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) buckets: u64,
    pub(super) blocks: u64,
    pub(super) generation_bits: u64,
}

/// One bucket, so that every key's pair is that bucket.
pub(super) const ONE_BUCKET: Size = Size {
    buckets: 1,
    blocks: 4,
    generation_bits: 3,
};

/// Two buckets, between which entries move.
pub(super) const TWO_BUCKETS: Size = Size {
    buckets: 2,
    ..ONE_BUCKET
};

/// A formatted world without processes.
#[derive(Debug)]
pub(super) struct World {
    region: Region,
    superblock: Superblock,
    clock: Clock,
    locks: Arc<LockTable>,
}

impl World {
    pub(super) fn new(size: Size) -> Self {
        let counts = Counts {
            block_bytes: 1024,
            blocks: size.blocks,
            buckets: size.buckets,
            records: 3,
            lines: 8,
            admission_lanes: 1,
            class_lanes: 1,
            classes: 1,
            move_counters: 1,
            key_stamps: 1,
            tag_stamps: 1,
            namespaces: 1,
            ghost_lines: 1,
            flights: 2,
            sweep_ranges: 2,
            journal_records: 1,
            generation_bits: size.generation_bits,
        };
        let geometry = Geometry::checked(&counts, 128 << 10).expect("a small geometry");
        let superblock = Superblock {
            id: 1,
            hash_seed: 1,
            options: 0,
            created_ms: 1,
            geometry,
        };
        let clock = Clock::manual(Arc::new(ManualMs::new(10_000)));
        let region = Region::heap(geometry.total_bytes);
        format_segment(&region, &superblock, &clock, 1);
        declare_in_use(&region);
        Self {
            region,
            superblock,
            clock,
            locks: Arc::default(),
        }
    }

    /// A process that has the segment to itself.
    pub(super) fn alone(&self) -> Segment {
        self.attached(Memory::private(self.region.clone()))
    }

    /// Another process, with a record and a byte lock of its own.
    pub(super) fn process(&self) -> Segment {
        self.attached(Memory::of_model(self.region.clone(), Arc::clone(&self.locks)))
    }

    fn attached(&self, memory: Memory) -> Segment {
        let shared = Shared {
            geometry: self.superblock.geometry,
            superblock: self.superblock,
            clock: SegmentClock::new(self.clock.clone(), read_clock_offset(memory.region())),
            memory,
            attachment: AttachmentSlot::new().expect("a page that fork wipes"),
            verify_values: false,
        };
        shared.attach().expect("a free record");
        Segment {
            shared: Arc::new(shared),
            namespace: 0,
        }
    }
}
