//! What all handles of a segment in one process have in common: the mapping, the geometry, the
//! clock and the attachment. Accessors for words of each region live here; meaning lives elsewhere.

use guira_shm::region::{LineRow, Region, WordRow, Words};
use guira_shm::sync::{AtomicU64, Ordering};

use crate::attach::AttachmentSlot;
use crate::clock::SegmentClock;
use crate::coherence::number_of_life;
use crate::layout::block::{BLOCK_META_BYTES, BLOCK_WORD_BYTES, BlockWord};
use crate::layout::control::{CONTROL_CLOCK, CONTROL_FLOOR};
use crate::layout::geometry::{Geometry, LANE_BYTES};
use crate::layout::namespace::{NAMESPACE_BYTES, NAMESPACE_STAMP};
use crate::layout::record::{LINE_BYTES, RECORD_BYTES};
use crate::layout::slot::BUCKET_BYTES;
use crate::layout::stamp::{KeyStamp, STAMP_BYTES};
use crate::layout::superblock::{OPTION_CHECKED_VALUES, Superblock};
use crate::memory::Memory;

/// One segment as this process sees it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) memory: Memory,
    pub(crate) geometry: Geometry,
    pub(crate) superblock: Superblock,
    pub(crate) clock: SegmentClock,
    pub(crate) attachment: AttachmentSlot,
    rows: Rows,
    /// Compare each value with its check on every read.
    pub(crate) verify_values: bool,
    /// In a segment of a cluster: which boot and which file this is.
    pub(crate) life: u64,
}

/// What every read asks for, found once.
#[derive(Debug)]
struct Rows {
    buckets: LineRow,
    block_words: WordRow,
    floor: Words<1>,
    default_stamp: Words<1>,
}

impl Rows {
    /// The superblock was checked: every region of the geometry lies in the memory.
    fn of(memory: &Memory, geometry: &Geometry) -> Self {
        let region = memory.region();
        Self {
            buckets: region.hold_lines(geometry.index, geometry.counts.buckets as usize),
            block_words: region.hold_row(geometry.block_words, geometry.counts.blocks as usize),
            floor: region.hold_words(CONTROL_FLOOR),
            default_stamp: region.hold_words(geometry.namespaces + NAMESPACE_STAMP),
        }
    }
}

const _: () = assert!(BLOCK_WORD_BYTES == 8 && BUCKET_BYTES == 64);

impl Shared {
    pub(crate) fn new(
        memory: Memory,
        superblock: Superblock,
        clock: SegmentClock,
        attachment: AttachmentSlot,
        verify_values: bool,
    ) -> Self {
        Self {
            rows: Rows::of(&memory, &superblock.geometry),
            life: if superblock.cluster == 0 {
                0
            } else {
                number_of_life(&superblock, &memory, 0) as u64
            },
            memory,
            geometry: superblock.geometry,
            superblock,
            clock,
            attachment,
            verify_values,
        }
    }

    #[inline]
    pub(crate) fn region(&self) -> &Region {
        self.memory.region()
    }

