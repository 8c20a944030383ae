//! What a dead process held is given back.
//!
//! Recovery runs under the dead record's byte lock (or, where that lock is held and the process is known
//! to be gone, under nothing) and under a lock of this process, and every step is a compare-and-swap
//! from the exact word the dead process left, incarnation included: run twice, interrupted, or late, it
//! changes nothing that belongs to somebody else. Order: blocks and flights first, pins after them, the
//! record last, so a recovery that is itself killed is repeated by the next.

use guira_shm::lock::RECORD_LOCK_BASE;
use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;

use super::{Attachment, Liveness};
use crate::layout::block::{BlockState, BlockWord};
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
        let owner = self.record_owner(record);
        let liveness = self.liveness(attachment, record, owner, thoroughly);
        matches!(liveness, Liveness::Dead | Liveness::DeadLockInherited)
            && self.recover_judged(attachment, record, owner, liveness)
    }

    /// Recovers what `owner` left, who was found dead; by now the record may be somebody else's.
    pub(super) fn recover_judged(
        &self,
        attachment: &Attachment,
        record: u16,
        owner: RecordOwner,
        liveness: Liveness,
    ) -> bool {
        let Some(_alone) = attachment.recovering.try_lock() else {
            return false;
        };
        let byte = RECORD_LOCK_BASE + u64::from(record);
        let Some(locks) = attachment.locks() else {
            return false;
        };
        let locked = locks.try_lock(byte).unwrap_or(false);
        let recovered = if locked {
            self.is_left(record, owner)
        } else {
            // The lock is a child's of `owner`, another recoverer's, or the next holder's, of whom it may
            // not be known whether it lives. Known to be gone is `owner`, and only that one is recovered.
            liveness == Liveness::DeadLockInherited && self.record_owner(record) == owner
        };
        if recovered {
            self.release_record(record, owner.incarnation());
            self.word(CONTROL_RECOVERIES).fetch_add(1, Ordering::Relaxed);
        }
        if locked {
            // Fails only if the lock is gone already.
            let _ = locks.unlock(byte);
        }
        recovered
    }

    /// Whether `owner` left the record whose byte this process has locked: it is held in its name, and
    /// the process is gone, or not known to live.
    fn is_left(&self, record: u16, owner: RecordOwner) -> bool {
        self.record_owner(record) == owner && !self.lives_without_lock(record, owner)
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
        // Acquire: pairs with the SeqCst change of whoever took the block, and who held its record then.
        let word = BlockWord(self.block_word(block).load(Ordering::Acquire));
        if word.owner() != owner.record() || word.owner_incarnation() != owner.incarnation() as u8 {
            return;
        }
        // A word has eight bits of the incarnation. Before a later one has the record all of this one's
        // blocks are given back: whoever comes that late finds that one's.
        if owner
            .record()
            .is_none_or(|record| self.record_owner(record).incarnation() != owner.incarnation())
        {
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
                let holder = self.record_owner(record);
                holder.pid() != 0 && holder.incarnation() == owner.incarnation()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expiry, Segment};
    use std::process::Command;
    use std::time::{Duration, Instant};
    use tempfile::TempDir;

    use crate::layout::record::RECORD_PID_NAMESPACE;

    fn made() -> (TempDir, Segment) {
        let directory = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
        let segment = Segment::builder().size(8 << 20);
        let segment = segment.create(directory.path().join("s")).expect("a segment");
        segment.put(b"k", b"v", Expiry::never()).expect("room");
        (directory, segment)
    }

    fn open(directory: &TempDir) -> Segment {
        let path = directory.path().join("s");
        Segment::builder().open(path).expect("a segment")
    }

    /// The number of a process that is gone.
    fn gone_pid() -> u32 {
        let mut child = Command::new("true").spawn().expect("a child");
        child.wait().expect("our child");
        child.id()
    }

    /// Makes `segment`'s record that of a process that is gone, while its byte stays locked as if by a
    /// forked child of that process; says which record it is, and how it reads now.
    fn orphan(segment: &Segment) -> (u16, RecordOwner) {
        let shared = &segment.shared;
        let attachment = shared.attach().expect("attached");
        let owner = RecordOwner::new(attachment.incarnation, gone_pid());
        shared
            .record_word(attachment.record, RECORD_OWNER)
            .store(owner.0, Ordering::Release);
        (attachment.record, owner)
    }

    #[test]
    fn a_late_recovery_leaves_the_next_holder_alone_even_if_nothing_is_known_of_it() {
        let (directory, segment) = made();
        let own = segment.shared.attach().expect("attached");
        let parent = open(&directory);
        let (record, dead) = orphan(&parent);
        let liveness = segment.shared.liveness(&own, record, dead, true);
        assert_eq!(liveness, Liveness::DeadLockInherited);
        // Here the recoverer is stopped. The child that kept the lock ends, and another process comes.
        drop(parent);
        // (A child that another test forks keeps the lock, too, as long as it lives.)
        let begin = Instant::now();
        let next = loop {
            let next = open(&directory);
            if next.shared.attach().expect("attached").record == record {
                break next;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "the record stays held");
            drop(next);
            std::thread::yield_now();
        };
        // It is of another pid namespace, or has no `/proc`: its lock alone says that it lives.
        let namespace = next.shared.record_word(record, RECORD_PID_NAMESPACE);
        namespace.store(0, Ordering::Release);
        let guard = next.get(b"k").expect("there");
        assert!(guard.is_borrowed());
        assert!(!segment.shared.recover_judged(&own, record, dead, liveness));
        let stats = segment.stats();
        assert_eq!((stats.processes, stats.guards), (2, 1));
        assert_eq!(segment.recover(), 0);
        drop(guard);
        assert_eq!(segment.stats().guards, 0);
    }

    #[test]
    fn an_orphan_whose_lock_a_child_keeps_is_recovered_once() {
        let (directory, segment) = made();
        let own = segment.shared.attach().expect("attached");
        let parent = open(&directory);
        let (record, dead) = orphan(&parent);
        let recover = || {
            let inherited = Liveness::DeadLockInherited;
            segment.shared.recover_judged(&own, record, dead, inherited)
        };
        assert!(recover());
        assert!(!recover(), "somebody was faster");
        assert_eq!(segment.stats().processes, 1);
    }

    #[test]
    fn what_a_record_says_of_its_holder_is_not_believed_of_the_last_one() {
        let (directory, segment) = made();
        let other = open(&directory);
        let record = other.shared.attach().expect("attached").record;
        let now = segment.shared.record_owner(record);
        let last = RecordOwner::new(now.incarnation() - 1, now.pid());
        assert_eq!(segment.shared.process_exists(record, now), Some(true));
        assert_eq!(segment.shared.process_exists(record, last), None);
        let gone = RecordOwner::new(now.incarnation() - 1, gone_pid());
        assert_eq!(segment.shared.process_exists(record, gone), None);
    }

    #[test]
    fn blocks_of_a_later_incarnation_with_the_same_low_bits_are_left_alone() {
        let (_directory, segment) = made();
        let shared = &segment.shared;
        let own = shared.attach().expect("attached");
        let thread = shared.thread().expect("attached");
        let block = (0..shared.geometry.blocks())
            .find(|&block| shared.block(block).state() == BlockState::Free)
            .expect("a free block");
        let opened = shared.block(block).with_state(BlockState::Open);
        let opened = opened.with_owner(thread.owner);
        assert!(shared.change_block(block, shared.block(block), opened));
        let earlier = own.incarnation.wrapping_sub(256);
        shared.release_block(block, LineOwner::new(own.record, earlier));
        assert_eq!(shared.block(block), opened);
        shared.release_block(block, LineOwner::new(own.record, own.incarnation));
        assert_eq!(shared.block(block).state(), BlockState::Sealed);
    }
}
