//! Looking at a whole segment: listing its entries, checking it, mending it.

mod entries;
mod extents;
mod lanes;
mod parts;
mod repair;
mod stored;
mod verify;

pub use entries::{Entries, EntryInfo};
pub use parts::Part;
pub use repair::Repaired;
pub use stored::{StoredEntries, StoredEntry};
pub use verify::{Fault, FaultKind, Verified};
