//! Where each region of a segment lies: computed from eighteen counts, kept in private memory.
//!
//! The file holds counts, not offsets (but the arena's, as a cross-check): offsets are computed by
//! the same function at creation and at open, so a file cannot name overlapping regions. Offsets
//! and counts are copied out of the superblock once and never read from shared memory again.

use super::block::{BLOCK_META_BYTES, BLOCK_WORD_BYTES};
use super::coherence::{BROKER_BYTES, BROKERS, COHERENCE_COUNTERS, LEASE_BYTES};
use super::control::{CONTROL_BYTES, CONTROL_OFFSET};
use super::flight::FLIGHT_BYTES;
use super::journal::JOURNAL_RECORD_BYTES;
use super::namespace::NAMESPACE_BYTES;
use super::record::{LINE_BYTES, RECORD_BYTES};
use super::slot::{BUCKET_BYTES, BUCKET_SLOTS, LOCATION_BITS, LOCATION_UNIT};
use super::stamp::{GHOST_LINE_BYTES, STAMP_BYTES, SWEEP_RANGE_BYTES};

/// layout: bytes of a shared lane
pub(crate) const LANE_BYTES: usize = 64;
/// layout: regions of a segment below this size begin on pages of 4096 bytes
pub(crate) const HUGE_PAGES_FROM_BYTES: usize = 268435456;
/// layout: smallest size of a segment made by size
pub(crate) const MIN_SEGMENT_BYTES: usize = 8388608;
/// layout: largest size of a segment, what locations can name
pub(crate) const MAX_SEGMENT_BYTES: usize = 1099511627776;

const PAGE_BYTES: usize = 4096;
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Lease slots of a new segment of a cluster.
const LEASE_SLOTS: u64 = 512;

/// The numbers that determine a segment's layout; all are in the superblock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) block_bytes: u64,
    pub(crate) blocks: u64,
    pub(crate) buckets: u64,
    pub(crate) records: u64,
    pub(crate) lines: u64,
    pub(crate) admission_lanes: u64,
    pub(crate) class_lanes: u64,
    pub(crate) classes: u64,
    pub(crate) move_counters: u64,
    pub(crate) key_stamps: u64,
    pub(crate) tag_stamps: u64,
    pub(crate) namespaces: u64,
    pub(crate) ghost_lines: u64,
    pub(crate) flights: u64,
    pub(crate) sweep_ranges: u64,
    pub(crate) journal_records: u64,
    pub(crate) generation_bits: u64,
    /// None in a segment of no cluster.
    pub(crate) lease_slots: u64,
}

/// Counts, and the offset in bytes at which each region begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Geometry {
    pub(crate) counts: Counts,
    pub(crate) total_bytes: usize,
    pub(crate) block_bytes: usize,
    pub(crate) block_shift: u32,
    /// The generation bits that slots and state words carry.
    generation_mask: u32,
    pub(crate) records: usize,
    pub(crate) lines: usize,
    pub(crate) lanes: usize,
    pub(crate) block_words: usize,
    pub(crate) block_meta: usize,
    pub(crate) move_counters: usize,
    pub(crate) key_stamps: usize,
    pub(crate) tag_stamps: usize,
    pub(crate) namespaces: usize,
    pub(crate) sweep_ranges: usize,
    pub(crate) ghosts: usize,
    pub(crate) flights: usize,
    pub(crate) journal: usize,
    pub(crate) brokers: usize,
    pub(crate) leases: usize,
    pub(crate) coherence_counters: usize,
    pub(crate) index: usize,
    pub(crate) arena: usize,
}

/// What the creator asks for; everything else follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    pub(crate) size_bytes: u64,
    /// Entries the index is made for; by default what fits at 160 bytes each.
    pub(crate) index_entries: Option<u64>,
    /// Attach records; by default one for each 64 KiB, at least 64, at most 2,048.
    pub(crate) processes: Option<u64>,
    /// Thread lines; by default one for each 64 KiB, at least 128, at most 8,192.
    pub(crate) threads: Option<u64>,
    /// Block size and count, instead of `size_bytes`: for experiments with small worlds.
    pub(crate) blocks: Option<(u64, u64)>,
    /// 12, or fewer to see generations wrap.
    pub(crate) generation_bits: u64,
    /// Records of the journal, rounded up to a power of two; by default one for each 4 KiB.
    pub(crate) journal_records: Option<u64>,
    /// Of a cluster, and so with what its agent and brokers need.
    pub(crate) is_clustered: bool,
}

