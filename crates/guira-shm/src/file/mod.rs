//! Files that processes map: created complete or not at all, opened with
//! suspicion.
//!
//! A file is made without a name, allocated whole, filled through its mapping
//! and only then linked into place ([`create_unnamed`], [`PendingFile`]): no
//! process ever sees half of one. Opening ([`open_checked`]) follows no link and
//! trusts no foreign owner, loose mode or unknown file system. Either way ends
//! in a [`MappedFile`].

mod create;
mod error;
mod file_system;
mod kept;
mod mapped;
mod open;
mod room;
#[cfg(test)]
mod tests;

pub use create::{CreateOptions, PendingFile, create_unnamed};
pub use error::FileError;
pub(crate) use kept::KeptFile;

pub use file_system::{FileSystem, file_system_of};
pub use mapped::MappedFile;
pub use open::{OpenFile, OpenRules, open_checked};
pub use room::available_bytes;
