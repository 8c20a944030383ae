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
//! | a copy of a table: the directory was copied or restored | a new one |
//! | damaged, or of another version | refused |
//!
//! A new table in the place of another has another life, so the stubs of the old one name nothing. Its directory of
//! values is a leftover then, which is removed bit by bit by those who write (`leftovers`).

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use guira_shm::clock::Clock;
use guira_shm::file::{CreateOptions, FileError, MappedFile, OpenRules, create_unnamed, open_checked};
use guira_shm::fork::{ForkLock, process_id};
use guira_shm::futex;
use guira_shm::lock::{ByteLocks, RECORD_LOCK_BASE};
use guira_shm::process::boot_id;
use guira_shm::region::Region;
use guira_shm::sync::Ordering;
use guira_shm::truncation::Mark;
use xxhash_rust::xxh3::xxh3_64;

use super::Table;
use crate::error::FilesError;
use crate::layout::table::{
    CONTROL_BOOT_HIGH, CONTROL_BOOT_LOW, CONTROL_FILE, CONTROL_NEXT_NUMBER, CONTROL_STATE, Geometry, MAGIC,
    MAX_RECORDS, OWNERS, STATE_CLEAN, STATE_IN_USE, STATE_OUTLIVED, SUPER_ARBITER_HIGH, SUPER_ARBITER_LOW,
    SUPER_CHECK, SUPER_LIFE, SUPER_LIMIT_BYTES, SUPER_MAGIC, SUPER_OVERHEAD_BYTES, SUPER_RECORDS,
    SUPER_SHARDS, SUPER_VERSION, SUPERBLOCK_WORDS, VERSION,
};

/// Held by who puts a new table in the place of an old one.
pub(super) const RENEWAL_LOCK: u64 = RECORD_LOCK_BASE + OWNERS as u64;

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

/// How long another process may take to renew a table.
const RENEWAL_WAIT_MS: u64 = if cfg!(any(test, guira_points)) { 30 } else { 5_000 };

/// What a table is called behind its name until it is complete, where it takes another's place.
pub(crate) const SUCCESSOR: &str = "coming";

/// What an existing table can be used for.
enum Fitness {
    Fit,
    /// Left in order by another boot: fit once it is marked as of this one.
    FitIfMarked,
    /// A new one has to take its place.
    Outlived,
    /// Another segment's, and in use.
    Others,
}

const TRUSTED: OpenRules = OpenRules {
    allow_group_write: false,
    writable: true,
};

