//! The world of a model: a segment of a few pages, with one or two processes attached.

use std::sync::Arc;
use std::sync::atomic::AtomicU64 as ManualMs; // process-private

use guira_shm::clock::Clock;
use guira_shm::lock::LockTable;
use guira_shm::region::Region;

use crate::Expiry;
use crate::attach::AttachmentSlot;
use crate::clock::SegmentClock;
use crate::format::{declare_in_use, format_segment, read_clock_offset};
use crate::layout::block::BlockState;
use crate::layout::geometry::{Counts, Geometry};
use crate::layout::superblock::Superblock;
use crate::log::survey::DrainMode;
use crate::memory::Memory;
use crate::segment::Segment;
use crate::shared::Shared;

/// How large the world is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) buckets: u64,
    pub(super) blocks: u64,
    pub(super) generation_bits: u64,
    /// Of a cluster, with a journal of one record.
    pub(super) is_clustered: bool,
}

/// One bucket, so that every key's pair is that bucket.
pub(super) const ONE_BUCKET: Size = Size {
    buckets: 1,
    blocks: 4,
    generation_bits: 3,
    is_clustered: false,
};

/// The same, of a cluster.
pub(super) const CLUSTERED: Size = Size {
    is_clustered: true,
    ..ONE_BUCKET
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
    clock_ms: Arc<ManualMs>,
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
            lease_slots: size.is_clustered.into(),
        };
        let geometry = Geometry::checked(&counts, 128 << 10).expect("a small geometry");
        let superblock = Superblock {
            id: 1,
            hash_seed: 1,
            options: 0,
            created_ms: 1,
            cluster: size.is_clustered.into(),
            geometry,
        };
        let clock_ms = Arc::new(ManualMs::new(10_000));
        let clock = Clock::manual(Arc::clone(&clock_ms));
        let region = Region::heap(geometry.total_bytes);
        format_segment(&region, &superblock, &clock, 1);
        declare_in_use(&region);
        Self {
            region,
            superblock,
            clock,
            clock_ms,
            locks: Arc::default(),
        }
    }

    /// A process that has the segment to itself.
    pub(super) fn alone(&self) -> Segment {
        self.attached(Memory::private(self.region.clone()))
    }

    /// As `alone`, and the milliseconds that its clock shows.
    pub(super) fn alone_with_clock(&self) -> (Segment, Arc<ManualMs>) {
        (self.alone(), Arc::clone(&self.clock_ms))
    }

    /// Another process, with a record and a byte lock of its own.
    pub(super) fn process(&self) -> Segment {
        self.attached(Memory::of_model(self.region.clone(), Arc::clone(&self.locks)))
    }

    /// What the kernel does when the process is dead: its byte lock is free. The model may do so while
    /// others run.
    pub(super) fn undertaker(&self, process: &Segment) -> impl FnOnce() + Send + use<> {
        let descriptor = process.shared.attachment.lock_descriptor();
        let locks = Arc::clone(&self.locks);
        move || locks.release(descriptor)
    }

    /// A forked child of `parent` that has not used the segment yet.
    pub(super) fn child_of(&self, parent: &Segment) -> Segment {
        let memory = Memory::of_model(self.region.clone(), Arc::clone(&self.locks));
        Segment::new(
            Arc::new(self.shared(memory, parent.shared.attachment.inherited())),
            0,
        )
    }

    fn shared(&self, memory: Memory, attachment: AttachmentSlot) -> Shared {
        let clock = SegmentClock::new(self.clock.clone(), read_clock_offset(memory.region()));
        Shared::new(memory, self.superblock, clock, attachment, false)
    }

    fn attached(&self, memory: Memory) -> Segment {
        let attachment = AttachmentSlot::new().expect("a page that fork wipes");
        let shared = self.shared(memory, attachment);
        shared.attach().expect("a free record");
        Segment::new(Arc::new(shared), 0)
    }
}

/// A key of the wanted pair of buckets: the `nth` of them, each with another tag.
pub(super) fn key_of(segment: &Segment, primary: usize, partner: usize, nth: usize) -> Vec<u8> {
    (0_u32..)
        .map(|number| format!("k{number}").into_bytes())
        .filter(|name| {
            let pair = segment.key(name).pair;
            (pair.primary, pair.partner) == (primary, partner)
        })
        .nth(nth)
        .expect("there is no end of names")
}

/// The value that a read gives.
pub(super) fn read(segment: &Segment, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    segment.get_into(key, &mut value).then_some(value)
}

/// What a thread of a model has to say of a read or a write; nothing where that is no matter.
pub(super) type Said = Option<Vec<u8>>;

/// A thread of the segment's process.
pub(super) fn thread(
    segment: &Segment,
    act: impl FnOnce(&Segment) -> Said + Send + 'static,
) -> Box<dyn FnOnce() -> Said + Send> {
    let segment = segment.clone();
    Box::new(move || act(&segment))
}

/// A thread that puts `value`.
pub(super) fn putting(
    segment: &Segment,
    key: &[u8],
    value: &'static [u8],
) -> Box<dyn FnOnce() -> Said + Send> {
    let key = key.to_vec();
    thread(segment, move |segment| {
        segment.put(&key, value, Expiry::never()).expect("there is room");
        None
    })
}

/// A thread that reads.
pub(super) fn reading(segment: &Segment, key: &[u8]) -> Box<dyn FnOnce() -> Said + Send> {
    let key = key.to_vec();
    thread(segment, move |segment| read(segment, &key))
}

/// A thread that invalidates the key.
pub(super) fn invalidating(segment: &Segment, key: &[u8]) -> Box<dyn FnOnce() -> Said + Send> {
    let key = key.to_vec();
    thread(segment, move |segment| {
        segment.invalidate(&key);
        None
    })
}

/// Seals the block that `key`'s entry lies in, if it is open, and says which it is.
pub(super) fn seal_block_of(segment: &Segment, key: &[u8]) -> u32 {
    let block = segment.metadata(key).expect("the key is there").block;
    let shared = &segment.shared;
    let word = shared.block(block);
    if word.state() == BlockState::Open {
        assert!(shared.seal_block(block, word));
    }
    block
}

/// Drains a sealed block: what was read moves, and the block is retired and freed if nothing pins it.
pub(super) fn drain(segment: &Segment, block: u32) {
    drain_as(segment, block, DrainMode::EvictMain);
}

/// The same, and everything moves.
pub(super) fn compact(segment: &Segment, block: u32) {
    drain_as(segment, block, DrainMode::Compact);
}

fn drain_as(segment: &Segment, block: u32, mode: DrainMode) {
    let shared = &segment.shared;
    let thread = shared.thread().expect("an attached process");
    let word = shared.block(block);
    if word.state() == BlockState::Sealed {
        shared.drain_block(&thread, block, word, mode);
    }
}

/// The world is as `verify` wants it: no key twice, no leaked block, no pin left.
pub(super) fn assert_sound(segment: &Segment) {
    let verified = segment.verify();
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
}
