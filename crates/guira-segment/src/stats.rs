//! Figures of a segment, gathered from all its processes.

use guira_shm::sync::Ordering;

use crate::attach::Counter;
use crate::layout::block::BlockState;
use crate::layout::control::{CONTROL_LINES_HIGH, CONTROL_NAMESPACES, CONTROL_RECOVERIES};
use crate::layout::record::{
    ENGINE_PINS, GUARD_PINS, LINE_COUNTER_COUNT, LINE_COUNTERS, LINE_ENGINE_PINS, LINE_OWNER, RECORD_OWNER,
    RecordOwner,
};
use crate::segment::Segment;
use crate::shared::Shared;

/// Blocks by state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BlockCounts {
    /// All.
    pub total: u32,
    /// Ready to be written.
    pub free: u32,
    /// Being written.
    pub open: u32,
    /// Full, of the admission pool.
    pub sealed_admission: u32,
    /// Full, of the main pool.
    pub sealed_main: u32,
    /// Being reclaimed.
    pub draining: u32,
    /// Reclaimed, but still pinned.
    pub retired: u32,
    /// Part of a run for a large value, or about to be.
    pub run: u32,
    /// In a state that no version writes.
    pub damaged: u32,
}

/// Figures of a segment. Counters count since it was made; those of killed processes may lack their
/// last operation. Sums are gathered while others work, so they fit each other only roughly.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Bytes of the log.
    pub arena_bytes: u64,
    /// Bytes of live entries, headers included.
    pub bytes_used: u64,
    /// Live entries, expired ones that were not met yet included.
    pub entries: u64,
    /// Slots of the index.
    pub index_slots: u64,
    /// Reads that found a value.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Puts, adds, replaces and the like.
    pub stores: u64,
    /// Removes.
    pub removes: u64,
    /// Invalidations of keys.
    pub invalidations: u64,
    /// Fills.
    pub fills: u64,
    /// Puts and fills that an invalidation or a write superseded.
    pub superseded: u64,
    /// Live entries that were dropped for room.
    pub evictions: u64,
    /// Entries that were dropped because their time was over.
    pub expired: u64,
    /// Times damage was met: headers, slots or values whose checks do not fit.
    pub damaged: u64,
    /// Attempts that writers of one key cost each other.
    pub retries: u64,
    /// Entries that reclaim kept.
    pub survivors: u64,
    /// Blocks that were reclaimed.
    pub blocks_reclaimed: u64,
    /// Slots that were moved to make room.
    pub displaced: u64,
    /// Puts refused for lack of space.
    pub no_space: u64,
    /// Waits for another's computation.
    pub flights_waited: u64,
    /// Computations under way.
    pub flights: u64,
    /// Processes attached, dead ones that were not met yet included.
    pub processes: u64,
    /// Attach records.
    pub max_processes: u64,
    /// Thread lines in use.
    pub threads: u64,
    /// Pins that stand.
    pub pins: u64,
    /// Of those, pins of guards.
    pub guards: u64,
    /// Dead processes that were recovered from.
    pub recoveries: u64,
    /// Namespaces, the default one apart.
    pub namespaces: u64,
    /// The invalidation clock.
    pub invalidation_clock: u64,
    /// Whether room is made by dropping entries (else only by closing gaps).
    pub is_evicting: bool,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Blocks by state.
    pub blocks: BlockCounts,
}

impl Stats {
    /// Hits among all reads, 0 to 1.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        let reads = self.hits + self.misses;
        if reads == 0 {
            0.0
        } else {
            self.hits as f64 / reads as f64
        }
    }

    /// Live entries for each slot of the index, 0 to 1.
    #[must_use]
    pub fn index_load(&self) -> f64 {
        self.entries as f64 / self.index_slots.max(1) as f64
    }
}

