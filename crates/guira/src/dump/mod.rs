//! A segment's entries in a file, to move a cache or to keep it: dumping and loading.
//!
//! ```
//! use guira::Guira;
//! use guira::dump::{Dump, DumpReader, Load};
//! use std::time::Duration;
//!
//! let old = Guira::builder().size(8 << 20).private()?;
//! old.cache::<u64, String>("users").put(&7, &"Plum".to_owned(), Duration::from_secs(300))?;
//! let mut bytes = Vec::new(); // a file, a pipe, ..
//! let dumped = Dump::new().write(old.segment(), &mut bytes, &mut |_| ())?;
//! assert_eq!(dumped.entries, 1);
//!
//! let new = Guira::builder().size(8 << 20).private()?;
//! let loaded = Load::new().run(DumpReader::new(&bytes[..])?, new.segment(), &mut |_| ())?;
//! assert_eq!(loaded.entries, 1);
//! assert_eq!(new.cache::<u64, String>("users").get(&7)?, Some("Plum".to_owned()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is in it
//!
//! Of each entry the namespace, key, value, tags, both deadlines, whether it is stale, and whether its value is
//! aligned. The bytes are those of the segment: what was encrypted or compressed stays so. Statistics, what was evicted,
//! flights and the journal are not in it. Its form is told in the source of `format.rs`; a segment of any size, of any
//! cluster or none, can take it, and so can later versions of this library.
//!
//! It is no snapshot: each entry is as it was at one moment, but others work meanwhile, and what comes or goes
//! while it is made is in it or not. It is read and written as a stream, one value in memory at a time, and each
//! record has a check that is one of all before it. So a dump that was cut or changed is an error that names the place;
//! what was read before is right, and nothing behind it is believed.
//!
//! Of values in files ([`files`](crate::files)) the segment has stubs. Without the directory these are dumped as they are,
//! and are misses elsewhere; with it ([`Dump::stubs`] takes a [`Depot`](crate::files::Depot)) the dump has the values
//! themselves. A load that is given a directory ([`Load::files`]) makes files of what is
//! large again; without one what fits into the segment is kept there.
//!
//! # What it means to load one
//!
//! **A dump knows nothing of what was invalidated since it was made.** A value that is loaded counts as put at that moment, and
//! may be older than an invalidation that this host, or its cluster, was promised to honour. Load into a new segment
//! before it is used, or values that cannot change, or invalidate afterwards what has changed meanwhile; or load them
//! [as stale](Load::as_stale), so that each is computed anew when it is asked for. For the same reason a key that has a value already
//! keeps it, unless [`Load::replace`] says otherwise.
//!
//! **Time goes on.** Deadlines are points in time of the wall clock, so a value lives no longer for having been in a
//! file, and what is over is passed over. If the clock was set between the two, or those of two machines
//! differ, lifetimes are off by as much.
//!
//! **There may be no room.** A segment that is smaller evicts, as with puts. How many entries it dropped meanwhile is
//! said, but not which.

mod error;
mod format;
mod load;
mod reader;
mod save;
mod spill;
mod stream;
mod writer;

pub use error::{DumpError, LoadCause, LoadError, ReadError};
pub use format::{EntryHead, Origin};
pub use load::{Load, Loaded};
pub use reader::{DumpReader, DumpedEntry, Part};
pub use save::{Dump, Dumped, Resolved, Stubs};
pub use writer::{DumpWriter, Written};
