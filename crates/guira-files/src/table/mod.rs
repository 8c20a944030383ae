//! The table that all processes of a directory share: which files there are, how much space they take, in which
//! order they go.
//!
//! # Life of a record
//!
//! ```text
//!   FREE --a process takes it, with the space its file will need--> HELD (owner)
//!   HELD --the space is corrected to what the file really took----> HELD (owner)
//!   HELD --the segment has the file's stub------------------------> LIVE
//!   HELD --nothing came of it-------------------------------------> DYING (owner)
//!   LIVE --evicted, replaced, removed, an orphan------------------> DYING (owner)
//!   DYING --the file's name is gone-------------------------------> FREE
//!   HELD, DYING --the owner died: whoever takes its row does------> LIVE if a stub names it, FREE otherwise
//! ```
//!
//! All of it is one word ([`RecordWord`]); every transition is one compare-and-swap. Of a HELD or DYING record only
//! its owner changes the word, or who holds the row of a dead owner.
//!
//! # Usage that a kill cannot falsify
//!
//! Usage is the sum of `blocks` over all records that are not FREE. Nobody adds them up: each process counts in its own
//! row what it `took` and what it `gave` back (`ledger`), and usage is what all took less what all gave. A change of a
//! record's word and of a counter are two steps, so a process writes down first what it is about to do: the record, its
//! word before and after, and what the counter will be. Whoever takes over a dead process's row sees from the record
//! whether the first step was done (no other process can have undone it: the record is HELD or DYING by the dead
//! one, or no longer is) and from the counter whether the second was, and does what is missing. Nothing is guessed,
//! nothing is added up anew.
//!
//! A process that is stopped keeps nobody waiting. Until it goes on, its files count, and its intent is only its
//! own: every step of it is a compare-and-swap that fails if somebody was faster.
//!
//! # The limit
//!
//! Whoever writes takes the space first, then looks at usage, and removes files until it is within the limit; only
//! then is the first byte written. Usage is read as all `given` first, then all `taken`: each only grows, so what is
//! read is never less than what was true at the moment between. So no two writers can both believe in the same room.

mod attach;
mod free;
mod ledger;
mod make;
mod owner;
#[cfg(test)]
mod tests;

pub(crate) use make::TableRules;
pub(crate) use owner::Owner;
#[cfg(test)]
pub(crate) use tests::table_at;

use std::path::Path;
use std::sync::Arc;

use guira_shm::file::MappedFile;
use guira_shm::fork::ForkLock;
use guira_shm::region::Region;
use guira_shm::sync::{AtomicU64, Ordering};

use crate::layout::record::{
    NO_TICKET, RECORD_BYTES, RECORD_DUE_MS, RECORD_KEY_HASH, RECORD_NAMESPACE_HASH, RECORD_NUMBER,
    RECORD_TICKET, RECORD_USES, RECORD_VERIFIED, RECORD_WORD, RecordWord,
};
use crate::layout::table::{CONTROL_COUNTERS, CONTROL_NEXT_NUMBER, Geometry};

/// The mapped table.
#[derive(Debug)]
pub(crate) struct Table {
    file: MappedFile,
    pub(crate) geometry: Geometry,
    pub(crate) life: u64,
    pub(crate) limit_bytes: u64,
    pub(crate) overhead_bytes: u64,
    pub(crate) shards: u32,
    /// This process's row; a forked child replaces what it inherited.
    owner: ForkLock<Option<Arc<Owner>>>,
}

/// What is counted in the table, by all processes together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counter {
    Written,
    Read,
    Missing,
    Corrupt,
    Evicted,
    Expired,
    Orphaned,
    Recovered,
    Verified,
    WrittenBytes,
}

/// What a record's hints say, and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordInfo {
    pub(crate) word: RecordWord,
    pub(crate) number: u64,
    pub(crate) key_hash: u64,
    pub(crate) namespace_hash: u64,
    pub(crate) due_ms: u64,
}

impl Table {
    pub(crate) fn region(&self) -> &Region {
        self.file.region()
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
        self.region().word(offset)
    }

    /// A word of a record; `record` is below the number of records, which callers see to.
    fn of_record(&self, record: u32, word: usize) -> &AtomicU64 {
        self.word(self.geometry.records_offset + record as usize * RECORD_BYTES + word)
    }

    pub(crate) const fn has_record(&self, record: u32) -> bool {
        (record as u64) < self.geometry.records
    }

    pub(crate) fn record(&self, record: u32) -> RecordWord {
        // Acquire: pairs with the Release of the change that made it so: what its owner wrote is there.
        RecordWord(self.of_record(record, RECORD_WORD).load(Ordering::Acquire))
    }

    pub(crate) fn record_word(&self, record: u32) -> &AtomicU64 {
        self.of_record(record, RECORD_WORD)
    }

    pub(crate) fn number(&self, record: u32) -> u64 {
        self.of_record(record, RECORD_NUMBER).load(Ordering::Relaxed)
    }

    pub(crate) fn due_ms(&self, record: u32) -> &AtomicU64 {
        self.of_record(record, RECORD_DUE_MS)
    }

    pub(crate) fn ticket(&self, record: u32) -> &AtomicU64 {
        self.of_record(record, RECORD_TICKET)
    }

    pub(crate) fn verified(&self, record: u32) -> &AtomicU64 {
        self.of_record(record, RECORD_VERIFIED)
    }

    pub(crate) fn uses(&self, record: u32) -> &AtomicU64 {
        self.of_record(record, RECORD_USES)
    }

    /// What the record is, all of one generation; `None` if it changed meanwhile.
    pub(crate) fn info(&self, record: u32) -> Option<RecordInfo> {
        let word = self.record(record);
        let info = RecordInfo {
            word,
            // Acquire, all: the second look at the word is behind them.
            number: self.of_record(record, RECORD_NUMBER).load(Ordering::Acquire),
            key_hash: self.of_record(record, RECORD_KEY_HASH).load(Ordering::Acquire),
            namespace_hash: self
                .of_record(record, RECORD_NAMESPACE_HASH)
                .load(Ordering::Acquire),
            due_ms: self.due_ms(record).load(Ordering::Acquire),
        };
        (self.record(record) == word).then_some(info)
    }

    /// Writes down what the file of a record that is HELD by the caller will be.
    pub(crate) fn describe(&self, record: u32, number: u64, hashes: [u64; 2], due_ms: u64) {
        let [key_hash, namespace_hash] = hashes;
        for (word, value) in [
            (RECORD_NUMBER, number),
            (RECORD_KEY_HASH, key_hash),
            (RECORD_NAMESPACE_HASH, namespace_hash),
            (RECORD_DUE_MS, due_ms),
            (RECORD_TICKET, NO_TICKET),
            (RECORD_VERIFIED, 0),
            (RECORD_USES, 0),
        ] {
            // Release: behind the claim of the record; pairs with the Acquires of `info`.
            self.of_record(record, word).store(value, Ordering::Release);
        }
    }

    /// A number that no file ever had.
    pub(crate) fn next_number(&self) -> u64 {
        self.word(CONTROL_NEXT_NUMBER).fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn count(&self, counter: Counter, by: u64) {
        self.counter(counter).fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn counted(&self, counter: Counter) -> u64 {
        self.counter(counter).load(Ordering::Relaxed)
    }

    fn counter(&self, counter: Counter) -> &AtomicU64 {
        self.word(CONTROL_COUNTERS + counter as usize * 8)
    }

    /// Space for values, in units of 512 bytes.
    pub(crate) const fn budget_blocks(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.overhead_bytes) / 512
    }
}
