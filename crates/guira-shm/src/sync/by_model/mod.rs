//! The atomics of the model checker loom, over the same memory as ever.
//!
//! A model's set-up and its verdict run alone and on the memory itself. In between, while
//! [`model::explore`] runs, every word that is touched has a counterpart in the checker, which
//! decides what a load sees and which thread goes on: words are found by their address, so the
//! engine keeps its regions, offsets and references.
//!
//! Sequentially consistent accesses count as acquire and release ones; only fences are in the total
//! order. Where the engine needs more it says so by [`pairing_fence`].

mod atomic;
mod local;
pub mod model;
mod table;

pub use atomic::AtomicU64;

use std::sync::atomic::Ordering;

/// A fence of the checker, or of the machine outside an exploration.
pub fn fence(ordering: Ordering) {
    if table::is_explored() {
        loom::sync::atomic::fence(ordering);
    } else {
        std::sync::atomic::fence(ordering);
    }
}

/// What sequentially consistent accesses order between a store and a later load of another word.
pub fn pairing_fence() {
    if table::is_explored() {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// A sequentially consistent load: it sees what the word holds in the order of the execution.
pub fn load_in_order(word: &AtomicU64) -> u64 {
    word.load_latest()
}

/// Lets another thread go on; the checker does not come back before one did.
pub fn yield_now() {
    if table::is_explored() {
        loom::thread::yield_now();
    }
}

/// Whether no exploration is under way, so that no other thread runs.
pub fn is_alone() -> bool {
    !table::is_explored()
}

/// As the standard macro, of the checker's threads.
#[doc(hidden)]
#[macro_export]
macro_rules! model_thread_local {
    ($($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = const $init:block;)*) => {
        $($(#[$attribute])* $vis static $name: $crate::sync::model::LocalKey<$type> =
            $crate::sync::model::LocalKey { begin: || $init };)*
    };
}