impl Geometry {
    /// The layout for a wish, or what is wrong with it.
    pub(crate) fn plan(wish: &Wish) -> Result<Self, &'static str> {
        if let Some((block_bytes, blocks)) = wish.blocks {
            return Self::plan_exact(wish, block_bytes, blocks);
        }
        let size = wish.size_bytes;
        if size < MIN_SEGMENT_BYTES as u64 || size > MAX_SEGMENT_BYTES as u64 {
            return Err("size");
        }
        let block_bytes = (size / 512).next_power_of_two().clamp(64 << 10, 4 << 20);
        // The arena takes what the other regions leave: start from a generous guess and let the
        // number of blocks shrink until everything fits.
        let mut blocks = size / block_bytes;
        loop {
            let counts = Self::counts(wish, size, block_bytes, blocks);
            match Self::checked(&counts, size) {
                Ok(geometry) => return Ok(geometry),
                Err("total size") if blocks > 64 => blocks -= (blocks / 512).max(1),
                Err(field) => return Err(field),
            }
        }
    }

    fn plan_exact(wish: &Wish, block_bytes: u64, blocks: u64) -> Result<Self, &'static str> {
        let arena = block_bytes.checked_mul(blocks).ok_or("blocks")?;
        let counts = Self::counts(wish, arena, block_bytes, blocks);
        if arena > MAX_SEGMENT_BYTES as u64 {
            return Err("blocks");
        }
        let mut total = arena;
        loop {
            match Self::checked(&counts, total) {
                Ok(geometry) => return Ok(geometry),
                Err("total size") if total < MAX_SEGMENT_BYTES as u64 => total += 64 << 10,
                Err(field) => return Err(field),
            }
        }
    }

    fn counts(wish: &Wish, size: u64, block_bytes: u64, blocks: u64) -> Counts {
        let arena = block_bytes.saturating_mul(blocks);
        let entries = wish.index_entries.unwrap_or(arena / 160).max(8);
        let buckets = (entries.saturating_mul(5) / 4)
            .div_ceil(BUCKET_SLOTS as u64)
            .max(1);
        Counts {
            block_bytes,
            blocks,
            buckets,
            records: wish.processes.unwrap_or((size >> 16).clamp(64, 2048)),
            lines: wish.threads.unwrap_or((size >> 16).clamp(128, 8192)),
            admission_lanes: (blocks / 64).clamp(1, 64),
            class_lanes: (blocks / 512).clamp(1, 4),
            classes: (blocks / 32).clamp(1, 16),
            move_counters: (buckets / 16).next_power_of_two().clamp(64, 4096),
            key_stamps: power_of_two_below(size >> 10).clamp(1 << 10, 1 << 20),
            tag_stamps: power_of_two_below(size >> 12).clamp(1 << 8, 1 << 16),
            namespaces: (size >> 17).clamp(64, 1024),
            ghost_lines: entries.div_ceil(16).max(1),
            flights: power_of_two_below(size >> 16).clamp(64, 1 << 14),
            sweep_ranges: buckets.div_ceil(1024).clamp(1, 4096),
            journal_records: wish.journal_records.map_or_else(
                || power_of_two_below(size >> 12).clamp(64, 1 << 20),
                |records| records.clamp(1, 1 << 31).next_power_of_two(),
            ),
            generation_bits: wish.generation_bits,
            lease_slots: if wish.is_clustered { LEASE_SLOTS } else { 0 },
        }
    }

    /// Bounds of each count, then offsets with overflow-checked arithmetic; `Err` names the field.
    pub(crate) fn checked(counts: &Counts, total_bytes: u64) -> Result<Self, &'static str> {
        let within = |value: u64, low: u64, high: u64, field: &'static str| {
            if value < low || value > high {
                Err(field)
            } else {
                usize::try_from(value).map_err(|_| field)
            }
        };
        let total_bytes = within(total_bytes, 64 << 10, MAX_SEGMENT_BYTES as u64, "total size")?;
        let block_bytes = within(counts.block_bytes, 1 << 10, 1 << 30, "block size")?;
        if !block_bytes.is_power_of_two() {
            return Err("block size");
        }
        for (value, field) in [
            (counts.move_counters, "move counters"),
            (counts.key_stamps, "key stamps"),
            (counts.tag_stamps, "tag stamps"),
            (counts.flights, "flight cells"),
            (counts.journal_records, "journal records"),
            (counts.lease_slots.max(1), "lease slots"),
        ] {
            if !value.is_power_of_two() {
                return Err(field);
            }
        }
        let blocks = within(counts.blocks, 4, 1 << 24, "blocks")?;
        let buckets = within(counts.buckets, 1, 1 << 40, "buckets")?;
        let records = within(counts.records, 1, 4094, "attach records")?;
        let lines = within(counts.lines, 2, 1 << 16, "thread lines")?;
        let admission_lanes = within(counts.admission_lanes, 1, 1 << 12, "admission lanes")?;
        let class_lanes = within(counts.class_lanes, 1, 64, "class lanes")?;
        let classes = within(counts.classes, 1, 63, "lifetime classes")?;
        let move_counters = within(counts.move_counters, 1, 1 << 24, "move counters")?;
        let key_stamps = within(counts.key_stamps, 1, 1 << 30, "key stamps")?;
        let tag_stamps = within(counts.tag_stamps, 1, 1 << 30, "tag stamps")?;
        let namespaces = within(counts.namespaces, 1, (1 << 16) - 1, "namespaces")?;
        let ghost_lines = within(counts.ghost_lines, 1, 1 << 40, "ghost lines")?;
        let flights = within(counts.flights, 2, 1 << 24, "flight cells")?;
        let sweep_ranges = within(counts.sweep_ranges, 1, 1 << 20, "sweep ranges")?;
        let journal_records = within(counts.journal_records, 1, 1 << 30, "journal records")?;
        within(counts.generation_bits, 2, 12, "generation bits")?;
        let lease_slots = within(counts.lease_slots, 0, 1 << 16, "lease slots")?;
        let (brokers, counters) = if lease_slots == 0 {
            (0, 0)
        } else {
            (BROKERS, COHERENCE_COUNTERS)
        };

        let align = if total_bytes >= HUGE_PAGES_FROM_BYTES {
            HUGE_PAGE_BYTES
        } else {
            PAGE_BYTES
        };
        let mut end = CONTROL_OFFSET + CONTROL_BYTES;
        let mut place = |count: usize, item_bytes: usize, align: usize| -> Result<usize, &'static str> {
            let begin = end.checked_next_multiple_of(align).ok_or("total size")?;
            let bytes = count.checked_mul(item_bytes).ok_or("total size")?;
            end = begin.checked_add(bytes).ok_or("total size")?;
            if end > total_bytes {
                Err("total size")
            } else {
                Ok(begin)
            }
        };
        Ok(Self {
            counts: *counts,
            total_bytes,
            block_bytes,
            block_shift: block_bytes.trailing_zeros(),
            generation_mask: (1 << counts.generation_bits) - 1,
            records: place(records, RECORD_BYTES, PAGE_BYTES)?,
            lines: place(lines, LINE_BYTES, PAGE_BYTES)?,
            lanes: place(admission_lanes + class_lanes * classes, LANE_BYTES, PAGE_BYTES)?,
            block_words: place(blocks, BLOCK_WORD_BYTES, PAGE_BYTES)?,
            block_meta: place(blocks, BLOCK_META_BYTES, PAGE_BYTES)?,
            move_counters: place(move_counters, STAMP_BYTES, PAGE_BYTES)?,
            key_stamps: place(key_stamps, STAMP_BYTES, PAGE_BYTES)?,
            tag_stamps: place(tag_stamps, STAMP_BYTES, PAGE_BYTES)?,
            namespaces: place(namespaces, NAMESPACE_BYTES, PAGE_BYTES)?,
            sweep_ranges: place(sweep_ranges, SWEEP_RANGE_BYTES, PAGE_BYTES)?,
            ghosts: place(ghost_lines, GHOST_LINE_BYTES, PAGE_BYTES)?,
            flights: place(flights, FLIGHT_BYTES, PAGE_BYTES)?,
            journal: place(journal_records, JOURNAL_RECORD_BYTES, PAGE_BYTES)?,
            brokers: place(brokers, BROKER_BYTES, PAGE_BYTES)?,
            leases: place(lease_slots, LEASE_BYTES, PAGE_BYTES)?,
            coherence_counters: place(counters, 8, PAGE_BYTES)?,
            index: place(buckets, BUCKET_BYTES, align)?,
            arena: place(blocks, block_bytes, align)?,
        })
        .and_then(|geometry| {
            let units = (geometry.total_bytes - 1) / LOCATION_UNIT;
            if units >> LOCATION_BITS == 0 {
                Ok(geometry)
            } else {
                Err("total size")
            }
        })
    }

    #[inline]
    pub(crate) const fn blocks(&self) -> u32 {
        self.counts.blocks as u32
    }

    /// Mask of the generation bits that slots and state words carry.
    #[inline]
    pub(crate) const fn generation_mask(&self) -> u32 {
        self.generation_mask
    }

    /// Slots of the whole index.
    #[inline]
    pub(crate) const fn slots(&self) -> usize {
        self.counts.buckets as usize * BUCKET_SLOTS
    }

    /// Offset of a block's first byte.
    #[inline]
    pub(crate) const fn block_offset(&self, block: u32) -> usize {
        self.arena + ((block as usize) << self.block_shift)
    }

    /// The block that holds `offset`, if the arena does.
    #[inline]
    pub(crate) const fn block_of(&self, offset: usize) -> Option<u32> {
        if offset < self.arena {
            return None;
        }
        let block = (offset - self.arena) >> self.block_shift;
        if block < self.counts.blocks as usize {
            Some(block as u32)
        } else {
            None
        }
    }

    /// The block that holds `offset`, and the bytes from there to the block's end.
    #[inline]
    pub(crate) const fn block_and_rest(&self, offset: usize) -> Option<(u32, usize)> {
        let within_arena = offset.wrapping_sub(self.arena);
        let block = within_arena >> self.block_shift;
        if block < self.counts.blocks as usize {
            Some((
                block as u32,
                self.block_bytes - (within_arena & (self.block_bytes - 1)),
            ))
        } else {
            None
        }
    }

    /// The largest entry that shares a block with others; larger ones take a run of blocks.
    #[inline]
    pub(crate) const fn max_shared_entry_bytes(&self) -> usize {
        self.block_bytes / 2
    }

    /// The most blocks a run may take: a quarter of all.
    #[inline]
    pub(crate) const fn max_run_blocks(&self) -> u32 {
        let quarter = self.blocks() / 4;
        if quarter == 0 { 1 } else { quarter }
    }

    /// Bytes of the arena.
    #[inline]
    pub(crate) const fn arena_bytes(&self) -> usize {
        self.counts.blocks as usize * self.block_bytes
    }
}

