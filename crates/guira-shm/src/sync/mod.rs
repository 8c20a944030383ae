//! The atomics that touch shared memory, named in one place.
//!
//! Code that runs on shared words takes its atomics from here, so that a proof
//! build can put others in their place. Which build is meant is a `--cfg` that
//! only `cargo xtask` sets; an ordinary build has none of this.
//!
//! | cfg | atomics | for |
//! |---|---|---|
//! | none | the standard ones | use |
//! | `guira_points` | the standard ones, with a named point before every change | `cargo xtask kill`, `linearize` |
//! | `guira_model` | those of a model checker | `cargo xtask model` |

#[cfg(not(any(guira_points, guira_model)))]
pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
