//! Making the table, opening it, and putting a new one in the place of one that nobody can use.
//!
//! | found | done |
//! |---|---|
//! | no table | one is made: complete, or not at all |
//! | of this boot, or on a file system in memory | opened as it is: kills lose no store |
//! | of another boot, marked clean | goes on |
//! | of another boot, not clean | a new one: after a power failure its words and the files may be of any age |
//! | of another segment, and nobody has it open | a new one: no stub names its files |
//! | of another segment, in use | refused |
//! | damaged, or of another version | refused |
//!
//! A new table in the place of another has another life, so the stubs of the old one name nothing. Its directory of
//! values is a leftover then, which is removed bit by bit by those who write (`leftovers`).

use std::path::Path;

use guira_shm::clock::Clock;
use guira_shm::file::{CreateOptions, FileError, OpenRules, create_unnamed, open_checked};
use guira_shm::fork::{ForkLock, process_id};
use guira_shm::lock::{ByteLocks, RECORD_LOCK_BASE};
use guira_shm::process::boot_id;
use guira_shm::region::Region;
use guira_shm::sync::Ordering;
use guira_shm::truncation::Mark;
use xxhash_rust::xxh3::xxh3_64;

use super::Table;
use crate::error::FilesError;
use crate::layout::table::{
    CONTROL_BOOT_HIGH, CONTROL_BOOT_LOW, CONTROL_NEXT_NUMBER, CONTROL_STATE, Geometry, MAGIC, MAX_RECORDS,
    OWNERS, STATE_CLEAN, STATE_IN_USE, SUPER_ARBITER_HIGH, SUPER_ARBITER_LOW, SUPER_CHECK, SUPER_LIFE,
    SUPER_LIMIT_BYTES, SUPER_MAGIC, SUPER_OVERHEAD_BYTES, SUPER_RECORDS, SUPER_SHARDS, SUPER_VERSION,
    SUPERBLOCK_WORDS, VERSION,
};

/// Held by who puts a new table in the place of an old one.
const RENEWAL_LOCK: u64 = RECORD_LOCK_BASE + OWNERS as u64;

/// What shows in the place of a table that was cut while it was open: a version that there is not.
const LOST: Mark = Mark {
    offset_bytes: SUPER_VERSION,
    value: u64::MAX,
};

/// What a new table is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TableRules {
    pub(crate) arbiter: u128,
    pub(crate) limit_bytes: u64,
    pub(crate) overhead_bytes: u64,
    pub(crate) records: u64,
    pub(crate) shards: u32,
}

/// What an existing table can be used for.
enum Fitness {
    Fit,
    /// A new one has to take its place.
    Outlived,
    /// Another segment's, and in use.
    Others,
}

