//! A value borrowed from the segment.

use std::ops::Deref;

use guira_shm::sync::AtomicU64;

use crate::metadata::Metadata;
use crate::pin::unpin;
use crate::shared::Shared;

/// A value as it lies in the segment, without a copy. While it lives its block is not reused.
///
/// Keep it short: each holds a block of the log. When a thread holds eight, or all guards together
/// hold a quarter of the blocks, the next one carries a copy of its own instead, so that readers
/// cannot make every put fail. A guard does not survive `fork`: used in the child it panics rather
/// than show bytes that the parent no longer keeps. Bytes handed to the kernel (zero-copy send,
/// direct i/o) must not outlive it.
#[derive(Debug)]
pub struct ValueRef<'s> {
    pub(crate) shared: &'s Shared,
    pub(crate) hold: Hold<'s>,
    pub(crate) metadata: Metadata,
}

#[derive(Debug)]
pub(crate) enum Hold<'s> {
    Pinned {
        pin: &'s AtomicU64,
        attachment: u64,
        offset: usize,
        bytes: usize,
    },
    Copied(Vec<u8>),
}

impl ValueRef<'_> {
    /// Deadlines, age, size and version of the entry.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Past its soft deadline, or expired by `expire`: usable, but due for a refresh.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.metadata.is_stale
    }

    /// What `compare_and_swap` compares.
    #[must_use]
    pub const fn version(&self) -> crate::Version {
        self.metadata.version
    }

    /// Whether the bytes lie in the segment, not in a copy of this guard's own.
    #[must_use]
    pub const fn is_borrowed(&self) -> bool {
        matches!(self.hold, Hold::Pinned { .. })
    }
}

impl Deref for ValueRef<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.hold {
            Hold::Copied(bytes) => bytes,
            Hold::Pinned {
                attachment,
                offset,
                bytes,
                ..
            } => {
                assert!(
                    self.shared.attachment.id() == *attachment,
                    "a ValueRef was used in a forked child; take values after the fork"
                );
                // SAFETY: the pin, set and checked before this guard was made and cleared only by
                // its drop, keeps the block from being reused, and entries do not change once LIVE;
                // the attachment's id shows that the pin is this process's.
                unsafe { self.shared.region().bytes(*offset, *bytes) }
            }
        }
    }
}

impl AsRef<[u8]> for ValueRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for ValueRef<'_> {
    fn drop(&mut self) {
        if let Hold::Pinned { pin, attachment, .. } = self.hold
            && self.shared.attachment.id() == attachment
        {
            // In a forked child the pin is the parent's and stays.
            unpin(pin);
        }
    }
}
