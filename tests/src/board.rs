//! The board: a small mapped file through which the conductor of an experiment and its workers tell
//! each other how far they are. It outlives every worker that is killed.

use std::path::Path;

use guira_shm::file::{CreateOptions, FileError, MappedFile, OpenRules, create_unnamed, open_checked};
use guira_shm::sync::{AtomicU64, Ordering};

const HEAD_WORDS: usize = 512;
const HEAD_END: usize = 0;
const HEAD_ROWS: usize = 1;
const HEAD_EXTRA: usize = 2;
const HEAD_OWN_ROWS: usize = 3;
const HEAD_TICKETS: usize = 4;

/// Words of a row.
pub const ROW_WORDS: usize = 512;
/// Operations that were completed.
pub const ROW_OPERATIONS: usize = 0;
/// Stops of the worker that the conductor began; written before the signal.
pub const ROW_STOPS_BEGUN: usize = 1;
/// Stops of the worker that the conductor ended; written after the signal.
pub const ROW_STOPS_ENDED: usize = 2;
/// Values that were wrong.
pub const ROW_WRONG: usize = 3;
/// Operations that took too long without an excuse.
pub const ROW_SLOW: usize = 4;
/// Operations that took too long because their thread waited for a processor.
pub const ROW_DELAYED: usize = 5;
/// Operations that took too long because their own process was stopped.
pub const ROW_STOPPED: usize = 6;
/// The longest operation of a worker that was not stopped meanwhile, and its kind.
pub const ROW_LONGEST_NS: usize = 7;
/// The kind of that operation.
pub const ROW_LONGEST_KIND: usize = 8;
/// The longest operation less the time its thread waited for a processor.
pub const ROW_LONGEST_OWN_NS: usize = 9;
/// The kind of that operation.
pub const ROW_LONGEST_OWN_KIND: usize = 10;
/// Writes that were refused for lack of space.
pub const ROW_NO_SPACE: usize = 11;
/// Writes that gave up against other writers.
pub const ROW_CONTENDED: usize = 12;
/// Reads that found a value.
pub const ROW_HITS: usize = 13;
/// Reads that found none.
pub const ROW_MISSES: usize = 14;
/// Misses of keys that had a value all the time.
pub const ROW_FALSE_MISSES: usize = 15;
/// Fills and puts that were superseded.
pub const ROW_SUPERSEDED: usize = 16;
/// One more than the kind of the operation under way; 0 between operations.
pub const ROW_CURRENT: usize = 17;
/// Writes of large values that were refused for lack of a run of blocks.
pub const ROW_NO_RUN: usize = 18;
/// Of the longest operation, at most this was spent on a processor, ns.
pub const ROW_LONGEST_RAN_NS: usize = 19;
/// The same of the one that is longest without waits for a processor, ns.
pub const ROW_LONGEST_OWN_RAN_NS: usize = 20;
/// Children that were forked.
pub const ROW_FORKS: usize = 21;
/// Of these, killed by their parent.
pub const ROW_FORKED_KILLS: usize = 22;
/// Programs that were replaced by exec without detaching.
pub const ROW_EXECS: usize = 23;
/// Attachments, one for each handle that was opened.
pub const ROW_JOINS: usize = 24;
/// Attachments that were refused because every record or line was taken.
pub const ROW_REFUSED_JOINS: usize = 25;
/// Operations that were refused in forked children that could not attach.
pub const ROW_NOT_ATTACHED: usize = 26;
/// Processes that closed every descriptor.
pub const ROW_DAEMONS: usize = 27;
/// When the operation under way began, ns on the monotonic clock.
pub const ROW_BEGAN_NS: usize = 28;
/// How long operations that took long were found asleep for the kernel's own reasons, ns.
pub const ROW_BLOCKED_NS: usize = 29;
/// Operations that took too long because the kernel kept them waiting, mostly for a disk.
pub const ROW_DISK: usize = 30;
/// Completed operations by kind.
pub const ROW_KINDS: usize = 32;
/// Kinds that fit.
pub const MAX_KINDS: usize = 32;
/// Durations, see [`crate::stopwatch`].
pub const ROW_HISTOGRAM: usize = ROW_KINDS + MAX_KINDS;
/// Words of the histogram.
pub const HISTOGRAM_WORDS: usize = ROW_WORDS - ROW_HISTOGRAM;