/// The largest power of two that is not above `value`; 1 for 0.
const fn power_of_two_below(value: u64) -> u64 {
    if value == 0 { 1 } else { 1 << value.ilog2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(size_bytes: u64) -> Wish {
        Wish {
            size_bytes,
            index_entries: None,
            processes: None,
            threads: None,
            blocks: None,
            generation_bits: 12,
            journal_records: None,
            is_clustered: false,
        }
    }

    #[test]
    fn every_size_from_the_minimum_gives_at_least_64_blocks_and_most_of_the_file_to_them() {
        for size in [8 << 20, 9 << 20, 64 << 20, 100_000_000, 1 << 30, 1 << 34, 1 << 40] {
            let geometry = Geometry::plan(&wish(size)).expect("a plan");
            assert!(
                geometry.counts.blocks >= 64,
                "{size}: {} blocks",
                geometry.counts.blocks
            );
            assert!(
                geometry.arena_bytes() as u64 > size / 100 * 80,
                "{size}: {}",
                geometry.arena_bytes()
            );
            assert!(geometry.arena + geometry.arena_bytes() <= geometry.total_bytes);
        }
    }

    #[test]
    fn too_small_too_large_and_crooked_counts_are_refused_by_name() {
        assert_eq!(Geometry::plan(&wish(1 << 20)), Err("size"));
        let good = Geometry::plan(&wish(8 << 20)).expect("a plan");
        let mut counts = good.counts;
        counts.blocks = u64::MAX;
        assert_eq!(Geometry::checked(&counts, 8 << 20), Err("blocks"));
        counts = good.counts;
        counts.key_stamps = 1000;
        assert_eq!(Geometry::checked(&counts, 8 << 20), Err("key stamps"));
        assert_eq!(Geometry::checked(&good.counts, 7 << 20), Err("total size"));
    }

    #[test]
    fn an_exact_world_has_the_blocks_it_asked_for() {
        let wish = Wish {
            blocks: Some((1 << 12, 256)),
            ..wish(0)
        };
        let geometry = Geometry::plan(&wish).expect("a plan");
        assert_eq!((geometry.counts.blocks, geometry.block_bytes), (256, 4096));
    }
}
