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

#[cfg(guira_model)]
mod by_model;
#[cfg(guira_points)]
mod points;

#[cfg(guira_model)]
pub use by_model::{AtomicU64, fence, is_alone, load_in_order, model, pairing_fence, yield_now};
#[cfg(guira_points)]
pub use points::{AtomicBool, AtomicU32, AtomicU64};
#[cfg(not(any(guira_points, guira_model)))]
pub use std::sync::atomic::AtomicU64;
pub use std::sync::atomic::Ordering;
#[cfg(not(guira_model))]
pub use std::sync::atomic::fence;
#[cfg(not(guira_points))]
pub use std::sync::atomic::{AtomicBool, AtomicU32};

#[cfg(not(guira_model))]
pub use std::{thread::yield_now, thread_local};

/// As the standard macro, of the checker's threads.
#[cfg(guira_model)]
pub use crate::model_thread_local as thread_local;

/// Atomics that one process has for itself: a change of them is no point, and no model looks at them.
pub mod private {
    #[cfg(any(guira_points, guira_model))]
    pub use std::sync::atomic::{AtomicU32, AtomicU64};

    #[cfg(not(any(guira_points, guira_model)))]
    pub use super::{AtomicU32, AtomicU64};
}

#[cfg(guira_points)]
pub(crate) use crate::point::before as point;

/// Here a change begins that is not one of an atomic, such as a call of the
/// kernel. Nothing at all in an ordinary build.
#[cfg(not(guira_points))]
#[inline(always)]
pub(crate) const fn point(_what: &'static str) {}

/// What sequentially consistent accesses order between a store and a later load of another word.
///
/// The model checker takes sequentially consistent accesses for acquire and release ones, and knows
/// the total order of fences only; a fence here stands for the order that the accesses around it have
/// by themselves. Nothing in every other build.
#[cfg(not(guira_model))]
#[inline(always)]
pub fn pairing_fence() {}

/// A full fence directly behind an atomic read-modify-write of the same thread.
///
/// On x86-64 such an instruction is a full fence itself, which this tells the compiler; elsewhere, and for
/// the model checker, it is a fence of its own.
#[inline(always)]
pub fn fence_behind_change() {
    #[cfg(all(target_arch = "x86_64", not(guira_model)))]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(any(guira_model, not(target_arch = "x86_64")))]
    fence(Ordering::SeqCst);
}

/// A sequentially consistent load.
///
/// The model checker may let such a load see an old value although a sequentially consistent change of
/// the word came before it; for this one it looks at what is there now.
#[cfg(not(guira_model))]
#[inline(always)]
pub fn load_in_order(word: &AtomicU64) -> u64 {
    word.load(Ordering::SeqCst)
}

/// Whether the caller is certain to be the only thread: between the explorations of a model.
#[cfg(not(guira_model))]
#[inline(always)]
pub(crate) const fn is_alone() -> bool {
    false
}
