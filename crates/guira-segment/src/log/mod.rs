//! The log: blocks that entries are appended to, and that are reclaimed whole.
//!
//! * `place`: reserving space in a thread's own lane or a shared one.
//! * `open`: taking a free block, sealing a full one, freeing a retired one.
//! * `run`: consecutive blocks for one large value.
//! * `write`: the bytes of an entry.
//! * `survey`: which block to reclaim next.
//! * `drain`: moving what survives out of a block, a few entries at a time.
//! * `ghost`: which keys were evicted lately without having been read.

pub(crate) mod drain;
pub(crate) mod ghost;
pub(crate) mod live;
pub(crate) mod open;
pub(crate) mod place;
pub(crate) mod run;
pub(crate) mod survey;
pub(crate) mod walk;
pub(crate) mod write;