impl Table {
    /// Opens the table at `path`, which is of the segment `arbiter`; `None` if there is none that can be used. Whether
    /// one was there is told to `renew`.
    pub(crate) fn open(path: &Path, arbiter: u128) -> Result<Option<Self>, FilesError> {
        loop {
            let rules = OpenRules {
                allow_group_write: false,
                writable: true,
            };
            let opened = match open_checked(path, &rules) {
                Ok(opened) => opened,
                Err(FileError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let mut superblock = [0; SUPERBLOCK_WORDS * 8];
            opened.read_exact_at(0, &mut superblock)?;
            let (rules, life) = parse(path, &superblock)?;
            let geometry = Geometry::of(rules.records);
            let mut file = opened.map(geometry.total_bytes as u64)?;
            file.outlive_truncation(LOST)?;
            let locks = ByteLocks::new(file.reopen()?);
            let table = Self {
                file,
                geometry,
                life,
                limit_bytes: rules.limit_bytes,
                overhead_bytes: rules.overhead_bytes,
                shards: rules.shards,
                owner: ForkLock::new(None),
            };
            match table.fitness(&locks, rules.arbiter == arbiter) {
                Fitness::Fit => return Ok(Some(table)),
                Fitness::Others => {
                    let path = path.to_path_buf();
                    return Err(FilesError::OtherSegment { path });
                }
                Fitness::Outlived => {}
            }
            // One at a time; who comes later finds the name gone, or another table.
            if locks.try_lock(RENEWAL_LOCK).unwrap_or(false) && table.file.reopen().is_ok() {
                guira_shm::directory::remove_file(path)
                    .map_err(|source| FilesError::io("remove an outlived table", path, source))?;
            }
            std::thread::yield_now();
        }
    }

    fn fitness(&self, locks: &ByteLocks, is_of_arbiter: bool) -> Fitness {
        let region = self.region();
        if !is_of_arbiter {
            return if self.is_attached(locks) {
                Fitness::Others
            } else {
                Fitness::Outlived
            };
        }
        if !self.file.survives_reboot() || is_of_this_boot(region) || self.is_attached(locks) {
            return Fitness::Fit;
        }
        // Acquire: what the mark says was written back before.
        if region.word(CONTROL_STATE).load(Ordering::Acquire) != STATE_CLEAN {
            return Fitness::Outlived;
        }
        region.word(CONTROL_STATE).store(STATE_IN_USE, Ordering::Relaxed);
        store_boot(region);
        // The mark must be gone from the disk before anything else changes there.
        if self.file.sync(0..8192).is_ok() {
            Fitness::Fit
        } else {
            Fitness::Outlived
        }
    }

    /// Makes a table at `path`. `None` if somebody was faster.
    pub(crate) fn create(path: &Path, rules: &TableRules) -> Result<Option<()>, FilesError> {
        let geometry = Geometry::of(rules.records);
        let pending = create_unnamed(path, &CreateOptions::new(geometry.total_bytes as u64))?;
        let region = pending.map().region();
        let words = [
            (SUPER_MAGIC, MAGIC),
            (SUPER_VERSION, VERSION),
            (SUPER_LIFE, random_life()),
            (SUPER_ARBITER_LOW, rules.arbiter as u64),
            (SUPER_ARBITER_HIGH, (rules.arbiter >> 64) as u64),
            (SUPER_LIMIT_BYTES, rules.limit_bytes),
            (SUPER_RECORDS, rules.records),
            (SUPER_SHARDS, u64::from(rules.shards)),
            (SUPER_OVERHEAD_BYTES, rules.overhead_bytes),
        ];
        for (offset, word) in words {
            region.write_u64(offset, word);
        }
        let mut superblock = Vec::new();
        region.append_to(0, SUPER_CHECK, &mut superblock);
        region.write_u64(SUPER_CHECK, xxh3_64(&superblock));
        // Above all numbers that an earlier table of this directory gave: a million a second are not given.
        region.write_u64(CONTROL_NEXT_NUMBER, Clock::system().realtime_ms() * 1000);
        region.write_u64(CONTROL_STATE, STATE_IN_USE);
        store_boot(region);
        match pending.publish(path) {
            Ok(_) => Ok(Some(())),
            Err(FileError::Exists { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn parse(path: &Path, superblock: &[u8; SUPERBLOCK_WORDS * 8]) -> Result<(TableRules, u64), FilesError> {
    let word = |at: usize| {
        let bytes = superblock.get(at..at + 8).and_then(|bytes| bytes.first_chunk());
        u64::from_le_bytes(bytes.copied().unwrap_or_default())
    };
    let damaged = |problem| FilesError::Damaged {
        path: path.to_path_buf(),
        problem,
    };
    if word(SUPER_MAGIC) != MAGIC {
        return Err(damaged("its first bytes are not those of a table of files"));
    }
    if word(SUPER_VERSION) != VERSION {
        return Err(damaged("it is of another version than this library's"));
    }
    let before = superblock.get(..SUPER_CHECK).unwrap_or(&[]);
    let (records, shards) = (word(SUPER_RECORDS), word(SUPER_SHARDS));
    if word(SUPER_CHECK) != xxh3_64(before)
        || records == 0
        || records > MAX_RECORDS
        || shards == 0
        || shards > 4096
    {
        return Err(damaged("its superblock is damaged"));
    }
    let rules = TableRules {
        arbiter: u128::from(word(SUPER_ARBITER_HIGH)) << 64 | u128::from(word(SUPER_ARBITER_LOW)),
        limit_bytes: word(SUPER_LIMIT_BYTES),
        overhead_bytes: word(SUPER_OVERHEAD_BYTES),
        records,
        shards: shards as u32,
    };
    Ok((rules, word(SUPER_LIFE)))
}

fn random_life() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds its hashers from the kernel's generator.
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u64(process_id());
    hasher.finish() | 1
}

/// A kernel without `/proc` tells no boot id: then the table is taken as of this boot.
fn is_of_this_boot(region: &Region) -> bool {
    boot_words().is_none_or(|[low, high]| {
        region.read_u64(CONTROL_BOOT_LOW) == low && region.read_u64(CONTROL_BOOT_HIGH) == high
    })
}

fn store_boot(region: &Region) {
    let [low, high] = boot_words().unwrap_or_default();
    region.write_u64(CONTROL_BOOT_LOW, low);
    region.write_u64(CONTROL_BOOT_HIGH, high);
}

fn boot_words() -> Option<[u64; 2]> {
    let id = u128::from_le_bytes(boot_id()?);
    Some([id as u64, (id >> 64) as u64])
}
