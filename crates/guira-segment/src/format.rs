//! Writing an empty segment, and taking over one that another boot of the machine left.
//!
//! | boot id | mark | what is done |
//! |---|---|---|
//! | this boot's | any | nothing: killed processes lose no store, the file is what it was |
//! | another | clean | the clock is set on from the time of the mark, everything is kept |
//! | another | none | made anew, or salvaged on request: pages reached the disk in any order |
//!
//! A file of another boot id that some process is attached to is of this boot all the same. The last
//! two happen under the format lock, a byte below the records' bytes, after a second look.

use std::time::Duration;

use guira_shm::clock::Clock;
use guira_shm::file::MappedFile;
use guira_shm::futex;
use guira_shm::lock::{ByteLocks, RECORD_LOCK_BASE};
use guira_shm::process::boot_id;
use guira_shm::region::Region;
use guira_shm::sync::Ordering;

use crate::attach::is_attached;
use crate::error::OpenError;
use crate::layout::block::{BLOCK_WORD_BYTES, BlockState, BlockWord};
use crate::layout::control::{
    CONTROL_BOOT_HIGH, CONTROL_BOOT_LOW, CONTROL_CLEAN_MS, CONTROL_CLEAN_REALTIME_MS, CONTROL_CLOCK,
    CONTROL_CLOCK_OFFSET, CONTROL_OFFSET, CONTROL_STATE, STATE_CLEAN, STATE_FORMATTING, STATE_IN_USE,
};
use crate::layout::record::{RECORD_BYTES, RECORD_OWNER};
use crate::layout::superblock::Superblock;
use crate::salvage::salvage;

const FORMAT_LOCK: u64 = RECORD_LOCK_BASE - 1;
/// How long an opener waits for another that re-initialises the file; short in the build whose
/// processes are stopped in the middle of that thousands of times.
const FORMAT_WAIT_MS: u64 = if cfg!(guira_points) { 30 } else { 5_000 };

/// Writes everything an empty segment holds besides zeros. The superblock comes last but one: the
/// file has no name yet.
pub(crate) fn format_segment(region: &Region, superblock: &Superblock, clock: &Clock, generation: u32) {
    let geometry = &superblock.geometry;
    for block in 0..geometry.blocks() as usize {
        let word = BlockWord::new(generation, BlockState::Free);
        region
            .word(geometry.block_words + block * BLOCK_WORD_BYTES)
            .store(word.0, Ordering::Relaxed);
    }
    // The clock of a new segment begins at one second, so that zero is always past.
    store_clock_offset(region, 1_000_i64.wrapping_sub_unsigned(clock.now_ms()));
    region.word(CONTROL_CLOCK).store(1, Ordering::Relaxed);
    region.copy_in(0, &superblock.encode());
}

/// Says that the segment is complete and of this boot: the last thing that whoever formats it does.
pub(crate) fn declare_in_use(region: &Region) {
    store_boot_id(region);
    // Release: everything is there before the state says so.
    region.word(CONTROL_STATE).store(STATE_IN_USE, Ordering::Release);
}

