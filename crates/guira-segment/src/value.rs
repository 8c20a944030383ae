//! A value borrowed from the segment.

use std::mem::ManuallyDrop;
use std::ops::Deref;

use guira_shm::mutant::Mutant;

use crate::entry::Found;
use crate::layout::slot::Location;
use crate::metadata::{Metadata, Version};
use crate::shared::Shared;
use crate::tags::Tags;

/// A value as it lies in the segment, without a copy. While it lives its block is not reused.
///
/// Keep it short: each holds a block of the log. When a thread holds eight, or all guards together
/// hold a quarter of the blocks, the next one carries a copy of its own instead, so that readers
/// cannot make every put fail. A guard does not survive `fork`: used in the child it panics rather
/// than show bytes that the parent no longer keeps. Bytes handed to the kernel (zero-copy send,
/// direct i/o) must not outlive it.
#[derive(Debug)]
pub struct ValueRef<'s> {
    shared: &'s Shared,
    hold: Hold<'s>,
}

#[derive(Debug)]
enum Hold<'s> {
    /// The entry, pinned by `attachment`'s guard pin until the drop below.
    Pinned {
        found: ManuallyDrop<Found<'s>>,
        attachment: u64,
    },
    Copied(Box<OwnCopy>),
}

/// What would be looked up in the entry.
#[derive(Debug)]
struct OwnCopy {
    bytes: Vec<u8>,
    metadata: Metadata,
    identity: Identity,
    tags: Tags,
}

/// Which entry a value was read from: where it lay, and the generation it carried.
pub(crate) type Identity = (Location, u16);

fn identity_of(found: &Found<'_>) -> Identity {
    (found.location, found.state.self_generation())
}

impl<'s> ValueRef<'s> {
    /// Which entry it was read from, for a computation that is to replace that one only.
    pub(crate) fn identity(&self) -> Identity {
        match &self.hold {
            Hold::Pinned { found, .. } => identity_of(found),
            Hold::Copied(copy) => copy.identity,
        }
    }

    /// Takes over the pin of a found entry.
    #[inline]
    pub(crate) fn pinned(shared: &'s Shared, found: Found<'s>) -> Self {
        let attachment = shared.attachment.id();
        Self {
            shared,
            hold: Hold::Pinned {
                found: ManuallyDrop::new(found),
                attachment,
            },
        }
    }

    /// This guard as a forked child has it, whose side of the segment is `child`.
    #[cfg(all(test, guira_model))]
    pub(crate) fn inherited_by<'c>(&self, child: &'c Shared) -> ValueRef<'c>
    where
        's: 'c,
    {
        let Hold::Pinned { found, attachment } = &self.hold else {
            panic!("a copy needs no pin")
        };
        let pinned = crate::pin::Pinned::inherited(&found.pinned);
        ValueRef {
            shared: child,
            hold: Hold::Pinned {
                found: ManuallyDrop::new(Found { pinned, ..**found }),
                attachment: *attachment,
            },
        }
    }

    /// Copies a found entry, whose pin the caller keeps.
    pub(crate) fn copied(shared: &'s Shared, found: &Found<'_>) -> Self {
        let metadata = shared.metadata(found, found.state);
        Self {
            shared,
            hold: Hold::Copied(Box::new(OwnCopy {
                bytes: shared.value_of(found),
                metadata,
                identity: identity_of(found),
                tags: shared.tags_of(found),
            })),
        }
    }

    /// The entry, if it is pinned.
    pub(crate) fn found(&self) -> Option<&Found<'s>> {
        self.entry()
    }

    /// The pinned entry; panics in a forked child, where the pin is not this process's.
    fn entry(&self) -> Option<&Found<'s>> {
        match &self.hold {
            Hold::Copied(_) => None,
            Hold::Pinned { found, attachment } => {
                assert!(
                    self.shared.attachment.id() == *attachment,
                    "a ValueRef was used in a forked child; take values after the fork"
                );
                Some(found)
            }
        }
    }

    /// Deadlines, age, size and version of the entry. The version costs a pass over the value.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        match (self.entry(), &self.hold) {
            (None, Hold::Copied(copy)) => copy.metadata,
            (None, Hold::Pinned { found, .. }) => self.shared.metadata(found, found.state),
            (Some(found), _) => self.shared.metadata(found, found.state),
        }
    }

    /// Past its soft deadline, or expired by `expire`: usable, but due for a refresh.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        match (self.entry(), &self.hold) {
            (Some(found), _) => self.shared.is_stale_entry(found, found.state),
            (None, Hold::Copied(copy)) => copy.metadata.is_stale,
            (None, Hold::Pinned { .. }) => false,
        }
    }

    /// The tags of the entry.
    #[must_use]
    pub fn tags(&self) -> Vec<Vec<u8>> {
        match (self.entry(), &self.hold) {
            (Some(found), _) => self.shared.tags_of(found).names(),
            (None, Hold::Copied(copy)) => copy.tags.names(),
            (None, Hold::Pinned { .. }) => Vec::new(),
        }
    }

    /// What `compare_and_swap` compares; costs a pass over the value.
    #[must_use]
    pub fn version(&self) -> Version {
        self.metadata().version
    }

    /// Whether the bytes lie in the segment, not in a copy of this guard's own.
    #[must_use]
    pub const fn is_borrowed(&self) -> bool {
        matches!(self.hold, Hold::Pinned { .. })
    }
}

impl Deref for ValueRef<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if let Some(found) = self.entry() {
            // SAFETY: the pin, set and checked before this guard was made and cleared only by its
            // drop, keeps the block from being reused, and entries do not change once LIVE; the
            // attachment's id shows that the pin is this process's.
            return unsafe {
                self.shared
                    .region()
                    .bytes(found.value_offset(), found.value_bytes())
            };
        }
        match &self.hold {
            Hold::Copied(copy) => &copy.bytes,
            Hold::Pinned { .. } => &[],
        }
    }
}

impl AsRef<[u8]> for ValueRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for ValueRef<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Hold::Pinned { found, attachment } = &mut self.hold
            && (self.shared.attachment.id() == *attachment || Mutant::InheritedGuardUnpins.is_on())
        {
            // In a forked child the pin is the parent's and stays.
            // SAFETY: dropped here and nowhere else; nothing uses it afterwards.
            unsafe { ManuallyDrop::drop(found) }
        }
    }
}
