//! Making room: a free record, and space within the limit.

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;

use super::Shared;
use crate::error::FilesError;
use crate::layout::record::{RecordState, RecordWord};
use crate::layout::table::{CONTROL_LOOKED_MS, CONTROL_ORPHANS};
use crate::table::{Counter, Owner};

/// How often, at most, the dead are looked for by those who find no room.
const LOOK_EVERY_MS: u64 = 100;
/// Records that each write looks at on its way, so that orphans go although nobody sweeps.
const SWEPT_BY_A_WRITE: u64 = 2;

/// Records that are looked at for an orphan before a good file goes, where orphans were met lately.
const LOOKED_AT_FOR_AN_ORPHAN: u64 = 64;

/// Space of a file of so many bytes, in units of 512, before it is known: whole blocks, and one for what the file
/// system writes beside.
pub(super) const fn estimate_blocks(file_bytes: u64) -> u64 {
    (file_bytes.div_ceil(4096) + 1) * 8
}

impl Shared {
    /// A record HELD by `owner` with space for a file of `file_bytes`, and room for it within the limit.
    pub(super) fn claim(&self, owner: &Owner, file_bytes: u64) -> Result<(u32, RecordWord), FilesError> {
        let blocks = self.fitting_blocks(file_bytes)?;
        self.clear_leftovers(blocks);
        let (record, held) = loop {
            let Some((record, free)) = self.table.find_free() else {
                // Others may have made room meanwhile.
                if !self.evict_one(owner)? && self.table.find_free().is_none() {
                    return Err(FilesError::Crowded);
                }
                continue;
            };
            let held = free.held(owner.row, blocks);
            if self.table.change(owner, record, free, held) {
                break (record, held);
            }
        };
        // It may have been another's: nobody shall take its file for ours.
        self.table.describe(record, 0, [0; 2], u64::MAX);
        match self.make_room(owner) {
            Ok(()) => {
                // What cannot be removed does not keep this value from being written.
                let _ = self.sweep_some(owner, SWEPT_BY_A_WRITE);
                Ok((record, held))
            }
            Err(error) => {
                self.discard(owner, record, held, None);
                Err(error)
            }
        }
    }

    /// Corrects the space of a HELD record to that of a file of `blocks` units, and makes room if it is more.
    pub(super) fn correct(
        &self,
        owner: &Owner,
        record: u32,
        held: &mut RecordWord,
        blocks: u64,
    ) -> Result<(), FilesError> {
        if blocks > self.table.budget_blocks() {
            return Err(self.too_large(blocks.saturating_mul(512)));
        }
        // A file of no blocks counts one: a record without space is a free one.
        let corrected = held.with_blocks((blocks as u32).max(1));
        let grown = corrected.blocks().saturating_sub(held.blocks());
        if grown > 0 {
            self.clear_leftovers(grown);
        }
        if self.table.change(owner, record, *held, corrected) {
            *held = corrected;
        }
        if grown > 0 { self.make_room(owner) } else { Ok(()) }
    }

    pub(super) fn fitting_blocks(&self, file_bytes: u64) -> Result<u32, FilesError> {
        let limit_bytes = guira_shm::directory::longest_file_bytes();
        if file_bytes > limit_bytes {
            return Err(FilesError::SizeLimit {
                file_bytes,
                limit_bytes,
            });
        }
        let blocks = estimate_blocks(file_bytes);
        if blocks > self.table.budget_blocks() {
            return Err(self.too_large(file_bytes));
        }
        u32::try_from(blocks).map_err(|_| self.too_large(file_bytes))
    }

    fn too_large(&self, value_bytes: u64) -> FilesError {
        FilesError::ValueTooLarge {
            value_bytes,
            room_bytes: self.table.budget_blocks() * 512,
        }
    }

    /// Gives a HELD record back, and the file's name if it has one.
    pub(super) fn discard(&self, owner: &Owner, record: u32, held: RecordWord, number: Option<u64>) {
        let Some(number) = number else {
            self.table.change(owner, record, held, held.free());
            return;
        };
        let dying = held.dying(owner.row);
        if self.table.change(owner, record, held, dying)
            && let Err(error) = self.bury(owner, record, dying)
        {
            tracing::warn!(number, %error, "a value file cannot be removed");
        }
    }

    /// Removes files until usage is within the limit.
    pub(super) fn make_room(&self, owner: &Owner) -> Result<(), FilesError> {
        let is_above = || self.table.used_blocks() > self.table.budget_blocks();
        if is_above() {
            // What the dead held goes before what is good.
            self.look_for_the_dead(owner)?;
        }
        while is_above() {
            // Others may have made room meanwhile.
            if !self.evict_one(owner)? && is_above() {
                return Err(FilesError::Crowded);
            }
        }
        Ok(())
    }

