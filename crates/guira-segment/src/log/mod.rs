//! The log: blocks that entries are appended to, and that are reclaimed whole.
//!
//! * `pool`: which of the two queues a new entry goes to.
//! * `place`: reserving space in a thread's own lane or a shared one.
//! * `open`: taking a free block, sealing a full one, freeing a retired one.
//! * `run`: consecutive blocks for one large value.
//! * `write`: the bytes of an entry.
//! * `survey`: which block to reclaim next.
//! * `pace`: how much is reclaimed for what is appended.
//! * `drain`: walking a block that is reclaimed, a few entries at a time.
//! * `survivor`: moving what survives out of it, and marking the rest.
//! * `forward`: what is left to do for its entries that were replaced.
//! * `live`: counts of live entries.
//! * `walk`: the entries of a block, one after another.
//! * `ghost`: which keys were evicted lately without having been read.

pub(crate) mod drain;
mod forward;
pub(crate) mod ghost;
pub(crate) mod live;
pub(crate) mod open;
pub(crate) mod pace;
pub(crate) mod place;
mod pool;
pub(crate) mod run;
pub(crate) mod survey;
mod survivor;
pub(crate) mod walk;
pub(crate) mod write;
