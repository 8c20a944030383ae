//! What each process has for itself, and a forked child anew.
//!
//! A child has its parent's memory but not its threads. A lock that another thread of the parent held at the fork is never
//! released in the child, what it guards may be in the middle of a change, and nobody is there to be woken by a condition.
//! So statics with locks are of one process: a child that meets its parent's begins with its own, and leaves the
//! parent's as it is.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use guira_segment::fork::{ForkLock, process_id};

/// A `T` for this process, made when it is first needed.
pub(crate) struct PerProcess<T> {
    current: ForkLock<Option<Owned<T>>>,
}

struct Owned<T> {
    process: u64,
    /// That of a parent is not dropped: its threads may have been in the middle of changing it.
    value: ManuallyDrop<Arc<T>>,
}

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self {
            current: ForkLock::new(None),
        }
    }

    pub(crate) fn get(&self) -> Arc<T> {
        let process = process_id();
        let mut current = self.current.lock();
        let owned = if current.was_stolen() {
            // A thread of the parent was about to set it.
            None
        } else {
            current.as_ref().filter(|owned| owned.process == process)
        };
        if let Some(owned) = owned {
            return Arc::clone(&owned.value);
        }
        let value = Arc::<T>::default();
        *current = Some(Owned {
            process,
            value: ManuallyDrop::new(Arc::clone(&value)),
        });
        value
    }
}