impl Segment {
    /// Gathers the figures; reads every block's metadata and every thread line.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &*self.shared;
        let geometry = &shared.geometry;
        let mut stats = Stats {
            size_bytes: geometry.total_bytes as u64,
            arena_bytes: geometry.arena_bytes() as u64,
            index_slots: geometry.slots() as u64,
            max_processes: geometry.counts.records,
            block_bytes: geometry.block_bytes as u64,
            recoveries: shared.word(CONTROL_RECOVERIES).load(Ordering::Relaxed),
            namespaces: shared
                .word(CONTROL_NAMESPACES)
                .load(Ordering::Relaxed)
                .saturating_sub(1),
            invalidation_clock: shared.clock_now(),
            is_evicting: shared.is_evicting(),
            flights: shared.flights_under_way() as u64,
            ..Stats::default()
        };
        shared.add_blocks(&mut stats);
        shared.add_lines(&mut stats);
        stats.processes = (0..geometry.counts.records as u16)
            .filter(|&record| {
                RecordOwner(shared.record_word(record, RECORD_OWNER).load(Ordering::Relaxed)).pid() != 0
            })
            .count() as u64;
        stats
    }
}

impl Shared {
    fn add_blocks(&self, stats: &mut Stats) {
        let blocks = &mut stats.blocks;
        blocks.total = self.geometry.blocks();
        for block in 0..self.geometry.blocks() {
            let word = self.block(block);
            let count = match word.state() {
                BlockState::Free => &mut blocks.free,
                BlockState::Open => &mut blocks.open,
                BlockState::Sealed if word.pool() == crate::layout::block::Pool::Main => {
                    &mut blocks.sealed_main
                }
                BlockState::Sealed => &mut blocks.sealed_admission,
                BlockState::Drain => &mut blocks.draining,
                BlockState::Retired => &mut blocks.retired,
                BlockState::Claimed | BlockState::Body => &mut blocks.run,
                BlockState::Damaged => &mut blocks.damaged,
            };
            *count += 1;
            if word.is_readable() {
                let live = self.live(block);
                stats.entries += u64::from(live.entries());
                stats.bytes_used += live.bytes() as u64;
            }
        }
    }

    fn add_lines(&self, stats: &mut Stats) {
        // Acquire: pairs with the SeqCst raise of the mark before a line is first used.
        let high = self.word(CONTROL_LINES_HIGH).load(Ordering::Acquire);
        // A lost segment has no mark, but goes on counting.
        let high = if self.is_lost() { u64::MAX } else { high };
        let lines = high.min(self.geometry.counts.lines);
        let mut sums = [0_u64; LINE_COUNTER_COUNT];
        for line in 0..lines as u32 {
            let offset = self.line_offset(line);
            stats.threads += u64::from(self.word(offset + LINE_OWNER).load(Ordering::Relaxed) != 0);
            for (counter, sum) in sums.iter_mut().enumerate() {
                *sum = sum.wrapping_add(
                    self.word(offset + LINE_COUNTERS + counter * 8)
                        .load(Ordering::Relaxed),
                );
            }
            for pin in 0..ENGINE_PINS + GUARD_PINS {
                if self
                    .word(offset + LINE_ENGINE_PINS + pin * 8)
                    .load(Ordering::Relaxed)
                    != 0
                {
                    stats.pins += 1;
                    stats.guards += u64::from(pin >= ENGINE_PINS);
                }
            }
        }
        let sum = |counter: Counter| sums.get(counter as usize).copied().unwrap_or(0);
        stats.hits = sum(Counter::Hits);
        stats.misses = sum(Counter::Misses);
        stats.stores = sum(Counter::Stores);
        stats.removes = sum(Counter::Removes);
        stats.invalidations = sum(Counter::Invalidations);
        stats.fills = sum(Counter::Fills);
        stats.superseded = sum(Counter::Superseded);
        stats.evictions = sum(Counter::Evicted);
        stats.expired = sum(Counter::Expired);
        stats.damaged = sum(Counter::Damaged);
        stats.retries = sum(Counter::Retries);
        stats.survivors = sum(Counter::Survivors);
        stats.blocks_reclaimed = sum(Counter::BlocksReclaimed);
        stats.displaced = sum(Counter::Displaced);
        stats.no_space = sum(Counter::NoSpace);
        stats.flights_waited = sum(Counter::FlightsWaited);
    }
}
