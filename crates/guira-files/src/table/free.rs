//! Finding a free record without looking through all of them.
//!
//! The record that was freed last is remembered, and how many are in use: both are hints, which a kill may leave behind
//! the truth. While some are free, a hand goes round and finds one after a few steps on average; when nearly none is,
//! only a few are looked at, and whoever looks evicts instead, which frees one.

use guira_shm::sync::Ordering;

use super::Table;
use crate::layout::record::{RecordState, RecordWord};
use crate::layout::table::{CONTROL_FREE_HAND, CONTROL_FREED, CONTROL_IN_USE};

/// Records that are looked at when nearly none is free.
const FEW: u64 = 256;

impl Table {
    pub(super) fn note_taken(&self) {
        self.word(CONTROL_IN_USE).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_freed(&self, record: u32) {
        let in_use = self.word(CONTROL_IN_USE);
        // Never below 0, whatever a kill has left out.
        let now = in_use.load(Ordering::Relaxed);
        in_use.store(now.saturating_sub(1), Ordering::Relaxed);
        self.word(CONTROL_FREED)
            .store(u64::from(record) + 1, Ordering::Relaxed);
    }

    /// Counts the records in use: after whoever counted them died.
    pub(crate) fn count_in_use(&self) {
        let records = 0..self.geometry.records as u32;
        let in_use = records.filter(|record| self.free_word(*record).is_none()).count();
        self.word(CONTROL_IN_USE).store(in_use as u64, Ordering::Relaxed);
    }

    fn free_word(&self, record: u32) -> Option<RecordWord> {
        let word = self.record(record);
        (word.state() == Some(RecordState::Free)).then_some(word)
    }

    /// A free record, with its word; `None` if all are in use, or nearly all.
    pub(crate) fn find_free(&self) -> Option<(u32, RecordWord)> {
        let records = self.geometry.records;
        let freed = self.word(CONTROL_FREED).swap(0, Ordering::Relaxed);
        if let Some(record) = freed.checked_sub(1).filter(|record| *record < records)
            && let Some(word) = self.free_word(record as u32)
        {
            return Some((record as u32, word));
        }
        let hand = self.word(CONTROL_FREE_HAND);
        let from = hand.load(Ordering::Relaxed);
        let is_full = self.word(CONTROL_IN_USE).load(Ordering::Relaxed) + records / 64 >= records;
        let most = if is_full { FEW.min(records) } else { records };
        for step in 0..most {
            let record = ((from + step) % records) as u32;
            if let Some(word) = self.free_word(record) {
                hand.store((u64::from(record) + 1) % records, Ordering::Relaxed);
                return Some((record, word));
            }
        }
        hand.store((from + most) % records, Ordering::Relaxed);
        None
    }

    /// Where to begin to look for any record.
    pub(crate) fn hand(&self) -> u64 {
        self.word(CONTROL_FREE_HAND).load(Ordering::Relaxed)
    }
}
