//! Work that nobody waits for, or waits for elsewhere: refreshes of stale values, and computations that were
//! handed over by `lazy`, `bg` and `future`.
//!
//! A pool of a few threads ([`set_threads`]) takes it, in order. Refreshes are bounded: beyond
//! [`MAX_REFRESHES`] that wait or are under way a further one is left out, and the next call that meets the stale
//! value asks again. What a caller holds a future of is always taken. A thread of the pool that hands work over
//! does it itself, at once: it would wait for threads that all wait like itself.
//!
//! Futures of async functions run where the program says ([`set_spawner`]), else on the pool, by a plain
//! `block_on`.

mod handover;
mod pool;
mod spawner;

pub use handover::Computing;
pub(crate) use handover::hand_over;
pub use pool::{MAX_REFRESHES, set_threads};
pub(crate) use pool::{Unclaimed, claim, in_pool, run_soon};
pub use spawner::{BoxFuture, set_spawner};
pub(crate) use spawner::{has_spawner, spawn};
