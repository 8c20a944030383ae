//! What a dead process held is given back.
//!
//! Recovery runs under the dead record's byte lock (or, where a forked child kept that lock, under
//! nothing) and under a lock of this process, and every step is a compare-and-swap from the exact
//! word the dead process left, incarnation included: run twice, interrupted, or late, it changes
//! nothing that belongs to somebody else. Order: blocks and flights first, pins after them, the
//! record last, so a recovery that is itself killed is repeated by the next.

use guira_shm::lock::RECORD_LOCK_BASE;
use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;

use super::{Attachment, Liveness};
use crate::layout::block::BlockState;
use crate::layout::control::{CONTROL_LINES_HIGH, CONTROL_RECOVERIES};
use crate::layout::record::{
    ENGINE_PINS, GUARD_PINS, LINE_ENGINE_PINS, LINE_OWNER, LineOwner, PinWord, RECORD_OWNER, RecordOwner,
};
use crate::shared::Shared;

impl Shared {
    /// Recovers every dead process's leavings; returns how many processes were found dead.
    pub(crate) fn recover_dead(&self, attachment: &Attachment, thoroughly: bool) -> usize {
        (0..self.geometry.counts.records as u16)
            .filter(|&record| self.recover_if_dead(attachment, record, thoroughly))
            .count()
    }

    /// Recovers `record` if its holder is dead. False also when somebody else is at it.
    pub(crate) fn recover_if_dead(&self, attachment: &Attachment, record: u16, thoroughly: bool) -> bool {
        let liveness = self.liveness(attachment, record, thoroughly);
        if !matches!(liveness, Liveness::Dead | Liveness::DeadLockInherited) {
            return false;
        }
        let Some(_alone) = attachment.recovering.try_lock() else {
            return false;
        };
        let byte = RECORD_LOCK_BASE + u64::from(record);
        let locked = match attachment.locks.lock().as_ref() {
            None => return false,
            Some(locks) => locks.try_lock(byte).unwrap_or(false),
        };
        if !locked && liveness == Liveness::Dead {
            return false;
        }
        // Acquire: as in `liveness`.
        let owner = RecordOwner(self.record_word(record, RECORD_OWNER).load(Ordering::Acquire));
        let recovered =
            owner.pid() != 0 && (self.process_exists(record) != Some(true) || self.was_left_by_exec(record));
        if recovered {
            self.release_record(record, owner.incarnation());
            self.word(CONTROL_RECOVERIES).fetch_add(1, Ordering::Relaxed);
        }
        if locked && let Some(locks) = attachment.locks.lock().as_ref() {
            // Fails only if the lock is gone already.
            let _ = locks.unlock(byte);
        }
        recovered
    }

    /// Gives back everything that `incarnation` of `record` holds, then the record itself.
    pub(crate) fn release_record(&self, record: u16, incarnation: u32) {
        for block in 0..self.geometry.blocks() {
            self.release_block(block, LineOwner::new(record, incarnation));
        }
        self.release_flights(LineOwner::new(record, incarnation));
        self.release_lines(LineOwner::new(record, incarnation));
        let word = self.record_word(record, RECORD_OWNER);
        let owner = RecordOwner(word.load(Ordering::Relaxed));
        if owner.incarnation() == incarnation {
            let free = RecordOwner::new(incarnation, 0);
            // Release: pairs with the Acquire of the next holder.
            let _ = word.compare_exchange(owner.0, free.0, Ordering::Release, Ordering::Relaxed);
        }
    }

    fn release_block(&self, block: u32, owner: LineOwner) {
        let word = self.block(block);
        if word.owner() != owner.record() || word.owner_incarnation() != owner.incarnation() as u8 {
            return;
        }
        match word.state() {
            BlockState::Open => {
                self.seal_block(block, word);
            }
            BlockState::Drain => {
                self.change_block(block, word, word.with_state(BlockState::Sealed).without_owner());
            }
            BlockState::Claimed => self.abandon_run(block, word),
            _ => {}
        }
    }

    /// Clears the pins of every line of `owner`, then frees the lines.
    fn release_lines(&self, owner: LineOwner) {
        // Acquire: pairs with the SeqCst raise of the mark before a line is first used.
        let lines = self
            .word(CONTROL_LINES_HIGH)
            .load(Ordering::Acquire)
            .min(self.geometry.counts.lines);
        for line in 0..lines as u32 {
            // Acquire: the pins behind it are the owner's.
            if self
                .word(self.line_offset(line) + LINE_OWNER)
                .load(Ordering::Acquire)
                == owner.0
            {
                self.release_line(line, owner);
            }
        }
    }

    fn release_line(&self, line: u32, owner: LineOwner) {
        let offset = self.line_offset(line);
        for pin in 0..ENGINE_PINS + GUARD_PINS {
            let word = self.word(offset + LINE_ENGINE_PINS + pin * 8);
            let held = word.load(Ordering::Relaxed);
            let belongs = PinWord(held).belongs_to(owner) || Mutant::RecoveryOfAnyIncarnation.is_on();
            if held != 0 && belongs {
                // Release: pairs with the reclaimer's load; what the owner did is before it.
                let _ = word.compare_exchange(held, 0, Ordering::Release, Ordering::Relaxed);
            }
        }
        // Release: pairs with the Acquire of the thread that takes the line next.
        let owner_word = self.word(offset + LINE_OWNER);
        let _ = owner_word.compare_exchange(owner.0, 0, Ordering::Release, Ordering::Relaxed);
    }

    /// Frees lines whose owner word names no present incarnation of a record. In order that never
    /// happens (a record is written before its lines are taken, and lines are freed before it), so
    /// it is damage.
    pub(super) fn release_orphan_lines(&self) {
        for line in 0..self.geometry.counts.lines as u32 {
            // Acquire: as in `release_lines`.
            let owner = LineOwner(
                self.word(self.line_offset(line) + LINE_OWNER)
                    .load(Ordering::Acquire),
            );
            if owner.0 != 0 && !self.is_present(owner) {
                self.release_line(line, owner);
            }
        }
    }

    fn is_present(&self, owner: LineOwner) -> bool {
        owner.record().is_some_and(|record| {
            u64::from(record) < self.geometry.counts.records && {
                // Acquire: as in `liveness`.
                let holder = RecordOwner(self.record_word(record, RECORD_OWNER).load(Ordering::Acquire));
                holder.pid() != 0 && holder.incarnation() == owner.incarnation()
            }
        })
    }
}
