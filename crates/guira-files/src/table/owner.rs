//! This process's row of the table.

use std::sync::Arc;

use guira_shm::fork::{ForkLock, ForkLockGuard};
use guira_shm::lock::ByteLocks;

/// A process's hold on a row, until it lets go, forks or dies.
#[derive(Debug)]
pub(crate) struct Owner {
    /// The process that took it: no child of it goes on with the row.
    pub(super) process: u64,
    pub(crate) row: u16,
    pub(super) locks: Arc<ByteLocks>,
    changing: ForkLock<()>,
}

impl Owner {
    pub(super) const fn new(process: u64, row: u16, locks: Arc<ByteLocks>) -> Self {
        Self {
            process,
            row,
            locks,
            changing: ForkLock::new(()),
        }
    }

    /// Whether it is this process's: a forked child has what its parent held, and it is not the child's.
    pub(crate) fn is_current(&self) -> bool {
        self.process == guira_shm::fork::process_id()
    }

    /// One change at a time is written down in the row.
    pub(super) fn turn(&self) -> ForkLockGuard<'_, ()> {
        self.changing.lock()
    }
}
