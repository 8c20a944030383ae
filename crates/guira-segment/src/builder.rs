//! How a segment is created or opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use guira_shm::clock::Clock;
use guira_shm::file::{CreateOptions, FileError, MappedFile, OpenRules, create_unnamed, open_checked};
use guira_shm::region::Region;

use crate::attach::AttachmentSlot;
use crate::clock::SegmentClock;
use crate::cluster::{hash_seed_of_cluster, id_of_cluster};
use crate::error::OpenError;
use crate::format::{declare_in_use, format_segment, random_u64, read_clock_offset};
use crate::layout::geometry::{Geometry, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, Wish};
use crate::layout::namespace::MAX_NAMESPACE_BYTES;
use crate::layout::superblock::{OPTION_CHECKED_VALUES, Superblock, Unchecked};
use crate::memory::Memory;
use crate::opening::read_superblock;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::truncation::LOST;

/// Settings for creating and opening; each has a default that is stated at its setter.
///
/// ```
/// use guira_segment::Segment;
///
/// # let directory = tempfile::tempdir_in("/dev/shm")?;
/// # let path = directory.path().join("app.guira");
/// let settings = Segment::builder().size(16 << 20).mode(0o660).allow_group(true);
/// let made = settings.create(&path)?;
/// let opened = settings.open(&path)?;
/// assert_eq!(made.path(), opened.path());
/// assert!(settings.create(&path).is_err(), "what exists is never overwritten");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SegmentBuilder {
    wish: Wish,
    cluster: Option<String>,
    mode: u32,
    allow_group: bool,
    checked_values: bool,
    verify_values: bool,
    salvage: bool,
    populate: bool,
    huge_pages: bool,
    outlive_truncation: bool,
    clock: Clock,
}

impl Default for SegmentBuilder {
    fn default() -> Self {
        Self {
            wish: Wish {
                size_bytes: 64 << 20,
                index_entries: None,
                processes: None,
                threads: None,
                blocks: None,
                generation_bits: 12,
                journal_records: None,
                is_clustered: false,
            },
            cluster: None,
            mode: 0o600,
            allow_group: false,
            checked_values: false,
            verify_values: false,
            salvage: false,
            populate: false,
            huge_pages: false,
            outlive_truncation: true,
            clock: Clock::system(),
        }
    }
}

impl SegmentBuilder {
    /// Bytes of the file, everything included; at least 8 MiB. Default 64 MiB. Only for creating.
    #[must_use]
    pub const fn size(mut self, bytes: u64) -> Self {
        self.wish.size_bytes = bytes;
        self
    }

    /// How many entries the index is made for; by default what fits at 160 bytes each. Ask for more
    /// when key, value and 36 bytes of header are together less than that.
    #[must_use]
    pub const fn index_entries(mut self, entries: u64) -> Self {
        self.wish.index_entries = Some(entries);
        self
    }

    /// How many processes can attach at once, at most 4,094; by default one for each 64 KiB of the
    /// file, at least 64, at most 2,048.
    #[must_use]
    pub const fn max_processes(mut self, processes: u64) -> Self {
        self.wish.processes = Some(processes);
        self
    }

    /// How many threads of all processes have a line of their own, at most 65,536; further ones take
    /// turns. By default one for each 64 KiB of the file, at least 128, at most 8,192.
    #[must_use]
    pub const fn max_threads(mut self, threads: u64) -> Self {
        self.wish.threads = Some(threads);
        self
    }

    /// Blocks of exactly `block_bytes` (a power of two, at least 1,024) instead of a size, for
    /// experiments with small worlds.
    #[must_use]
    pub const fn exact_blocks(mut self, block_bytes: u64, blocks: u64) -> Self {
        self.wish.blocks = Some((block_bytes, blocks));
        self
    }

    /// Bits of a generation that are compared, 2 to 12; by default 12. Fewer make generations wrap
    /// soon, which only a test wants.
    #[must_use]
    pub const fn generation_bits(mut self, bits: u64) -> Self {
        self.wish.generation_bits = bits;
        self
    }

