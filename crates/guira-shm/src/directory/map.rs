//! A file of a value, mapped for reading.

use super::FileState;
use super::read::copy_of;
use memmap2::{Advice, Mmap, MmapOptions};
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Deref;

/// A map of at most so many bytes has its pages from the start, which costs less than the faults of who reads it. A
/// longer one may be looked at in a few places only.
const PAGES_AT_ONCE_BYTES: usize = 256 << 10;

/// The first bytes of a file, mapped read-only and shared with every process that maps it: the bytes are in memory
/// once.
///
/// Whoever may write the file is trusted not to, as long as it is mapped: its bytes would change under a reference,
/// and a read behind the end of a file that was cut ends the process (SIGBUS). Value files are made for one reader's
/// user with a mode that lets nobody write, and are never written after they have a name.
pub struct ReadMap {
    map: Option<Mmap>,
    is_here: bool,
}

impl ReadMap {
    /// Maps the first `len_bytes` of `file`, which has them: no value file is cut.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] for a shorter file, and what the kernel says.
    pub fn of(file: &File, len_bytes: u64) -> io::Result<ReadMap> {
        Self::of_state(file, &FileState::of(file)?, len_bytes)
    }

    /// As [`ReadMap::of`], of a file whose state has just been looked at.
    ///
    /// # Errors
    /// As there.
    pub fn of_state(file: &File, state: &FileState, len_bytes: u64) -> io::Result<ReadMap> {
        if state.len_bytes < len_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let len = usize::try_from(len_bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if len == 0 {
            return Ok(ReadMap {
                map: None,
                is_here: true,
            });
        }
        let mut options = MmapOptions::new();
        options.len(len);
        // SAFETY: nobody writes or cuts a value file that has a name, which is what this type's users
        // promise and its documentation asks of whoever could.
        let map = unsafe { options.map(file) }?;
        // Kernels before 5.14 do not know it: whoever reads takes the faults.
        let is_here = len <= PAGES_AT_ONCE_BYTES && map.advise(Advice::PopulateRead).is_ok();
        Ok(ReadMap {
            map: Some(map),
            is_here,
        })
    }

    /// Whether the kernel has got all pages from the disk without an error: to read them raises no signal, unless the file is
    /// cut.
    #[must_use]
    pub const fn is_here(&self) -> bool {
        self.is_here
    }

    /// A copy of what lies behind the first `begin` bytes.
    #[must_use]
    pub fn copy_from(&self, begin: usize) -> Vec<u8> {
        copy_of(self.get(begin..).unwrap_or_default())
    }

    /// Tells the kernel that all of it will be read from front to back soon.
    pub fn will_be_read_through(&self) {
        if let Some(map) = &self.map {
            // Advice: nothing depends on it.
            let _ = map.advise(Advice::Sequential);
        }
    }

    /// Tells the kernel that single places will be read.
    pub fn will_be_read_here_and_there(&self) {
        if let Some(map) = &self.map {
            // As above.
            let _ = map.advise(Advice::Normal);
        }
    }
}

impl Deref for ReadMap {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}

impl fmt::Debug for ReadMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mapped bytes", self.len())
    }
}