    #[inline]
    pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
        self.region().word(offset)
    }

    pub(crate) fn checks_values(&self) -> bool {
        self.superblock.options & OPTION_CHECKED_VALUES != 0
    }

    // ---- blocks

    #[inline]
    pub(crate) fn block_word(&self, block: u32) -> &AtomicU64 {
        self.rows.block_words.word(block as usize)
    }

    /// Relaxed: a hint; whoever acts on it compares the whole word again.
    #[inline]
    pub(crate) fn block(&self, block: u32) -> BlockWord {
        BlockWord(self.block_word(block).load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn block_meta(&self, block: u32, field: usize) -> &AtomicU64 {
        self.word(self.geometry.block_meta + block as usize * BLOCK_META_BYTES + field)
    }

    /// Replaces a block's control word if it is still `from`.
    #[cfg_attr(guira_points, track_caller)]
    pub(crate) fn change_block(&self, block: u32, from: BlockWord, to: BlockWord) -> bool {
        // SeqCst: pairs with the load after a pin (`pin.rs`): either the pinner sees the new
        // generation or the reclaimer's scan, behind its own fence, sees the pin.
        self.block_word(block)
            .compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    // ---- the invalidation clock and its stamps

    /// Acquire: pairs with the SeqCst addition of an invalidation, whose effects are then visible.
    #[inline]
    pub(crate) fn clock_now(&self) -> u64 {
        self.word(CONTROL_CLOCK).load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn floor(&self) -> u64 {
        let [floor] = &*self.rows.floor;
        floor.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn key_stamp_offset(&self, hash: u64) -> usize {
        let index = (hash >> 16) as usize & (self.geometry.counts.key_stamps as usize - 1);
        self.geometry.key_stamps + index * STAMP_BYTES
    }

    #[inline]
    pub(crate) fn key_stamp_word(&self, hash: u64) -> &AtomicU64 {
        self.word(self.key_stamp_offset(hash))
    }

    #[inline]
    pub(crate) fn key_stamp(&self, hash: u64) -> KeyStamp {
        // Acquire: pairs with the SeqCst change by a writer, as the clock does.
        KeyStamp(self.key_stamp_word(hash).load(Ordering::Acquire))
    }

    #[inline]
    pub(crate) fn tag_stamp(&self, tag_hash: u64) -> &AtomicU64 {
        let index = tag_hash as usize & (self.geometry.counts.tag_stamps as usize - 1);
        self.word(self.geometry.tag_stamps + index * STAMP_BYTES)
    }

    /// Invalidates what carries a tag of this hash and was born before `now`.
    pub(crate) fn raise_tag_to(&self, tag_hash: u64, now: u64) {
        // SeqCst: a maximum, in one order with the looks of puts and fills.
        self.tag_stamp(tag_hash).fetch_max(now, Ordering::SeqCst);
    }

    /// Invalidates everything that was born before `now`.
    pub(crate) fn raise_floor_to(&self, now: u64) {
        // SeqCst: as above.
        self.word(CONTROL_FLOOR).fetch_max(now, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn namespace_word(&self, namespace: u16, field: usize) -> &AtomicU64 {
        // A number read from a damaged entry may be of no row: then the default's stamp decides.
        let row = if u64::from(namespace) < self.geometry.counts.namespaces {
            namespace
        } else {
            0
        };
        self.word(self.geometry.namespaces + row as usize * NAMESPACE_BYTES + field)
    }

    /// The stamp of the default namespace.
    #[inline]
    pub(crate) fn default_stamp(&self) -> &AtomicU64 {
        let [stamp] = &*self.rows.default_stamp;
        stamp
    }

    #[inline]
    pub(crate) fn namespace_stamp(&self, namespace: u16) -> &AtomicU64 {
        if namespace == 0 {
            return self.default_stamp();
        }
        self.namespace_word(namespace, NAMESPACE_STAMP)
    }

    // ---- other regions

    #[inline]
    pub(crate) const fn move_counter_offset(&self, index: usize) -> usize {
        self.geometry.move_counters + index * STAMP_BYTES
    }

    #[inline]
    pub(crate) fn move_counter(&self, index: usize) -> &AtomicU64 {
        self.word(self.move_counter_offset(index))
    }

    #[inline]
    pub(crate) fn bucket_offset(&self, bucket: usize) -> usize {
        self.geometry.index + bucket * BUCKET_BYTES
    }

    #[inline]
    pub(crate) fn buckets(&self) -> &LineRow {
        &self.rows.buckets
    }

    #[inline]
    pub(crate) fn slot_word(&self, bucket: usize, slot: usize) -> &AtomicU64 {
        self.rows.buckets.word(bucket, slot)
    }

    #[inline]
    pub(crate) fn lane_word(&self, lane: usize) -> &AtomicU64 {
        self.word(self.geometry.lanes + lane * LANE_BYTES)
    }

    #[inline]
    pub(crate) fn line_offset(&self, line: u32) -> usize {
        self.geometry.lines + line as usize * LINE_BYTES
    }

    #[inline]
    pub(crate) fn record_word(&self, record: u16, field: usize) -> &AtomicU64 {
        self.word(self.geometry.records + record as usize * RECORD_BYTES + field)
    }
}