    /// Removes one file: an expired one, else the one that the policy names. False if there is none, even among what
    /// the dead held.
    pub(super) fn evict_one(&self, owner: &Owner) -> Result<bool, FilesError> {
        loop {
            if self.remove_due(owner)? || self.remove_orphan(owner)? {
                return Ok(true);
            }
            let victim = match self.table.next_victim() {
                Some(victim) => Some(victim),
                None => self.table.any_live(self.table.hand()),
            };
            let Some((record, word)) = victim else {
                // Whoever looked a moment ago may have been too early.
                return Ok(self.recover(owner)? > 0);
            };
            let key_hash = self.table.info(record).map_or(0, |info| info.key_hash);
            if self.remove(owner, record, word)? {
                self.table.note_eviction(word, key_hash);
                self.table.count(Counter::Evicted, 1);
                return Ok(true);
            }
        }
    }

    /// Removes a file whose time is over, if the table knows of one.
    fn remove_due(&self, owner: &Owner) -> Result<bool, FilesError> {
        let now_ms = self.clock.realtime_ms();
        // One whose entry was given more time is put off; they are few.
        for _ in 0..16 {
            let Some(record) = self.table.next_due(now_ms) else {
                return Ok(false);
            };
            if self.settle_due(owner, record, now_ms)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes a file that no stub names, if orphans were met lately: after something was cleared there are many.
    fn remove_orphan(&self, owner: &Owner) -> Result<bool, FilesError> {
        let heat = self.table.word(CONTROL_ORPHANS);
        let left = heat.load(Ordering::Relaxed);
        if left == 0 {
            return Ok(false);
        }
        heat.store(left - 1, Ordering::Relaxed);
        for _ in 0..LOOKED_AT_FOR_AN_ORPHAN {
            if self.sweep_some(owner, 1)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Of a record whose end has passed as far as the table knows: the segment decides. True if it is gone now.
    pub(super) fn settle_due(&self, owner: &Owner, record: u32, now_ms: u64) -> Result<bool, FilesError> {
        let Some(info) = self.table.info(record) else {
            return Ok(false);
        };
        if info.word.state() != Some(RecordState::Live) || info.due_ms > now_ms {
            return Ok(false);
        }
        let looked = self
            .arbiter
            .look_by_hash(info.namespace_hash, info.key_hash, crate::STUB_BYTES);
        let Ok(entry) = looked else {
            return Ok(false);
        };
        if let Some(entry) = entry.filter(|entry| self.names(&entry.value, info.number)) {
            let due_ms = entry.metadata.ttl.map_or(u64::MAX, |ttl| {
                now_ms.saturating_add(ttl.as_millis() as u64).saturating_add(1)
            });
            self.table.note_due(record, due_ms);
            return Ok(false);
        }
        let is_gone = self.remove(owner, record, info.word)?;
        if is_gone {
            self.table.count(Counter::Expired, 1);
        }
        Ok(is_gone)
    }

    /// Finishes what dead processes left, unless somebody looked a moment ago.
    pub(super) fn look_for_the_dead(&self, owner: &Owner) -> Result<u64, FilesError> {
        let now_ms = self.clock.now_ms();
        let looked = self.table.word(CONTROL_LOOKED_MS);
        let before_ms = looked.load(Ordering::Relaxed);
        if now_ms.wrapping_sub(before_ms) < LOOK_EVERY_MS {
            return Ok(0);
        }
        let is_mine = looked.compare_exchange(before_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed);
        if is_mine.is_err() {
            return Ok(0);
        }
        self.recover(owner)
    }

    /// Finishes what dead processes left; says how many those were.
    pub(super) fn recover(&self, owner: &Owner) -> Result<u64, FilesError> {
        let recovered = self.table.recover_dead(owner, |dead| self.finish(dead))?;
        if recovered > 0 {
            self.table.count(Counter::Recovered, recovered);
            self.table.count_in_use();
        }
        Ok(recovered)
    }

    /// Finishes the records of a row that was a dead process's.
    pub(super) fn finish(&self, dead: &Owner) {
        for record in 0..self.table.geometry.records as u32 {
            let word = self.table.record(record);
            if !word.is_owned_by(dead.row) {
                continue;
            }
            let Some(info) = self.table.info(record) else {
                continue;
            };
            if word.state() == Some(RecordState::Dying) {
                if let Err(error) = self.bury(dead, record, word) {
                    tracing::warn!(number = info.number, %error, "a value file cannot be removed");
                }
            } else if info.number != 0 && self.is_named(&info) && !Mutant::NamedFileGivenUp.is_on() {
                self.table.publish(record, word, info.key_hash, info.due_ms);
            } else {
                self.discard(dead, record, word, Some(info.number));
            }
        }
    }
}
