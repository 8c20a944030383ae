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

#[cfg(guira_points)]
mod points;

#[cfg(guira_points)]
pub use points::{AtomicBool, AtomicU32, AtomicU64};
#[cfg(guira_points)]
pub use std::sync::atomic::{Ordering, fence};

#[cfg(not(any(guira_points, guira_model)))]
pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

/// Atomics that one process has for itself: a change of them is no point.
pub mod private {
    #[cfg(guira_points)]
    pub use std::sync::atomic::{AtomicU32, AtomicU64};

    #[cfg(not(guira_points))]
    pub use super::{AtomicU32, AtomicU64};
}

#[cfg(guira_points)]
pub(crate) use crate::point::before as point;

/// Here a change begins that is not one of an atomic, such as a call of the
/// kernel. Nothing at all in an ordinary build.
#[cfg(not(guira_points))]
#[inline(always)]
pub(crate) const fn point(_what: &'static str) {}
