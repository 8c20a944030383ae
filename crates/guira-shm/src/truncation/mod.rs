//! What a process does when a file that it has mapped is cut short.
//!
//! The kernel answers an access to a page that the file no longer has with the signal SIGBUS, which
//! ends the process. A process that watches its mapping ([`MappedFile::outlive_truncation`]) goes on
//! instead: a handler takes
//! the *whole* mapping away from the file, in one step, and puts zeroed private memory in its place.
//! From then on the process neither reads nor writes the file through it.
//!
//! # Why the whole mapping
//!
//! Zeroes in the lost pages alone would leave a process half in and half out: it could write an entry
//! where nobody else sees it and link it where everybody does. A process that is out as a whole can
//! hurt nobody, and one fault is all it takes, however many pages are lost. It stays out when the file
//! grows again: what the new pages hold is not what the old ones held.
//!
//! A [`Mark`] is a word that the zeroes begin with, so that whoever uses the memory finds a value there
//! that zeroes would not give. Other threads see the file's pages or the marked zeroes, nothing between:
//! the memory is prepared elsewhere and moved into place by one system call (`mremap`), during which no
//! access of theirs completes.
//!
//! # The handler
//!
//! Installed once in a process, by the first watch, on top of whatever was there. It looks the address
//! up in a fixed table of words that are read without a lock; for one that is in no watched mapping, for
//! a misaligned access, and for a SIGBUS that somebody sent, it does what would have been done without
//! it: calls the handler that was there before, with the same arguments, or takes the default action.
//! It asks for the alternate stack where a thread has one (`SA_ONSTACK`), blocks what the earlier handler
//! blocked, and leaves `errno` as it was.
//!
//! It calls `mmap`, `mremap`, `munmap`, `sigaction` and `raise`. POSIX lists the last two as safe in a
//! handler; the others are single system calls, whose wrappers in glibc and musl take no lock and
//! allocate nothing.
//!
//! # What is not covered
//!
//! * A handler that is installed later and does not pass on what it does not know.
//! * A thread that blocks SIGBUS: the kernel ends the process.
//! * Strict overcommit (`vm.overcommit_memory = 2`) or an address limit without room for the zeroes: the
//!   handler cannot help and the process ends as it would without it.
//! * References into the mapping: their bytes become zeroes while somebody looks at them.
//! * More than 1,024 watched mappings at once, and mappings in huge pages (hugetlbfs).
//!
//! [`MappedFile::outlive_truncation`]: crate::file::MappedFile::outlive_truncation

mod handler;
mod registry;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::Ordering;

use registry::Slot;

/// A word of the zeroes that take a lost mapping's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Where, from the mapping's first byte; a multiple of 8.
    pub offset_bytes: usize,
    /// What the word holds.
    pub value: u64,
}

/// A mapping that outlives its file's pages; until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    slot: &'static Slot,
}

impl Watch {
    /// Watches `len_bytes` of mapped memory from `start`.
    ///
    /// # Safety
    ///
    /// Until the watch is dropped, `start` is the beginning of a mapping in pages of 4096 bytes, of at
    /// least `len_bytes` rounded up to whole pages, that is the caller's to replace, and that nothing
    /// reaches but by atomics and opaque copies, or by references whose users know that the bytes may
    /// become zeroes.
    pub(crate) unsafe fn new(start: usize, len_bytes: usize, mark: Mark) -> io::Result<Watch> {
        assert!(
            mark.offset_bytes.is_multiple_of(8) && len_bytes.saturating_sub(mark.offset_bytes) >= 8,
            "a mark at offset {} of {len_bytes} bytes",
            mark.offset_bytes
        );
        handler::install()?;
        let slot = registry::claim(start, len_bytes, mark).ok_or_else(|| {
            io::Error::other("too many mappings are watched for truncation; close some, or open without it")
        })?;
        Ok(Watch { slot })
    }

    /// Whether the mapping was lost.
    pub(crate) fn lost(&self) -> Lost {
        Lost(self.slot)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.slot.release();
    }
}

/// Whether a watched mapping was lost; to be asked while it is watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lost(&'static Slot);

impl Lost {
    #[inline]
    pub(crate) fn is_so(self) -> bool {
        // Relaxed: whoever saw the zeroes sees this too, for it was stored before the kernel moved them.
        self.0.is_lost(Ordering::Relaxed)
    }
}