impl Table {
    /// The segment whose files the table at `path` counts; `None` if there is no table.
    pub(crate) fn arbiter_of(path: &Path) -> Result<Option<u128>, FilesError> {
        let opened = match open_checked(path, &TRUSTED) {
            Ok(opened) => opened,
            Err(FileError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut superblock = [0; SUPERBLOCK_WORDS * 8];
        opened.read_exact_at(0, &mut superblock)?;
        let (rules, _) = parse(path, &superblock)?;
        Ok(Some(rules.arbiter))
    }

    /// Opens the table at `path`, which is of the segment `arbiter`; `None` if there is none. One that cannot be used any
    /// more is replaced by a new one of the same limits.
    pub(crate) fn open(path: &Path, arbiter: u128) -> Result<Option<Self>, FilesError> {
        let clock = Clock::system();
        let begin_ms = clock.now_ms();
        loop {
            let opened = match open_checked(path, &TRUSTED) {
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
            let is_of_arbiter = rules.arbiter == arbiter;
            match table.fitness(&locks, is_of_arbiter) {
                Fitness::Fit => return Ok(Some(table)),
                Fitness::Others => {
                    let path = path.to_path_buf();
                    return Err(FilesError::OtherSegment { path });
                }
                Fitness::FitIfMarked | Fitness::Outlived => {}
            }
            let io = |action| move |source| FilesError::io(action, path, source);
            if !locks.try_lock(RENEWAL_LOCK).map_err(io("lock"))? {
                let waited_ms = clock.now_ms().saturating_sub(begin_ms);
                if waited_ms > RENEWAL_WAIT_MS {
                    let path = path.to_path_buf();
                    return Err(FilesError::Busy { path, waited_ms });
                }
                // Nobody wakes: the lock is asked again soon.
                let state = table.word(CONTROL_STATE);
                futex::wait(
                    state,
                    state.load(Ordering::Relaxed) as u32,
                    Duration::from_millis(10),
                );
                continue;
            }
            // Whoever had the lock before may have put another table in this one's place.
            if !table.is_named() {
                continue;
            }
            match table.fitness(&locks, is_of_arbiter) {
                Fitness::FitIfMarked if table.mark_for_this_boot() => return Ok(Some(table)),
                Fitness::FitIfMarked | Fitness::Outlived if table.is_given_up(&locks) => {
                    let successor = TableRules { arbiter, ..rules };
                    Self::put_in_its_place(path, &successor)?;
                }
                _ => {}
            }
        }
    }

    /// What the table is fit for; certain only for who has the renewal lock.
    fn fitness(&self, locks: &ByteLocks, is_of_arbiter: bool) -> Fitness {
        let region = self.region();
        // Acquire: what the state says was written back, or decided, before.
        let state = region.word(CONTROL_STATE).load(Ordering::Acquire);
        // A copy, of a backup say: what it counts and which numbers it gave is not true of this directory.
        let is_copy = region.read_u64(CONTROL_FILE) != file_word(&self.file);
        if state == STATE_OUTLIVED || is_copy && !self.is_attached(locks) {
            return Fitness::Outlived;
        }
        if !is_of_arbiter {
            return if self.is_attached(locks) {
                Fitness::Others
            } else {
                Fitness::Outlived
            };
        }
        if !self.file.survives_reboot() || is_of_this_boot(region) || self.is_attached(locks) {
            Fitness::Fit
        } else if state == STATE_CLEAN {
            Fitness::FitIfMarked
        } else {
            Fitness::Outlived
        }
    }

    /// Makes a table that another boot left in order one of this boot. False if the disk does not take it.
    fn mark_for_this_boot(&self) -> bool {
        let region = self.region();
        region.word(CONTROL_STATE).store(STATE_IN_USE, Ordering::Relaxed);
        store_boot(region);
        // The mark must be gone from the disk before anything else changes there.
        self.file.sync(0..8192).is_ok()
    }

    /// Says that nobody shall take a row of this table any more, and whether nobody has one. The caller has the renewal
    /// lock.
    pub(super) fn is_given_up(&self, locks: &ByteLocks) -> bool {
        let state = self.word(CONTROL_STATE);
        // SeqCst: before the look at the rows; pairs with `take_row`, whose look at the state is behind its row. One of
        // the two sees the other.
        state.store(STATE_OUTLIVED, Ordering::SeqCst);
        if !self.is_attached(locks) {
            return true;
        }
        // SeqCst: as above.
        state.store(STATE_IN_USE, Ordering::SeqCst);
        false
    }

    /// Whether the table's path still leads to it.
    pub(crate) fn is_named(&self) -> bool {
        let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
        let own = self.file.reopen().ok().and_then(|file| file.metadata().ok());
        let named = std::fs::symlink_metadata(self.path()).ok();
        own.is_some() && own.map(identity) == named.map(identity)
    }

    /// Puts a new table, of the same limits, in the place of one that is given up. The caller has that one's renewal lock.
    fn put_in_its_place(path: &Path, rules: &TableRules) -> Result<(), FilesError> {
        let coming = path.with_extension(SUCCESSOR);
        let io = |source| FilesError::io("renew", path, source);
        // Of one who died here.
        guira_shm::directory::remove_file(&coming).map_err(io)?;
        Self::create(&coming, rules)?;
        guira_shm::directory::replace_file(&coming, path).map_err(io)
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
        region.write_u64(CONTROL_FILE, file_word(pending.map()));
        region.write_u64(CONTROL_STATE, STATE_IN_USE);
        store_boot(region);
        match pending.publish(path) {
            Ok(_) => Ok(Some(())),
            Err(FileError::Exists { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Tells a table's file from copies of it, and from such that were given its inode number.
fn file_word(file: &MappedFile) -> u64 {
    let number = file.file_identity().1.to_le_bytes();
    let born_ns = file.born_ns().to_le_bytes();
    xxh3_64(&[number.as_slice(), &born_ns].concat())
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
