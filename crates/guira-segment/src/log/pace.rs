//! How much a thread reclaims for what it appends, so that room is there before it is asked for.
//!
//! To free a byte takes the walk over `used / dead` bytes of a victim, where its dead bytes are those that no
//! survivor takes along. A thread pays that for each byte it appends, a little more while blocks are short,
//! a little less while there are some to spare, and nothing while there are many: reclaim then goes on all
//! the time, in small steps, and not in bursts that a put would wait for. A drain between two steps takes a block
//! out of use for as long as its thread makes no put, so only some threads may leave one; where there are
//! many for the blocks that there are, the others save up for a whole drain.

use std::cell::Cell;

use crate::log::survey::DrainMode;
use crate::shared::Shared;

/// Sixteenths in a whole.
const WHOLE: usize = 16;
/// At most this many bytes are walked for a byte appended.
const MAX_PACE: usize = 24;
/// What is saved up before a step is made: several entries cost less together than one by one.
const STEP_BYTES: usize = 512;
/// Blocks beyond the reserve at which reclaim ends, and below which it begins again: one in so many, within
/// bounds. (Four in a segment of five would never be free.)
const ENOUGH_PARTS: u32 = 32;
const ENOUGH_BLOCKS: std::ops::RangeInclusive<u32> = 2..=4;

/// A thread's pace. Private to it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Sixteenths of a byte walked for each byte appended; 0 while nothing need be reclaimed.
    sixteenths: Cell<usize>,
    /// Bytes owed.
    owed_bytes: Cell<usize>,
    /// What part of the walked bytes survived lately, in sixteenths: of the admission pool, of the main one.
    kept: [Cell<usize>; 2],
}

impl Pace {
    /// Nothing is to be reclaimed.
    pub(crate) fn stop(&self) {
        self.sixteenths.set(0);
        self.owed_bytes.set(0);
    }

    /// Something is to be reclaimed; how much is known once a victim was chosen.
    pub(crate) fn begin(&self) {
        if self.sixteenths.get() == 0 {
            self.sixteenths.set(2 * WHOLE);
        }
    }

    /// Whether anything is to be reclaimed.
    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        self.sixteenths.get() != 0
    }

    /// What is to be walked now that `appended_bytes` are, if it is worth a step.
    #[inline]
    pub(crate) fn due(&self, appended_bytes: usize) -> Option<usize> {
        let sixteenths = self.sixteenths.get();
        if sixteenths == 0 {
            return None;
        }
        let owed_bytes = self.owed_bytes.get() + appended_bytes * sixteenths / WHOLE;
        self.owed_bytes.set(owed_bytes);
        (owed_bytes >= STEP_BYTES).then_some(owed_bytes)
    }

    /// So much was walked.
    pub(crate) fn paid(&self, walked_bytes: usize) {
        self.owed_bytes
            .set(self.owed_bytes.get().saturating_sub(walked_bytes));
    }

    /// Sets the pace for a victim of `used_bytes`, of which `live_bytes` are live, while `spare_blocks` are
    /// free beyond the reserve.
    pub(crate) fn set_for(&self, mode: DrainMode, used_bytes: usize, live_bytes: usize, spare_blocks: u32) {
        let kept_bytes = match mode {
            DrainMode::Drop => 0,
            DrainMode::Compact => live_bytes,
            DrainMode::EvictAdmission => used_bytes / WHOLE * self.kept[0].get(),
            DrainMode::EvictMain => used_bytes / WHOLE * self.kept[1].get(),
        };
        let freed_bytes = used_bytes.saturating_sub(kept_bytes).max(1);
        let needed = (used_bytes * WHOLE / freed_bytes).clamp(WHOLE, MAX_PACE * WHOLE);
        self.sixteenths.set(match spare_blocks {
            0 => needed * 4,
            1 => needed * 3 / 2,
            2 => needed * 9 / 8,
            _ => needed * 7 / 8,
        });
    }

    /// Of a walked block of `used_bytes`, `kept_bytes` survived.
    pub(crate) fn learn(&self, mode: DrainMode, used_bytes: usize, kept_bytes: usize) {
        let kept = match mode {
            DrainMode::Drop | DrainMode::Compact => return,
            DrainMode::EvictAdmission => &self.kept[0],
            DrainMode::EvictMain => &self.kept[1],
        };
        let now = kept_bytes * WHOLE / used_bytes.max(1);
        kept.set((kept.get() + now).div_ceil(2));
    }
}

impl Shared {
    /// How many blocks beyond the reserve are enough.
    pub(crate) fn enough_blocks(&self) -> u32 {
        let (least, most) = (*ENOUGH_BLOCKS.start(), *ENOUGH_BLOCKS.end());
        (self.geometry.blocks() / ENOUGH_PARTS).clamp(least, most)
    }
}
