//! The journal: what this host invalidated, in order, for an agent to tell the others.
//!
//! A ring of records in a segment of a cluster. Anyone appends, any number read; nobody waits for an
//! appender that was stopped or killed between two instructions.
//!
//! | step | rule |
//! |---|---|
//! | take a ticket | `ticket = fetch_add(tail)`; its slot is `ticket mod N`, its lap `ticket div N + 1` |
//! | write | hash, wall and stamp words, then the commit word, each by compare-and-swap from a word of a smaller lap; any other word means voided or overtaken: take a new ticket |
//! | compare laps | only after `tail - ticket <= N` was seen behind the load of the word, so that no lap that wrapped passes for a smaller one |
//! | read | the commit word is of the ticket's lap, and so are the others; behind that `tail - ticket < 2 N` |
//! | a hole | the tail is beyond, the commit word of a smaller lap: a reader waits 100 us and makes it VOID by compare-and-swap |
//!
//! A VOID is a *known no-op*: its appender finds it and takes a new ticket before its call returns, or is dead,
//! and then its call never returned. It is never a gap. A record that was overwritten before it was read is
//! one, and is reported with its numbers.
//!
//! # Order
//!
//! `invalidate` and its kin take a ticket, advance the invalidation clock to `s`, commit a record that holds `s`, change the
//! stamps and kill, mark the record as *finished*, and return. The other order would lose the message of an invalidation
//! that readers of this host have seen. And whoever reads the clock, then the tail, knows that nothing beyond that
//! tail has a stamp that the clock had reached: what other hosts have covered up to there is all that a value born then
//! could be too old for. Of a record that is not finished the appender is on its way, or dead:
//! the agent carries it out by [`Segment::finish_own`], which leaves alone what was born at `s` or later.

mod append;
mod heads;
mod origin;
mod read;
mod record;
#[cfg(test)]
mod tests;

pub use read::{JournalEntry, JournalRead};
pub use record::{Record, RecordKind};

use guira_shm::sync::{AtomicU64, Ordering};

use crate::layout::control::CONTROL_JOURNAL_TAIL;
use crate::layout::journal::JOURNAL_RECORD_BYTES;
use crate::segment::Segment;
use crate::shared::Shared;

/// The journal of a segment of a cluster. Tickets count its records from 0 on, voids among them.
#[derive(Clone, Copy, Debug)]
pub struct Journal<'s> {
    segment: &'s Segment,
}

impl Segment {
    /// The journal; `None` in a segment of no cluster.
    ///
    /// ```
    /// use guira_segment::{JournalRead, RecordKind, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).cluster("shop").private()?;
    /// let journal = segment.journal().expect("it is of a cluster");
    /// segment.invalidate(b"key");
    /// let mut entries = Vec::new();
    /// assert_eq!(journal.read(0, 100, &mut entries), JournalRead::UpTo(1));
    /// let record = entries[0].record.expect("it was not voided");
    /// assert_eq!(record.kind, RecordKind::Invalidate);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn journal(&self) -> Option<Journal<'_>> {
        self.shared.has_journal().then_some(Journal { segment: self })
    }
}

impl<'s> Journal<'s> {
    fn shared(&self) -> &'s Shared {
        &self.segment.shared
    }

    /// The next ticket: every record that was appended has a smaller one.
    ///
    /// What `invalidate` and its kin appended before they returned is below the tail that is read after.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.shared().journal_tail()
    }

    /// The first ticket that may still be read.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.tail().saturating_sub(self.capacity())
    }

    /// How many records it holds.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.shared().geometry.counts.journal_records
    }
}

impl Shared {
    /// Whether the segment is of a cluster.
    #[inline]
    pub(crate) const fn has_journal(&self) -> bool {
        self.superblock.cluster != 0
    }

    pub(crate) fn journal_tail(&self) -> u64 {
        // SeqCst: pairs with the addition of an appender that then looks whether a reader sleeps. Acquire of
        // it: a word loaded before is not of a later ticket than the tail tells.
        self.word(CONTROL_JOURNAL_TAIL).load(Ordering::SeqCst)
    }

    fn journal_word(&self, ticket: u64, field: usize) -> &AtomicU64 {
        let slot = ticket as usize & (self.geometry.counts.journal_records as usize - 1);
        self.word(self.geometry.journal + slot * JOURNAL_RECORD_BYTES + field)
    }
}
