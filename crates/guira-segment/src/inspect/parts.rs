//! The parts of a segment and where they lie, for whoever damages one on purpose.

use crate::layout::block::{BLOCK_META_BYTES, BLOCK_WORD_BYTES};
use crate::layout::coherence::{BROKER_BYTES, BROKERS, COHERENCE_COUNTERS, LEASE_BYTES};
use crate::layout::control::{CONTROL_BYTES, CONTROL_OFFSET};
use crate::layout::flight::FLIGHT_BYTES;
use crate::layout::geometry::{Geometry, LANE_BYTES};
use crate::layout::journal::JOURNAL_RECORD_BYTES;
use crate::layout::namespace::NAMESPACE_BYTES;
use crate::layout::record::{LINE_BYTES, RECORD_BYTES};
use crate::layout::slot::BUCKET_BYTES;
use crate::layout::stamp::{GHOST_LINE_BYTES, STAMP_BYTES, SWEEP_RANGE_BYTES};
use crate::layout::superblock::SUPERBLOCK_BYTES;
use crate::segment::Segment;

/// One part: items of equal size, one behind the other.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// As the layout's document calls it.
    pub name: &'static str,
    /// Where it begins, in bytes from the start of the file.
    pub offset_bytes: usize,
    /// Bytes of an item.
    pub item_bytes: usize,
    /// Items.
    pub items: usize,
}

impl Part {
    /// Bytes of all its items.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.item_bytes * self.items
    }
}

impl Segment {
    /// Every part that this segment has, in the order in which they lie.
    #[doc(hidden)]
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        parts_of(&self.shared.geometry)
    }
}

fn parts_of(geometry: &Geometry) -> Vec<Part> {
    let counts = &geometry.counts;
    let (brokers, counters) = if counts.lease_slots == 0 {
        (0, 0)
    } else {
        (BROKERS as u64, COHERENCE_COUNTERS as u64)
    };
    let lanes = counts.admission_lanes + counts.class_lanes * counts.classes;
    [
        ("superblock", 0, SUPERBLOCK_BYTES, 1),
        ("control", CONTROL_OFFSET, 8, CONTROL_BYTES as u64 / 8),
        ("records", geometry.records, RECORD_BYTES, counts.records),
        ("lines", geometry.lines, LINE_BYTES, counts.lines),
        ("lanes", geometry.lanes, LANE_BYTES, lanes),
        (
            "block words",
            geometry.block_words,
            BLOCK_WORD_BYTES,
            counts.blocks,
        ),
        (
            "block metadata",
            geometry.block_meta,
            BLOCK_META_BYTES,
            counts.blocks,
        ),
        (
            "move counters",
            geometry.move_counters,
            STAMP_BYTES,
            counts.move_counters,
        ),
        ("key stamps", geometry.key_stamps, STAMP_BYTES, counts.key_stamps),
        ("tag stamps", geometry.tag_stamps, STAMP_BYTES, counts.tag_stamps),
        (
            "namespaces",
            geometry.namespaces,
            NAMESPACE_BYTES,
            counts.namespaces,
        ),
        (
            "sweep ranges",
            geometry.sweep_ranges,
            SWEEP_RANGE_BYTES,
            counts.sweep_ranges,
        ),
        ("ghosts", geometry.ghosts, GHOST_LINE_BYTES, counts.ghost_lines),
        ("flights", geometry.flights, FLIGHT_BYTES, counts.flights),
        (
            "journal",
            geometry.journal,
            JOURNAL_RECORD_BYTES,
            counts.journal_records,
        ),
        ("brokers", geometry.brokers, BROKER_BYTES, brokers),
        ("leases", geometry.leases, LEASE_BYTES, counts.lease_slots),
        ("coherence counters", geometry.coherence_counters, 8, counters),
        ("index", geometry.index, BUCKET_BYTES, counts.buckets),
        ("arena", geometry.arena, geometry.block_bytes, counts.blocks),
    ]
    .into_iter()
    .filter(|(.., items)| *items > 0)
    .map(|(name, offset_bytes, item_bytes, items)| Part {
        name,
        offset_bytes,
        item_bytes,
        items: items as usize,
    })
    .collect()
}
