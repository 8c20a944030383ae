//! The atomics that touch shared memory, named in one place.
//!
//! Code that runs on shared words takes its atomics from here, so that a build
//! that explores interleavings can put others in their place.

pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
