//! A file and its mapping.

use super::{FileError, FileSystem, KeptFile};
use crate::region::{REGION_ALIGN_BYTES, Region};
use crate::sync::{Ordering, point};
use crate::truncation::{Lost, Mark, Watch};
use memmap2::{Advice, MmapMut, MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

/// Size of a huge page, to which mappings are aligned.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// A file whose first bytes are mapped as a [`Region`].
#[derive(Debug)]
pub struct MappedFile {
    region: Region,
    file: KeptFile,
    path: PathBuf,
    writable: bool,
    identity: (u64, u64),
    born_ns: u128,
    /// Of the region's watch, if there is one: a copy that is quick to ask.
    lost: Option<Lost>,
}

impl MappedFile {
    /// Maps `len_bytes` of `file`, shared if writable and privately otherwise.
    pub(super) fn map(
        file: File,
        path: PathBuf,
        len_bytes: u64,
        writable: bool,
    ) -> Result<MappedFile, FileError> {
        let metadata = file.metadata().map_err(|e| FileError::io("inspect", &path, e))?;
        let region = map_region(&file, len_bytes, writable).map_err(|e| FileError::io("map", &path, e))?;
        let identity = (metadata.dev(), metadata.ino());
        let born = metadata.created().ok();
        let born = born.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Ok(MappedFile {
            region,
            file: KeptFile::new(file),
            path,
            writable,
            identity,
            born_ns: born.map_or(0, |at| at.as_nanos()),
            lost: None,
        })
    }

    /// The mapped memory.
    #[inline]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The file behind it, by the descriptor that it was mapped from: in a process that closed its
    /// descriptors, that may be none or another's.
    pub fn file(&self) -> &File {
        self.file.unchecked()
    }

    /// Its absolute path (of a pending file: the one it is meant for).
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether stores to the region reach the file. Where they do not, this
    /// process alone sees its own stores.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether the file may be there after a reboot: not on tmpfs and hugetlbfs. Where the file
    /// system cannot be asked, the careful answer is yes.
    pub fn survives_reboot(&self) -> bool {
        !matches!(
            self.file
                .checked()
                .map(|file| FileSystem::check(file, &self.path)),
            Ok(Ok(FileSystem::Tmpfs | FileSystem::Hugetlbfs))
        )
    }

    /// From now on, an access to a page that the file lost (it was cut, or the disk failed) does not end
    /// this process: the whole region becomes zeroes of this process alone, and `mark`. See
    /// [`truncation`](crate::truncation), also for what is not covered.
    ///
    /// # Errors
    ///
    /// When the handler cannot be installed, or too many mappings are watched.
    ///
    /// # Panics
    ///
    /// When the mark is not inside the region.
    pub fn outlive_truncation(&mut self, mark: Mark) -> Result<(), FileError> {
        let start = self.region.start().expose_provenance();
        let mapping = self.mapping();
        if mapping.watch.get().is_none() {
            // SAFETY: the region's bytes, mapped as long as `mapping` lives, which drops the watch before
            // its memory; regions reach them by atomics and opaque copies, and by slices whose makers
            // answer for what other processes do to them.
            let watch = unsafe { Watch::new(start, self.region.len(), mark) }
                .map_err(|e| FileError::io("watch", &self.path, e))?;
            // Nobody else could have set it: `self` is borrowed mutably.
            let _ = mapping.watch.set(watch);
        }
        self.lost = self.mapping().watch.get().map(Watch::lost);
        Ok(())
    }

    /// Whether the region was taken away from the file because the file was cut. Never so without
    /// [`outlive_truncation`](MappedFile::outlive_truncation).
    #[inline]
    pub fn is_lost(&self) -> bool {
        // The row is this mapping's: `region` keeps the mapping, and with it the watch.
        self.lost.is_some_and(Lost::is_so)
    }

    /// Device and inode numbers.
    pub fn file_identity(&self) -> (u64, u64) {
        self.identity
    }

    /// When the file was made, in ns since 1970; 0 where the file system does not say. Inode numbers are given again,
    /// so only with this they tell a file from one that was made later.
    pub fn born_ns(&self) -> u128 {
        self.born_ns
    }

    /// The file's length now, in bytes.
    ///
    /// # Errors
    ///
    /// When the file cannot be inspected.
    pub fn current_len_bytes(&self) -> Result<u64, FileError> {
        let metadata = match self.file.checked() {
            Ok(file) => file.metadata(),
            Err(_) => self.reopen()?.metadata(),
        };
        Ok(metadata
            .map_err(|e| FileError::io("inspect", &self.path, e))?
            .len())
    }

    /// Opens the same file anew: the result shares neither locks nor position
    /// with [`file`](MappedFile::file).
    ///
    /// # Errors
    ///
    /// [`FileError::Reopen`] when this process may no longer open the file, or
    /// neither `/proc` nor the path leads to it.
    pub fn reopen(&self) -> Result<File, FileError> {
        let access = if self.writable {
            OFlag::O_RDWR
        } else {
            OFlag::O_RDONLY
        } | OFlag::O_CLOEXEC;
        let shown = PathBuf::from(format!("/proc/self/fd/{}", self.file.unchecked().as_raw_fd()));
        let by_number = self.open_same(&shown, access);
        by_number
            .or_else(|_| self.open_same(&self.path, access | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK))
            .map_err(|source| FileError::Reopen {
                path: self.path.clone(),
                source,
            })
    }

    /// Maps the first `len_bytes` bytes of the same file once more.
    ///
    /// # Errors
    ///
    /// As [`reopen`](MappedFile::reopen), and [`FileError::Truncated`] when the file is shorter.
    pub fn map_again(&self, len_bytes: u64) -> Result<MappedFile, FileError> {
        let file_bytes = self.current_len_bytes()?;
        if file_bytes < len_bytes {
            return Err(FileError::Truncated {
                path: self.path.clone(),
                needed_bytes: len_bytes,
                len_bytes: file_bytes,
            });
        }
        MappedFile::map(self.reopen()?, self.path.clone(), len_bytes, self.writable)
    }

    /// Writes the bytes of `range` to the disk and waits for it.
    ///
    /// # Errors
    ///
    /// What the kernel says when writing fails.
    pub fn sync(&self, range: Range<usize>) -> Result<(), FileError> {
        let range = self.checked(range);
        point("write back");
        self.mapping()
            .flush(range)
            .map_err(|e| FileError::io("write back", &self.path, e))
    }

    /// Makes the pages of `range` present and writable now, so that later
    /// accesses do not fault.
    ///
    /// # Errors
    ///
    /// When memory or disk space is short, or the file was cut.
    pub fn populate(&self, range: Range<usize>) -> Result<(), FileError> {
        let range = self.checked(range);
        if range.is_empty() {
            return Ok(());
        }
        let advice = if self.writable {
            Advice::PopulateWrite
        } else {
            Advice::PopulateRead
        };
        loop {
            match self.mapping().advise(advice, range.clone()) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Older kernels do not know this advice.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
                Err(error) => return Err(FileError::io("populate", &self.path, error)),
            }
        }
        let first = range.start - range.start % REGION_ALIGN_BYTES;
        for page in (first..range.end).step_by(REGION_ALIGN_BYTES) {
            if self.writable {
                // Adds nothing, yet makes the page writable.
                self.region.word(page).fetch_or(0, Ordering::Relaxed);
            } else {
                self.region.word(page).load(Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Asks the kernel to back the whole huge pages (2 MiB) in `range` by huge
    /// pages; says how many bytes are now. Best effort: 0 where it will not.
    pub fn collapse_huge(&self, range: Range<usize>) -> usize {
        let range = self.checked(range);
        let mut collapsed_bytes = 0;
        let mut at = range.start.next_multiple_of(HUGE_PAGE_BYTES);
        while at + HUGE_PAGE_BYTES <= range.end {
            let start = self.region.start().wrapping_add(at);
            // SAFETY: the huge page lies inside the mapping; collapsing keeps its content.
            let result = unsafe { libc::madvise(start.cast(), HUGE_PAGE_BYTES, libc::MADV_COLLAPSE) };
            if result == 0 {
                collapsed_bytes += HUGE_PAGE_BYTES;
            } else if Errno::last() == Errno::EINVAL {
                break; // not supported here: no need to ask for every page
            }
            at += HUGE_PAGE_BYTES;
        }
        collapsed_bytes
    }

    pub(super) fn set_path(&mut self, path: PathBuf) {
        self.path = path;
    }

    fn open_same(&self, path: &Path, flags: OFlag) -> io::Result<File> {
        let file = File::from(open(path, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if (metadata.dev(), metadata.ino()) == self.identity {
            return Ok(file);
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "another file has its name now",
        ))
    }

    fn checked(&self, range: Range<usize>) -> Range<usize> {
        assert!(
            range.start <= range.end && range.end <= self.region.len(),
            "{range:?} is outside the region of {} bytes",
            self.region.len()
        );
        range
    }

    fn mapping(&self) -> &Mapping {
        self.region
            .owner()
            .downcast_ref()
            .expect("a mapped file's region is a mapping")
    }
}

/// The memory of a mapped file.
struct Mapping {
    /// Declared first: it ends before the memory is unmapped.
    watch: OnceLock<Watch>,
    /// The file's pages, or a reservation that holds them.
    memory: MmapRaw,
    /// Where the file's pages begin in `memory`.
    lead_bytes: usize,
}

impl Mapping {
    fn flush(&self, range: Range<usize>) -> io::Result<()> {
        self.memory
            .flush_range(self.lead_bytes + range.start, range.len())
    }

    fn advise(&self, advice: Advice, range: Range<usize>) -> io::Result<()> {
        self.memory
            .advise_range(advice, self.lead_bytes + range.start, range.len())
    }
}

fn map_region(file: &File, len_bytes: u64, writable: bool) -> io::Result<Region> {
    let len_bytes = usize::try_from(len_bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    if len_bytes < 8 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "there are no 8 bytes to map",
        ));
    }
    let mapping = match map_aligned(file, len_bytes, writable) {
        Some(mapping) => mapping,
        None => Mapping {
            watch: OnceLock::new(),
            memory: map_anywhere(file, len_bytes, writable)?,
            lead_bytes: 0,
        },
    };
    let start = mapping.memory.as_mut_ptr().wrapping_add(mapping.lead_bytes);
    let start = NonNull::new(start).expect("no mapping lies at address 0");
    // SAFETY: `mapping` holds these bytes mapped readable and writable until it is
    // dropped, and hands out no reference to them.
    Ok(unsafe { Region::over(start, len_bytes, Arc::new(mapping)) })
}

/// Maps at a multiple of the huge page size, without which the kernel cannot use
/// huge pages: reserves more addresses than needed and puts the file in.
fn map_aligned(file: &File, len_bytes: usize, writable: bool) -> Option<Mapping> {
    if len_bytes < HUGE_PAGE_BYTES {
        return None;
    }
    let reserved_bytes = len_bytes.checked_add(HUGE_PAGE_BYTES)?;
    let reservation: MmapMut = MmapOptions::new()
        .len(reserved_bytes)
        .no_reserve_swap()
        .map_anon()
        .ok()?;
    let memory = MmapRaw::from(reservation);
    let lead_bytes = memory.as_ptr().align_offset(HUGE_PAGE_BYTES);
    let sharing = if writable {
        libc::MAP_SHARED
    } else {
        libc::MAP_PRIVATE | libc::MAP_NORESERVE
    };
    // SAFETY: replaces pages inside the reservation, which nothing refers to yet.
    let mapped = unsafe {
        libc::mmap(
            memory.as_mut_ptr().wrapping_add(lead_bytes).cast(),
            len_bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            sharing | libc::MAP_FIXED,
            file.as_raw_fd(),
            0,
        )
    };
    (mapped != libc::MAP_FAILED).then_some(Mapping {
        watch: OnceLock::new(),
        memory,
        lead_bytes,
    })
}

fn map_anywhere(file: &File, len_bytes: usize, writable: bool) -> io::Result<MmapRaw> {
    let mut options = MmapOptions::new();
    options.len(len_bytes);
    if writable {
        return options.map_raw(file);
    }
    options.no_reserve_swap();
    // SAFETY: the mapping is turned into a raw one at once; no reference to its bytes is made.
    Ok(unsafe { options.map_copy(file) }?.into())
}
