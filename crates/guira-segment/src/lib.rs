//! One mapped file that all worker processes of a machine share as a cache: bytes in, bytes out.
//!
//! ```
//! use guira_segment::{Expiry, Segment};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir_in("/dev/shm")?;
//! # let path = directory.path().join("app.guira");
//! let segment = Segment::builder().size(16 << 20).open_or_create(&path)?;
//! segment.put(b"key", b"value", Expiry::after(Duration::from_secs(300)))?;
//! if let Some(value) = segment.get(b"key") {
//!     let bytes: &[u8] = &value; // borrowed from the mapping, pinned while `value` lives
//!     assert_eq!(bytes, b"value");
//! }
//! let mut buffer = Vec::new();
//! assert!(segment.get_into(b"key", &mut buffer));
//! assert!(segment.remove(b"key"));
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! * The **index** is a two-choice cuckoo table of single-word slots, which are only hints (`index`).
//! * The **log** holds immutable entries in blocks; an entry's state word is the only arbiter of
//!   replace, remove and relocate (`log`, `layout::entry`).
//! * A **pin** keeps a block from being reused while its bytes are in use (`pin`).
//! * The **invalidation clock** and the stamps keep values that were computed before an invalidation
//!   from appearing after it (`ops::store`).
//! * **Death** is what the kernel says of a byte lock; what a dead process held is given back by
//!   whoever needs it (`attach`).
//!
//! Nobody waits for anybody: there is no lock in the mapping, and a process may be killed or stopped
//! between any two instructions. The byte-level contract is `shm-layout.md`.
//!
//! # What is promised, exactly
//!
//! The numbers are those of `docs/proof.md`, which tells what each was attacked with.
//!
//! 1. After [`Segment::invalidate`] returns, no read on this host gives a value whose put *began*, or
//!    whose fill token was taken, before. A put that begins later is taken as newer by definition,
//!    whenever its value was computed: whoever computed from a source uses [`Segment::fill`], takes the
//!    token before the source is read, and the source must not lag. A read or guard that began before
//!    may still show the old value. `expire` promises less: the value stays readable, marked stale.
//! 2. A read gives bytes that one put wrote under that very key, all of them (of damage see 6).
//! 3. A process that is killed or stopped at any instruction keeps no operation of another waiting,
//!    but who asked to wait for its flight; none fails, and none sees half of what it did.
//! 4. A counter, an append, a compare-and-swap that reported success happened exactly once; one that did not
//!    report because its process died, at most once. Eviction may drop any entry, and a counter then
//!    begins anew.
//! 5. One computation of each key among all that ask for a flight. A dead leader is replaced within a tenth
//!    of a second after the kernel has freed its lock, which takes 0.15 s where it had a whole GiB
//!    mapped; a stopped one at the end of its patience.
//! 6. A damaged, truncated, foreign or older file gives errors, misses and named faults, never a signal, a
//!    panic or an endless walk. What is seen to be damaged is a miss, counted in [`Stats::damaged`];
//!    the next put of the key replaces it. Bytes of values are compared only where they carry checks
//!    and the handle verifies ([`SegmentBuilder::checked_values`], [`SegmentBuilder::verify_values`]), and
//!    then no value is given that was not written under its key. Without, a flipped bit in a value
//!    is returned; a damaged header passes its check of twelve bits once in 4,096 times, and the value is
//!    then too long or too short; where the words that say which space is free are damaged, it may be
//!    torn; and where whole pages changed places, it may be another key's. A process whose segment's
//!    file is cut while it is open goes on without it: reads miss, puts are [`StoreError::Truncated`],
//!    until the segment is opened anew ([`SegmentBuilder::outlive_truncation`]).
//! 7. A miss is always allowed: entries are evicted when room is needed.

#![warn(missing_docs)]
#![warn(clippy::indexing_slicing)]

mod attach;
mod born;
mod builder;
mod clock;
mod cluster;
mod coherence;
mod computing;
mod entry;
mod error;
mod expiry;
mod flight;
mod format;
mod groups;
mod index;
mod inspect;
mod journal;
mod key;
mod layout;
mod log;
mod memory;
mod metadata;
#[cfg(all(test, guira_model))]
mod models;
mod modify;
mod namespaces;
mod opening;
mod ops;
mod options;
mod pin;
mod removing;
mod salvage;
mod segment;
mod shared;
mod stats;
mod tags;
mod truncation;
mod tuning;
mod value;
mod watch;

/// Longest key in bytes.
pub const MAX_KEY_BYTES: usize = layout::entry::MAX_KEY_BYTES;
/// Longest name of a namespace in bytes.
pub const MAX_NAMESPACE_BYTES: usize = layout::namespace::MAX_NAMESPACE_BYTES;
/// Most tags of an entry.
pub const MAX_TAGS: usize = tags::MAX_TAGS;
/// Longest tag in bytes.
pub const MAX_TAG_BYTES: usize = tags::MAX_TAG_BYTES;

pub use builder::SegmentBuilder;
pub use coherence::{
    AgentRole, Applied, AskedLease, HashedEntry, Lease, LeaseAnswer, LeaseStep, LeaseWish, NOTE_WORDS, Trust,
    Unseen,
};
pub use computing::{Fill, FillToken, Lookup};
pub use error::{NamespaceError, OpenError, StoreError};
pub use expiry::Expiry;
pub use flight::{Flight, FlightEnd, FlightLead, FlightWait};
pub use groups::fold_tags;
pub use guira_shm::clock::Clock;
#[doc(hidden)]
pub use guira_shm::exit::at_exit;
pub use guira_shm::file::FileError;
/// For what layers above keep for a process: its locks are not those of a forked child.
#[doc(hidden)]
pub use guira_shm::fork;
/// For the proofs: see there.
#[doc(hidden)]
pub use guira_shm::mutant;
#[doc(hidden)]
pub use inspect::Part;
pub use inspect::{Entries, EntryInfo, Fault, FaultKind, Repaired, StoredEntries, StoredEntry, Verified};
pub use journal::{Journal, JournalEntry, JournalRead, Record, RecordKind};
pub use metadata::{Metadata, Version};
pub use modify::{Replace, Swap};
pub use options::PutOptions;
pub use segment::{Add, Put, Read, Segment};
pub use stats::{BlockCounts, Stats};
pub use value::ValueRef;
pub use watch::Watch;
