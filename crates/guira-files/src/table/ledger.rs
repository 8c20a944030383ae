//! Changing a record's word together with the count of its space, so that a kill between the two is seen.
//!
//! ```text
//!   1  after, from, to     what will be              } intent
//!   2  record and kind     the intent counts         }
//!   3  the record's word   compare-and-swap from -> to
//!   4  taken or given      the counter is what the intent says
//!   5  0                   the intent counts no more
//! ```
//!
//! | dead between | seen by who takes the row | what it does |
//! |---|---|---|
//! | before 2 | no intent | nothing |
//! | 2 and 3 | the word is not what the change makes of it | clears the intent |
//! | 3 and 4 | it is, and the counter is not what it is to be | 4, 5 |
//! | 4 and 5 | both are | 5 |
//!
//! Step 3 can be told from the record alone: a claim and a correction make the record HELD by this row, and a release
//! ends its being DYING by this row; nobody else can undo one or do the other, and this row makes no further change
//! before step 5. Threads of a process share its row and take turns by a lock of the process: a stopped process
//! stops all its threads, and no other process ever waits for that lock.

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;

use super::{Owner, Table};
use crate::layout::record::RecordWord;
use crate::layout::table::{
    OWNER_BYTES, OWNER_GIVEN, OWNER_INTENT, OWNER_INTENT_AFTER, OWNER_INTENT_FROM, OWNER_INTENT_TO,
    OWNER_TAKEN, OWNERS_OFFSET,
};

/// The intent's kind: which counter changes, and how to tell whether the word did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The record's space grows, or it is claimed: `taken`. Done if the word is the one after.
    Take = 1,
    /// Its space shrinks: `given`. Done if the word is the one after.
    Shrink = 2,
    /// It becomes free: `given`. Done unless the word is the one before.
    Release = 3,
}

impl Table {
    pub(super) fn of_owner(&self, row: u16, word: usize) -> &guira_shm::sync::AtomicU64 {
        self.word(OWNERS_OFFSET + row as usize * OWNER_BYTES + word)
    }

    /// Changes a record's word, and counts the difference in space for `owner`. False if the word was not `from`.
    pub(crate) fn change(&self, owner: &Owner, record: u32, from: RecordWord, to: RecordWord) -> bool {
        let (before, after) = (from.blocks(), to.blocks());
        if before == after {
            return self.swap(record, from, to);
        }
        let _turn = owner.turn();
        let row = owner.row;
        let (counter, kind) = if after > before {
            (OWNER_TAKEN, Kind::Take)
        } else if after == 0 {
            (OWNER_GIVEN, Kind::Release)
        } else {
            (OWNER_GIVEN, Kind::Shrink)
        };
        let counter = self.of_owner(row, counter);
        let counted = counter.load(Ordering::Relaxed) + u64::from(after.abs_diff(before));
        self.of_owner(row, OWNER_INTENT_AFTER)
            .store(counted, Ordering::Relaxed);
        self.of_owner(row, OWNER_INTENT_FROM)
            .store(from.0, Ordering::Relaxed);
        self.of_owner(row, OWNER_INTENT_TO).store(to.0, Ordering::Relaxed);
        let intent = if Mutant::IntentNotWritten.is_on() {
            0
        } else {
            u64::from(record) << 8 | kind as u64
        };
        // Release: the three words before are there when the intent counts; pairs with `settle`.
        self.of_owner(row, OWNER_INTENT).store(intent, Ordering::Release);
        if Mutant::CountedFirst.is_on() {
            counter.store(counted, Ordering::SeqCst); // as below
        }
        let changed = self.swap(record, from, to);
        if changed {
            // SeqCst: in one order with the counts and looks at usage of other writers, see `used_blocks`.
            counter.store(counted, Ordering::SeqCst);
        }
        // Release: not before the counter.
        self.of_owner(row, OWNER_INTENT).store(0, Ordering::Release);
        if changed && before == 0 {
            self.note_taken();
        } else if changed && after == 0 {
            self.note_freed(record);
        }
        changed
    }

    fn swap(&self, record: u32, from: RecordWord, to: RecordWord) -> bool {
        // SeqCst: the record's point of change; what its owner wrote of it is before, and stays in one order with
        // usage. Acquire on failure: as a look at it.
        self.record_word(record)
            .compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::Acquire)
            .is_ok()
    }

    /// Completes the change that a dead holder of `row` was in the middle of. The caller holds the row's lock.
    pub(super) fn settle(&self, row: u16) {
        // Acquire: pairs with the Release of `change`.
        let intent = self.of_owner(row, OWNER_INTENT).load(Ordering::Acquire);
        let record = (intent >> 8) as u32;
        let kind = match intent & 0xff {
            1 => Kind::Take,
            2 => Kind::Shrink,
            3 => Kind::Release,
            _ => return,
        };
        if self.has_record(record) {
            let now = self.record(record);
            let is_done = match kind {
                Kind::Take | Kind::Shrink => {
                    now.0 == self.of_owner(row, OWNER_INTENT_TO).load(Ordering::Relaxed)
                }
                Kind::Release => now.0 != self.of_owner(row, OWNER_INTENT_FROM).load(Ordering::Relaxed),
            };
            if is_done {
                let counter = if kind == Kind::Take {
                    OWNER_TAKEN
                } else {
                    OWNER_GIVEN
                };
                let counted = self.of_owner(row, OWNER_INTENT_AFTER).load(Ordering::Relaxed);
                // SeqCst: as in `change`. It is what it is to be already if the owner died behind it.
                self.of_owner(row, counter).store(counted, Ordering::SeqCst);
            }
        }
        // Release: as in `change`.
        self.of_owner(row, OWNER_INTENT).store(0, Ordering::Release);
    }

    /// Space that files take or are about to, in units of 512 bytes; never less than it was while this looked.
    pub(crate) fn used_blocks(&self) -> u64 {
        let rows = self.rows_in_use();
        // SeqCst, both: all that was given is read before all that was taken. Of a file that was taken and given
        // meanwhile, what it took may be counted and what it gave not, never the other way round.
        let sum = |word: usize| {
            (0..rows).fold(0_u64, |sum, row| {
                sum.wrapping_add(self.of_owner(row, word).load(Ordering::SeqCst))
            })
        };
        let given = sum(OWNER_GIVEN);
        sum(OWNER_TAKEN).saturating_sub(given)
    }

    /// What usage is by the records themselves, while nobody changes them.
    pub(crate) fn counted_blocks(&self) -> u64 {
        (0..self.geometry.records as u32)
            .map(|record| u64::from(self.record(record).blocks()))
            .sum()
    }
}