/// Makes the file fit for this boot of the machine.
pub(crate) fn prepare_for_this_boot(
    file: &MappedFile,
    superblock: &Superblock,
    clock: &Clock,
    may_salvage: bool,
) -> Result<(), OpenError> {
    if !file.survives_reboot() || is_of_this_boot(file.region()) {
        return Ok(());
    }
    let locks = ByteLocks::new(file.reopen()?);
    let begin_ms = clock.now_ms();
    loop {
        let locked = locks.try_lock(FORMAT_LOCK).map_err(|source| OpenError::System {
            path: file.path().to_path_buf(),
            action: "locking the file to re-initialise it",
            source,
        })?;
        if locked {
            break;
        }
        let waited_ms = clock.now_ms().saturating_sub(begin_ms);
        if waited_ms > FORMAT_WAIT_MS {
            return Err(OpenError::Busy {
                path: file.path().to_path_buf(),
                waited_ms,
            });
        }
        // Whoever formats wakes nobody; the lock is asked again soon.
        futex::wait(
            file.region().word(CONTROL_STATE),
            STATE_FORMATTING as u32,
            Duration::from_millis(10),
        );
    }
    let region = file.region();
    if !is_of_this_boot(region) && is_in_use(region, &locks, superblock) {
        // Byte locks do not survive a boot: it was made or taken into use by a process that could
        // not tell the boot id.
        store_boot_id(region);
    }
    if !is_of_this_boot(region) {
        // Acquire, and Release below: what a state says was done before it was stored; the format lock
        // excludes other formatters.
        if region.word(CONTROL_STATE).load(Ordering::Acquire) == STATE_CLEAN {
            continue_clock(region, clock);
        } else {
            region
                .word(CONTROL_STATE)
                .store(STATE_FORMATTING, Ordering::Release);
            let salvaged = may_salvage && salvage(region, superblock, clock);
            if !salvaged {
                let geometry = &superblock.geometry;
                region.zero(CONTROL_OFFSET, geometry.arena - CONTROL_OFFSET);
                // A random first generation: what the log still holds is of none.
                format_segment(region, superblock, clock, random_u64() as u32 | 1);
            }
        }
        declare_in_use(region);
    }
    drop(locks);
    Ok(())
}

/// Whether some process holds an attach record.
fn is_in_use(region: &Region, locks: &ByteLocks, superblock: &Superblock) -> bool {
    let geometry = &superblock.geometry;
    (0..geometry.counts.records as u16).any(|record| {
        let owner = region.word(geometry.records + record as usize * RECORD_BYTES + RECORD_OWNER);
        is_attached(owner, locks, record)
    })
}

/// After a clean detach: deadlines go on by the wall clock, which counted while the machine was off.
fn continue_clock(region: &Region, clock: &Clock) {
    let clean_ms = region.word(CONTROL_CLEAN_MS).load(Ordering::Relaxed);
    let clean_realtime_ms = region.word(CONTROL_CLEAN_REALTIME_MS).load(Ordering::Relaxed);
    // A wall clock that was set back cannot make entries younger than they were.
    let away_ms = clock.realtime_ms().saturating_sub(clean_realtime_ms);
    let segment_ms = clean_ms.saturating_add(away_ms);
    store_clock_offset(region, (segment_ms as i64).wrapping_sub_unsigned(clock.now_ms()));
}

/// A kernel without `/proc` tells no boot id: then the file is taken as of this boot.
fn is_of_this_boot(region: &Region) -> bool {
    let Some((low, high)) = boot_words() else {
        return true;
    };
    // Acquire: pairs with the Release of `store_boot_id`: a file of this boot is ready.
    region.word(CONTROL_BOOT_LOW).load(Ordering::Acquire) == low
        && region.word(CONTROL_BOOT_HIGH).load(Ordering::Acquire) == high
}

fn store_boot_id(region: &Region) {
    let (low, high) = boot_words().unwrap_or((0, 0));
    // Release: pairs with the Acquire of `is_of_this_boot`.
    region.word(CONTROL_BOOT_LOW).store(low, Ordering::Release);
    region.word(CONTROL_BOOT_HIGH).store(high, Ordering::Release);
}

fn boot_words() -> Option<(u64, u64)> {
    let id = u128::from_le_bytes(boot_id()?);
    Some((id as u64, (id >> 64) as u64))
}

fn store_clock_offset(region: &Region, offset_ms: i64) {
    // Release: pairs with the Acquire of `read_clock_offset`.
    region
        .word(CONTROL_CLOCK_OFFSET)
        .store(offset_ms as u64, Ordering::Release);
}

pub(crate) fn read_clock_offset(region: &Region) -> i64 {
    // Acquire: pairs with the Release of `store_clock_offset`.
    region.word(CONTROL_CLOCK_OFFSET).load(Ordering::Acquire) as i64
}

/// A random number: the standard library seeds its hashers from the kernel's generator.
pub(crate) fn random_u64() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u64(guira_shm::fork::process_id());
    hasher.finish()
}
