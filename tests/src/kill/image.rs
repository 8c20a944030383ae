//! Segments prepared once and copied for every run.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use guira_segment::{Expiry, PutOptions, Segment, SegmentBuilder};
use serde::{Deserialize, Serialize};

use super::KillError;

/// A prepared segment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Image {
    /// No file.
    Absent,
    /// Much room everywhere.
    Roomy,
    /// As roomy, every value with a check, compared on every read.
    Checked,
    /// As roomy, of a cluster.
    Clustered,
    /// An index without a hole: entries are moved between buckets, or evicted from it.
    FullIndex,
    /// Blocks are reclaimed: entries are evicted.
    FullLog,
    /// Half of what the blocks hold is dead: blocks are reclaimed and nothing is evicted.
    Gaps,
    /// Generations of two bits: the index is swept all the time.
    Wrapping,
    /// Two records and as few lines: threads use a common one.
    Scarce,
    /// Every kind of fault that a check knows, and checks of values.
    Damaged,
    /// On a disk, left in order.
    Disk,
    /// On a disk, left in order before the machine was started anew.
    DiskRebooted,
    /// On a disk, in use when the machine went down.
    DiskCrashed,
    /// The same; its values have checks.
    DiskCrashedChecked,
}

/// Keys that every roomy image holds, each for a purpose.
pub mod keys {
    /// Holds `10`, with the tag `red`.
    pub const NUMBER: &[u8] = b"number";
    /// Is not there.
    pub const ABSENT: &[u8] = b"absent";
    /// Holds `old`, marked as stale.
    pub const STALE: &[u8] = b"stale";
    /// Its hard deadline has passed.
    pub const EXPIRED: &[u8] = b"expired";
    /// Holds `old`, in a run of blocks of its own.
    pub const LARGE: &[u8] = b"large";
    /// In a full log: is read so often that it stays.
    pub const KEPT: &[u8] = b"kept";
    /// Its tag was invalidated.
    pub const SWEPT: &[u8] = b"swept";
}

/// The namespace beside the default one.
pub const SIDE: &str = "side";
/// A value that takes a run of two blocks.
pub const LARGE_BYTES: usize = 6_000;
const BYSTANDERS: usize = 24;
/// More than the log of a small image holds: its index does not fill up.
const ENTRIES: u64 = 900;
/// Puts that turn the log of a full image over.
const TURNOVER: usize = 600;

impl Image {
    /// Every image that is a file.
    pub const FILES: [Self; 13] = [
        Self::Roomy,
        Self::Checked,
        Self::Clustered,
        Self::FullIndex,
        Self::FullLog,
        Self::Gaps,
        Self::Wrapping,
        Self::Scarce,
        Self::Damaged,
        Self::Disk,
        Self::DiskRebooted,
        Self::DiskCrashed,
        Self::DiskCrashedChecked,
    ];

    /// How its segment is made and opened.
    #[must_use]
    pub fn builder(self) -> SegmentBuilder {
        let small = Segment::builder()
            .exact_blocks(2048, 96)
            .index_entries(256)
            .max_processes(8)
            .max_threads(16);
        match self {
            Self::FullIndex => small.index_entries(16),
            Self::FullLog | Self::Gaps => small.index_entries(ENTRIES),
            Self::Wrapping => small.index_entries(ENTRIES).generation_bits(2),
            Self::Scarce => small.max_processes(3).max_threads(4),
            Self::Checked | Self::Damaged => small.checked_values(true).verify_values(true),
            Self::Clustered => small.cluster("kill").journal_records(64),
            Self::DiskCrashedChecked => small.checked_values(true).salvage(true),
            _ => small,
        }
    }

    /// Whether it has to lie on a disk.
    #[must_use]
    pub const fn is_on_disk(self) -> bool {
        matches!(
            self,
            Self::Disk | Self::DiskRebooted | Self::DiskCrashed | Self::DiskCrashedChecked
        )
    }

    /// Whether who opens it first prepares it for this boot of the machine, and others wait for that.
    #[must_use]
    pub const fn is_of_another_boot(self) -> bool {
        matches!(
            self,
            Self::DiskRebooted | Self::DiskCrashed | Self::DiskCrashedChecked
        )
    }