/// The mapped board.
#[derive(Debug)]
pub struct Board {
    file: MappedFile,
    rows: usize,
    own_rows: usize,
}

impl Board {
    /// Creates a board of `own_rows` rows, one for each thread of each worker, of `shared_rows` rows that
    /// several processes write, and of `extra_words` more.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(
        path: &Path,
        own_rows: usize,
        shared_rows: usize,
        extra_words: usize,
    ) -> Result<Self, FileError> {
        let rows = own_rows + shared_rows;
        let words = HEAD_WORDS + rows * ROW_WORDS + extra_words;
        let pending = create_unnamed(path, &CreateOptions::new(words as u64 * 8))?;
        let region = pending.map().region();
        region.write_u64(HEAD_ROWS * 8, rows as u64);
        region.write_u64(HEAD_OWN_ROWS * 8, own_rows as u64);
        region.write_u64(HEAD_EXTRA * 8, extra_words as u64);
        let file = pending.publish(path)?;
        Ok(Self { file, rows, own_rows })
    }

    /// Opens the board that the conductor made.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = open_checked(
            path,
            &OpenRules {
                allow_group_write: false,
                writable: true,
            },
        )?;
        let len_bytes = file.len_bytes()?;
        let file = file.map(len_bytes)?;
        let rows = file.region().read_u64(HEAD_ROWS * 8) as usize;
        let own_rows = file.region().read_u64(HEAD_OWN_ROWS * 8) as usize;
        Ok(Self { file, rows, own_rows })
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        self.file.region().word(index * 8)
    }

    /// Tells every worker to finish.
    pub fn end(&self) {
        self.word(HEAD_END).store(1, Ordering::Release);
    }

    /// Whether the workers are to finish.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.word(HEAD_END).load(Ordering::Acquire) != 0
    }

    /// Word `field` of row `row`.
    #[must_use]
    pub fn row_word(&self, row: usize, field: usize) -> &AtomicU64 {
        self.word(HEAD_WORDS + row * ROW_WORDS + field)
    }

    /// Word `index` of the extra words.
    #[must_use]
    pub fn extra_word(&self, index: usize) -> &AtomicU64 {
        self.word(HEAD_WORDS + self.rows * ROW_WORDS + index)
    }

    /// Adds to a word that, unless its row is a shared one, only the caller's thread writes.
    pub fn add(&self, row: usize, field: usize, count: u64) {
        let word = self.row_word(row, field);
        if row >= self.own_rows {
            word.fetch_add(count, Ordering::Relaxed);
            return;
        }
        word.store(word.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// A number that nobody else gets.
    pub fn ticket(&self) -> u64 {
        self.word(HEAD_TICKETS).fetch_add(1, Ordering::Relaxed)
    }

    /// The first shared row.
    #[must_use]
    pub const fn first_shared_row(&self) -> usize {
        self.own_rows
    }

    /// Rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The sum of `field` over all rows.
    #[must_use]
    pub fn sum(&self, field: usize) -> u64 {
        (0..self.rows)
            .map(|row| self.row_word(row, field).load(Ordering::Relaxed))
            .sum()
    }

    /// The first of `fields` where it is largest of all rows, and the others of the same row.
    #[must_use]
    pub fn largest<const N: usize>(&self, fields: [usize; N]) -> Option<[u64; N]> {
        (0..self.rows)
            .map(|row| fields.map(|field| self.row_word(row, field).load(Ordering::Relaxed)))
            .max()
    }
}