    /// The cluster whose hosts keep each other's caches coherent: 1 to 104 bytes; by default none.
    ///
    /// A new segment is made for it: all segments of a name hash alike (so whoever knows the name can choose
    /// keys that share buckets), and each keeps a journal of its invalidations. An existing segment must be
    /// of this cluster, or [`OpenError::OtherCluster`]; without a name any is opened.
    ///
    /// ```
    /// use guira_segment::{OpenError, Segment};
    ///
    /// # let directory = tempfile::tempdir_in("/dev/shm")?;
    /// # let path = directory.path().join("app.guira");
    /// Segment::builder().size(8 << 20).cluster("shop").create(&path)?;
    /// assert!(Segment::builder().cluster("shop").open(&path).is_ok());
    /// assert!(Segment::builder().open(&path).is_ok());
    /// let refused = Segment::builder().cluster("school").open(&path);
    /// assert!(matches!(refused, Err(OpenError::OtherCluster { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cluster(mut self, name: &str) -> Self {
        self.wish.is_clustered = true;
        self.cluster = Some(name.to_owned());
        self
    }

    /// How many records the journal of a cluster's segment holds, rounded up to a power of two; by default
    /// one for each 4 KiB of the file, at least 64, at most 1,048,576. Only for creating.
    ///
    /// It must hold what is invalidated while no broker accepts anything: invalidations a second times the
    /// seconds of a fail-over, with a margin. A record takes 32 bytes; 300,000 a second for two seconds with as
    /// much again in reserve are 1,200,000 records, 64 MiB.
    #[must_use]
    pub const fn journal_records(mut self, records: u64) -> Self {
        self.wish.journal_records = Some(records);
        self
    }

    /// Permission bits of a new file; by default 0600. Only the owner, and the group if allowed,
    /// may be able to write.
    #[must_use]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Whether a file that its group can write is accepted; by default not. Whoever can write a
    /// segment is trusted to follow its protocol.
    #[must_use]
    pub const fn allow_group(mut self, allow: bool) -> Self {
        self.allow_group = allow;
        self
    }

    /// Whether each value of a new segment carries a check of its bytes (4 bytes more); by default
    /// not. `verify` then finds flipped bits in values, and a segment on disk can be salvaged.
    #[must_use]
    pub const fn checked_values(mut self, checked: bool) -> Self {
        self.checked_values = checked;
        self
    }

    /// Whether this handle compares values with their checks on every read; by default not. A value
    /// that does not fit is a miss, counted as damaged. Copies are compared as they were copied; bytes
    /// that are borrowed are compared once, before they are given out.
    #[must_use]
    pub const fn verify_values(mut self, verify: bool) -> Self {
        self.verify_values = verify;
        self
    }

    /// Whether a file that was not cleanly detached before a reboot is searched for entries with
    /// fitting checks, instead of being made anew; by default not. Salvaged values may be older than
    /// the last invalidation before the crash.
    #[must_use]
    pub const fn salvage(mut self, salvage: bool) -> Self {
        self.salvage = salvage;
        self
    }

    /// Whether the whole file is faulted in at creation and opening; by default not.
    #[must_use]
    pub const fn populate(mut self, populate: bool) -> Self {
        self.populate = populate;
        self
    }

    /// Whether the index and the log are gathered into huge pages at creation and opening, where the
    /// kernel can; by default not. It takes about half a second for each GiB.
    #[must_use]
    pub const fn huge_pages(mut self, huge: bool) -> Self {
        self.huge_pages = huge;
        self
    }

    /// Whether this process goes on when the file is cut while it is open; by default it does.
    ///
    /// It then has lost the segment: every read misses and counts as damaged, puts are
    /// [`crate::StoreError::Truncated`], `verify` names it, and the bytes that a [`crate::ValueRef`] borrows
    /// are zeroes. Values that were invalidated stay invalid for everybody. Drop the segment and open or
    /// create it again to go on. Without this, the kernel ends the process (SIGBUS) at its next access.
    ///
    /// It takes a handler of SIGBUS, installed once in a process, that passes on what does not concern a
    /// segment; [`guira_shm::truncation`] says exactly what it does and what it does not cover.
    #[must_use]
    pub const fn outlive_truncation(mut self, outlive: bool) -> Self {
        self.outlive_truncation = outlive;
        self
    }

    /// The clock; by default the system's. A test passes one that it moves itself.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Creates a new segment; the path must not exist.
    ///
    /// The file is made without a name, given all its space, formatted, and only then linked to its
    /// path: a creator that is killed leaves nothing behind, and of two at once one gets an error.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Segment, OpenError> {
        let path = path.as_ref();
        let superblock = self.plan()?;
        let options = CreateOptions {
            mode: self.mode,
            size_bytes: superblock.geometry.total_bytes as u64,
        };
        let pending = create_unnamed(path, &options)?;
        format_segment(pending.map().region(), &superblock, &self.clock, 1);
        declare_in_use(pending.map().region());
        let mut file = pending.publish(path)?;
        self.watch(&mut file)?;
        self.finish(Memory::of_file(file), superblock)
    }

    /// Opens an existing segment. Everything is checked before it is mapped.
    ///
    /// Safe to call: a file that anyone but its owner (or, if allowed, its group) can write is
    /// refused, and whoever can write it is trusted to follow the protocol. Truncating a file that is
    /// mapped is outside that trust; see [`SegmentBuilder::outlive_truncation`] for what happens then.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Segment, OpenError> {
        let path = path.as_ref();
        let file = open_checked(
            path,
            &OpenRules {
                allow_group_write: self.allow_group,
                writable: true,
            },
        )?;
        let superblock = read_superblock(&file, path)?;
        self.check_cluster(path, &superblock)?;
        let mut mapped = file.map(superblock.geometry.total_bytes as u64)?;
        self.watch(&mut mapped)?;
        crate::format::prepare_for_this_boot(&mapped, &superblock, &self.clock, self.salvage)?;
        self.finish(Memory::of_file(mapped), superblock)
    }

    /// Opens the segment at `path`, or creates it there if nothing is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_or_create(&self, path: impl AsRef<Path>) -> Result<Segment, OpenError> {
        let path = path.as_ref();
        loop {
            match self.open(path) {
                Err(OpenError::File(FileError::NotFound { .. })) => {}
                result => return result,
            }
            match self.create(path) {
                // Somebody was faster: open theirs.
                Err(OpenError::File(FileError::Exists { .. })) => {}
                result => return result,
            }
        }
    }

    /// A segment on this process's own memory: the same engine for one process and its threads.
    ///
    /// # Errors
    /// Sizes and counts out of range, or more memory than there is.
    pub fn private(&self) -> Result<Segment, OpenError> {
        let superblock = self.plan()?;
        let region = Region::try_heap(superblock.geometry.total_bytes).ok_or_else(|| OpenError::System {
            path: PathBuf::new(),
            action: "taking the memory of a private segment",
            source: std::io::ErrorKind::OutOfMemory.into(),
        })?;
        format_segment(&region, &superblock, &self.clock, 1);
        declare_in_use(&region);
        self.finish(Memory::private(region), superblock)
    }

    /// A private segment that begins with `image`, as a file with these bytes would: for whoever looks for
    /// bytes that harm.
    ///
    /// # Errors
    /// As [`SegmentBuilder::open`].
    #[doc(hidden)]
    pub fn private_image(&self, image: &[u8]) -> Result<Segment, OpenError> {
        let path = PathBuf::new();
        let head = image
            .first_chunk()
            .ok_or(OpenError::Foreign { path: path.clone() })?;
        let superblock = Unchecked(*head)
            .check()
            .map_err(|refusal| refusal.into_error(path))?;
        let whole = image.get(..superblock.geometry.total_bytes);
        let whole = whole.ok_or_else(|| OpenError::Truncated {
            path: PathBuf::new(),
            found_bytes: image.len() as u64,
            expected_bytes: superblock.geometry.total_bytes as u64,
        })?;
        let region = Region::heap(whole.len());
        region.copy_in(0, whole);
        self.finish(Memory::private(region), superblock)
    }

    fn watch(&self, file: &mut MappedFile) -> Result<(), FileError> {
        if self.outlive_truncation {
            file.outlive_truncation(LOST)?;
        }
        Ok(())
    }

    fn plan(&self) -> Result<Superblock, OpenError> {
        let geometry = Geometry::plan(&self.wish).map_err(|field| self.bad_option(field))?;
        if self.mode & !0o777 != 0 || self.mode & 0o600 != 0o600 || self.mode & 0o002 != 0 {
            return Err(OpenError::Options {
                field: "mode",
                problem: format!(
                    "{:04o} must let the owner read and write, and not everyone write",
                    self.mode
                ),
            });
        }
        let cluster = self.cluster.as_deref();
        if cluster.is_some_and(|name| name.is_empty() || name.len() > MAX_NAMESPACE_BYTES) {
            return Err(OpenError::Options {
                field: "cluster",
                problem: format!("a cluster's name has 1 to {MAX_NAMESPACE_BYTES} bytes"),
            });
        }
        Ok(Superblock {
            id: u128::from(random_u64()) << 64 | u128::from(random_u64()),
            hash_seed: cluster.map_or_else(random_u64, hash_seed_of_cluster),
            options: if self.checked_values {
                OPTION_CHECKED_VALUES
            } else {
                0
            },
            created_ms: self.clock.realtime_ms(),
            cluster: cluster.map_or(0, id_of_cluster),
            geometry,
        })
    }

    fn check_cluster(&self, path: &Path, superblock: &Superblock) -> Result<(), OpenError> {
        match &self.cluster {
            Some(name) if id_of_cluster(name) != superblock.cluster => Err(OpenError::OtherCluster {
                path: path.to_path_buf(),
                name: name.clone(),
                wanted: id_of_cluster(name),
                found: superblock.cluster,
            }),
            _ => Ok(()),
        }
    }

    fn bad_option(&self, field: &'static str) -> OpenError {
        let problem = match field {
            "size" => format!(
                "{} bytes; a segment has {MIN_SEGMENT_BYTES} (8 MiB) to {MAX_SEGMENT_BYTES} (1 TiB) bytes",
                self.wish.size_bytes
            ),
            "buckets" | "ghost lines" => format!(
                "{} entries do not fit; ask for fewer, or for a larger size",
                self.wish.index_entries.unwrap_or(0)
            ),
            "blocks" => "a segment has 4 to 16777216 blocks".to_owned(),
            "total size" => {
                "the regions do not fit; ask for a larger size, or fewer index entries, processes or threads"
                    .to_owned()
            }
            "attach records" => "a segment is for 1 to 4094 processes".to_owned(),
            "thread lines" => "a segment has 2 to 65536 thread lines".to_owned(),
            "journal records" => "a journal has 1 to 1073741824 records".to_owned(),
            "block size" => "a block is a power of two from 1024 bytes to 1 GiB".to_owned(),
            _ => "out of range".to_owned(),
        };
        let field = if matches!(field, "buckets" | "ghost lines") {
            "index entries"
        } else {
            field
        };
        OpenError::Options { field, problem }
    }

    fn finish(&self, memory: Memory, superblock: Superblock) -> Result<Segment, OpenError> {
        let offset_ms = read_clock_offset(memory.region());
        let attachment = AttachmentSlot::new().map_err(|source| OpenError::System {
            path: memory
                .file()
                .map(|file| file.path().to_path_buf())
                .unwrap_or_default(),
            action: "mapping a page that fork wipes",
            source: std::io::Error::other(source),
        })?;
        let clock = SegmentClock::new(self.clock.clone(), offset_ms);
        let shared = Shared::new(memory, superblock, clock, attachment, self.verify_values);
        if let Some(file) = shared.memory.file() {
            let all = 0..shared.geometry.total_bytes;
            if self.populate {
                file.populate(all)?;
            }
            if self.huge_pages {
                // Best effort: where the kernel refuses, reads cost a few more nanoseconds.
                file.collapse_huge(shared.geometry.index..shared.geometry.total_bytes);
            }
        }
        shared.attach()?;
        shared.check_still_whole()?;
        Ok(Segment::new(Arc::new(shared), 0))
    }
}
