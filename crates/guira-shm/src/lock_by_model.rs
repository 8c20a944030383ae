//! Byte locks of a model: a table in place of the kernel's, for "processes" that are threads.
//!
//! A dying process's locks go when the model says so ([`LockTable::release`]); everything else is as
//! the kernel does it, down to a holder that sees its own lock as free.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64 as Count, Ordering as CountOrdering};

use crate::sync::{AtomicU64, Ordering};

/// First byte of the range in which process records are locked.
pub const RECORD_LOCK_BASE: u64 = 1 << 62;

const BYTES: usize = 8;

/// Whether a byte is locked through another descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// No other descriptor holds it.
    Free,
    /// Another descriptor holds it.
    Held,
}

/// The locks of one file: who holds which byte, 0 for nobody.
#[derive(Debug, Default)]
pub struct LockTable {
    holders: [AtomicU64; BYTES],
    descriptors: Count,
}

impl LockTable {
    /// What the kernel does when a process with this descriptor has died: its locks are free.
    pub fn release(&self, descriptor: u64) {
        for holder in &self.holders {
            // AcqRel: what the holder did is before; pairs with the next holder's compare-and-swap.
            let _ = holder.compare_exchange(descriptor, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

/// The byte locks held through one descriptor.
#[derive(Debug)]
pub struct ByteLocks {
    table: Arc<LockTable>,
    descriptor: u64,
}

impl ByteLocks {
    /// Locks of a file that no model looks at.
    pub fn new(file: std::fs::File) -> ByteLocks {
        drop(file);
        ByteLocks::of_table(&Arc::default())
    }

    /// A new descriptor of the file whose locks these are.
    pub fn of_table(table: &Arc<LockTable>) -> ByteLocks {
        ByteLocks {
            table: Arc::clone(table),
            descriptor: table.descriptors.fetch_add(1, CountOrdering::Relaxed) + 1,
        }
    }

    /// The number of the descriptor, by which its death is told.
    pub fn descriptor(&self) -> u64 {
        self.descriptor
    }

    /// Takes the lock on `byte` unless another descriptor holds it.
    ///
    /// # Errors
    ///
    /// None in a model.
    pub fn try_lock(&self, byte: u64) -> io::Result<bool> {
        // AcqRel: as the kernel orders one holder after the other.
        let taken =
            self.holder(byte)
                .compare_exchange(0, self.descriptor, Ordering::AcqRel, Ordering::Acquire);
        Ok(taken.is_ok() || taken == Err(self.descriptor))
    }

    /// Releases the lock on `byte`.
    ///
    /// # Errors
    ///
    /// None in a model.
    pub fn unlock(&self, byte: u64) -> io::Result<()> {
        // AcqRel: pairs with `try_lock`.
        let _ = self
            .holder(byte)
            .compare_exchange(self.descriptor, 0, Ordering::AcqRel, Ordering::Relaxed);
        Ok(())
    }

    /// In a forked child: gives up the descriptor.
    pub fn leave_to_parent(self: Arc<Self>) {
        drop(self);
    }

    /// Whether another descriptor holds `byte`.
    ///
    /// # Errors
    ///
    /// None in a model.
    pub fn probe(&self, byte: u64) -> io::Result<Probe> {
        // Acquire: what a dead holder did is before its lock is seen free.
        let holder = self.holder(byte).load(Ordering::Acquire);
        Ok(if holder == 0 || holder == self.descriptor {
            Probe::Free
        } else {
            Probe::Held
        })
    }

    fn holder(&self, byte: u64) -> &AtomicU64 {
        &self.table.holders[byte.wrapping_sub(RECORD_LOCK_BASE) as usize % BYTES]
    }
}

impl Drop for ByteLocks {
    fn drop(&mut self) {
        // A thread that is killed drops nothing: its process's locks go by `LockTable::release`.
        if !std::thread::panicking() {
            self.table.release(self.descriptor);
        }
    }
}
