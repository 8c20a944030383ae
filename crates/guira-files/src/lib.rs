//! A directory of large values that processes share, under a strict limit.
//!
//! See [`Files`] for a cache of its own, and [`Depot`] for the files of values whose keys are in a segment.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod depot;
mod error;
mod files;
mod layout;
mod policy;
mod table;

pub use depot::{
    Depot, DepotBuilder, DepotStats, FileValue, Found, Held, Label, Source, Swept, TakeFile, ValueMap,
};
pub use error::FilesError;
pub use files::{FileEntry, Files, FilesBuilder, Purged, Verified};
/// What entries are put with, and what becomes of a put.
pub use guira_segment::{Add, Expiry, Metadata, Put, PutOptions, Replace, Segment};
pub use layout::stub::{STUB_BYTES, Stub};
