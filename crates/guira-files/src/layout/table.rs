//! Where the table's parts lie.
//!
//! | part | at | what |
//! |---|---|---|
//! | superblock | 0 | what never changes, and a check of it |
//! | control | 4096 | clocks, queue ends, counters |
//! | owners | 8192 | [`OWNERS`] processes, [`OWNER_BYTES`] each: who, what it counted, what it is about to change |
//! | groups | | the earliest end of each [`GROUP_RECORDS`] records |
//! | records | | one line each (`record`) |
//! | small queue, main queue | | twice as many places as records, a word each |
//! | ghosts | | as many words as records: what was evicted lately |

use super::record::RECORD_BYTES;

/// The first eight bytes: `GUIRAFIL`.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"GUIRAFIL");
/// Version of the table, of value files and of stubs.
pub(crate) const VERSION: u64 = 1;

pub(crate) const SUPERBLOCK_WORDS: usize = 16;
pub(crate) const SUPER_MAGIC: usize = 0;
pub(crate) const SUPER_VERSION: usize = 8;
/// A random number, drawn when the table is made: stubs and value files bear it.
pub(crate) const SUPER_LIFE: usize = 16;
pub(crate) const SUPER_ARBITER_LOW: usize = 24;
pub(crate) const SUPER_ARBITER_HIGH: usize = 32;
pub(crate) const SUPER_LIMIT_BYTES: usize = 40;
pub(crate) const SUPER_RECORDS: usize = 48;
pub(crate) const SUPER_SHARDS: usize = 56;
/// What the limit does not leave to values: table, index, directories.
pub(crate) const SUPER_OVERHEAD_BYTES: usize = 64;
/// Over all words before it.
pub(crate) const SUPER_CHECK: usize = 120;

pub(crate) const CONTROL: usize = 4096;
pub(crate) const CONTROL_BOOT_LOW: usize = CONTROL;
pub(crate) const CONTROL_BOOT_HIGH: usize = CONTROL + 8;
/// [`STATE_IN_USE`], [`STATE_CLEAN`] or [`STATE_OUTLIVED`].
pub(crate) const CONTROL_STATE: usize = CONTROL + 16;
pub(crate) const CONTROL_NEXT_NUMBER: usize = CONTROL + 64;
/// Where the search for a free record begins.
pub(crate) const CONTROL_FREE_HAND: usize = CONTROL + 72;
/// Where the sweep goes on.
pub(crate) const CONTROL_SWEEP_HAND: usize = CONTROL + 80;
/// Evictions, which ghosts are dated by.
pub(crate) const CONTROL_EVICTIONS: usize = CONTROL + 88;
/// Blocks of records in the small queue: roughly, for it steers only whence is evicted.
pub(crate) const CONTROL_SMALL_BLOCKS: usize = CONTROL + 96;
/// When the dead were last looked for, in ms since boot.
pub(crate) const CONTROL_LOOKED_MS: usize = CONTROL + 104;
/// Head and tail of the small queue, then of the main one, a line each.
pub(crate) const CONTROL_QUEUES: usize = CONTROL + 128;
pub(crate) const QUEUE_CONTROL_BYTES: usize = 128;
pub(crate) const QUEUE_TAIL: usize = 64;
/// The table's file: inode number and birth, hashed. A copy is another table's memory, and is outlived.
pub(crate) const CONTROL_FILE: usize = CONTROL + 256 + 152;
/// How many evictions more look for an orphan first: raised when one is met.
pub(crate) const CONTROL_ORPHANS: usize = CONTROL + 256 + 144;
/// Records that are not free: roughly, for it steers only where one is looked for.
pub(crate) const CONTROL_IN_USE: usize = CONTROL + 256 + 128;
/// A record that became free, and one more; 0 for none.
pub(crate) const CONTROL_FREED: usize = CONTROL + 256 + 136;
/// Rows of owners, from the first, that were ever taken.
pub(crate) const CONTROL_ROWS: usize = CONTROL + 112;
/// Whether directories of an earlier table are left to be removed.
pub(crate) const CONTROL_LEFTOVERS: usize = CONTROL + 120;
/// Counters for whoever wants to know.
pub(crate) const CONTROL_COUNTERS: usize = CONTROL + 512;
#[cfg(test)]
pub(crate) const COUNTERS: usize = 16;

pub(crate) const STATE_IN_USE: u64 = 1;
pub(crate) const STATE_CLEAN: u64 = 2;
/// Another table is about to take this one's place: nobody takes a row of it any more.
pub(crate) const STATE_OUTLIVED: u64 = 3;

/// Processes that may have a directory open at once.
pub(crate) const OWNERS: usize = 512;
pub(crate) const OWNERS_OFFSET: usize = 8192;
pub(crate) const OWNER_BYTES: usize = 128;
/// Pid, and how often the row was taken.
pub(crate) const OWNER_WORD: usize = 0;
pub(crate) const OWNER_START_TICKS: usize = 8;
pub(crate) const OWNER_PID_NAMESPACE: usize = 16;
/// Blocks that this row's processes ever took, and those they gave back: each only grows.
pub(crate) const OWNER_TAKEN: usize = 64;
pub(crate) const OWNER_GIVEN: usize = 72;
/// The change that is under way: record and kind (0 for none), the record's word before and after it, and what
/// `taken` or `given` is afterwards.
pub(crate) const OWNER_INTENT: usize = 80;
pub(crate) const OWNER_INTENT_FROM: usize = 88;
pub(crate) const OWNER_INTENT_TO: usize = 96;
pub(crate) const OWNER_INTENT_AFTER: usize = 104;

pub(crate) const GROUP_RECORDS: u64 = 256;

/// Most records: 26 bits.
pub(crate) const MAX_RECORDS: u64 = 1 << 26;

/// The offsets of a table of so many records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Geometry {
    pub(crate) records: u64,
    pub(crate) queue_places: u64,
    pub(crate) groups_offset: usize,
    pub(crate) records_offset: usize,
    pub(crate) queue_offsets: [usize; 2],
    pub(crate) ghosts_offset: usize,
    pub(crate) total_bytes: usize,
}

impl Geometry {
    /// `records` is at most [`MAX_RECORDS`].
    pub(crate) const fn of(records: u64) -> Self {
        let queue_places = records * 2;
        let groups_offset = OWNERS_OFFSET + OWNERS * OWNER_BYTES;
        let groups_bytes = records.div_ceil(GROUP_RECORDS) as usize * 8;
        let records_offset = (groups_offset + groups_bytes).next_multiple_of(4096);
        let small = records_offset + records as usize * RECORD_BYTES;
        let main = small + queue_places as usize * 8;
        let ghosts_offset = main + queue_places as usize * 8;
        Self {
            records,
            queue_places,
            groups_offset,
            records_offset,
            queue_offsets: [small, main],
            ghosts_offset,
            total_bytes: (ghosts_offset + records as usize * 8).next_multiple_of(4096),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_without_overlap() {
        let geometry = Geometry::of(1000);
        assert_eq!(geometry.groups_offset, 8192 + 512 * 128);
        assert_eq!(geometry.records_offset, 77_824);
        assert_eq!(geometry.queue_offsets, [141_824, 157_824]);
        assert_eq!(geometry.ghosts_offset, 173_824);
        assert_eq!(geometry.total_bytes, 184_320);
        assert!(Geometry::of(MAX_RECORDS).total_bytes < 8 << 30);
        const { assert!(CONTROL_COUNTERS + COUNTERS * 8 <= OWNERS_OFFSET) };
    }
}
