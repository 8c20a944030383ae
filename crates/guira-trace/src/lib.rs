//! Recorded cache traces, and the policies a cache's hit ratio is measured against.
//!
//! A [`Trace`] is a list of accesses recorded from a real system. [`Lru`],
//! [`S3Fifo`] and [`Opt`] replay it exactly and deterministically: the same
//! accesses and capacity always give the same [`HitCount`].
//!
//! ```
//! use guira_trace::{Access, Capacity, Lru, Opt, Policy, S3Fifo, Trace};
//!
//! let keys = [1, 2, 3, 1, 2, 3, 1, 2, 3];
//! let trace = Trace::new(keys.map(Access::unit).to_vec());
//! let room_for_two = Capacity::Entries(2);
//!
//! // A loop over three keys is LRU's worst case: each key leaves just before its use.
//! assert_eq!(Lru::new(room_for_two).replay(trace.accesses()).hits, 0);
//! assert_eq!(Opt::new(trace.accesses()).simulate(room_for_two).hits, 4);
//!
//! let s3_fifo = S3Fifo::new(room_for_two).replay(trace.accesses());
//! assert_eq!(s3_fifo.accesses, 9);
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod compact;
mod error;
mod policy;
mod read;
mod renumber;
mod trace;

pub use error::TraceError;
pub use policy::{Capacity, HitCount, Lru, Opt, Policy, S3Fifo, S3FifoConfig};
pub use trace::{Access, Trace};