    /// Whether opening it may lose entries, or using it.
    #[must_use]
    pub const fn is_lossy(self) -> bool {
        matches!(
            self,
            Self::FullIndex
                | Self::FullLog
                | Self::Wrapping
                | Self::Damaged
                | Self::DiskCrashed
                | Self::DiskCrashedChecked
        )
    }

    /// Where the prepared file lies.
    #[must_use]
    pub fn path_in(self, directory: &Path) -> PathBuf {
        directory.join(format!("{self:?}.image"))
    }

    /// Makes the prepared file.
    ///
    /// # Errors
    /// The file cannot be written, or the segment does not take what is put.
    pub fn prepare(self, directory: &Path) -> Result<(), KillError> {
        let path = self.path_in(directory);
        let segment = self.builder().create(&path)?;
        match self {
            Self::FullIndex => {
                for n in 0..64 {
                    put(&segment, format!("f{n}").as_bytes(), 24)?;
                }
            }
            _ => fill_roomy(&segment)?,
        }
        if matches!(self, Self::FullLog | Self::Wrapping) {
            put(&segment, keys::KEPT, 20)?;
            for n in 0..TURNOVER * 2 {
                put(&segment, format!("f{n}").as_bytes(), 300)?;
                drop(segment.get(keys::KEPT));
            }
        }
        if self == Self::Gaps {
            // Each leaves its dead predecessor behind, until hardly a block is free.
            for n in 0.. {
                put(&segment, format!("g{}", n % 40).as_bytes(), 300)?;
                if segment.stats().blocks.free <= 3 {
                    break;
                }
            }
        }
        if matches!(self, Self::DiskCrashed | Self::DiskCrashedChecked) {
            std::fs::copy(&path, path.with_extension("in-use"))?;
            drop(segment);
            std::fs::rename(path.with_extension("in-use"), &path)?;
        } else {
            drop(segment);
        }
        if self == Self::Damaged {
            super::damage::add_every_fault(&path, &self.builder())?;
        }
        if self.is_of_another_boot() {
            turn_boot_id(&path)?;
        }
        Ok(())
    }
}

/// Another boot id in the control page: what the machine's next boot finds.
fn turn_boot_id(path: &Path) -> Result<(), KillError> {
    const BOOT_ID: u64 = 4104;
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes, BOOT_ID)?;
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
    Ok(file.write_all_at(&bytes, BOOT_ID)?)
}

fn fill_roomy(segment: &Segment) -> Result<(), KillError> {
    let side = segment.namespace(SIDE)?;
    for n in 0..BYSTANDERS {
        let key = format!("by{n}");
        put(segment, key.as_bytes(), 8 + n * 17)?;
        put(&side, key.as_bytes(), 8 + n)?;
    }
    segment.put(keys::STALE, b"old", Expiry::never())?;
    segment.expire(keys::STALE);
    segment.put(
        b"limited",
        b"for a day",
        Expiry::after(Duration::from_secs(86_400)),
    )?;
    segment.put(keys::EXPIRED, b"old", Expiry::after(Duration::from_millis(1)))?;
    let gone: [&[u8]; 1] = [b"gone"];
    segment.put_with(keys::SWEPT, b"old", &PutOptions::default().tags(&gone))?;
    segment.invalidate_tag(b"gone");
    // Behind it, for the two tags may share a stamp.
    let red: [&[u8]; 1] = [b"red"];
    let tagged = PutOptions::default().tags(&red);
    segment.put_with(b"tagged", b"one of many", &tagged)?;
    segment.put_with(keys::NUMBER, b"10", &tagged)?;
    segment.put(keys::LARGE, &vec![b'o'; LARGE_BYTES], Expiry::never())?;
    while segment.contains(keys::EXPIRED) {
        std::thread::yield_now();
    }
    Ok(())
}

fn put(segment: &Segment, key: &[u8], value_bytes: usize) -> Result<(), KillError> {
    let value: Vec<u8> = key.iter().copied().cycle().take(value_bytes).collect();
    segment.put(key, &value, Expiry::never())?;
    Ok(())
}
