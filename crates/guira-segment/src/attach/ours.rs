//! Which attachments this process has itself made.
//!
//! An exec closes the lock's descriptor but keeps pid and start time, so by those alone what an exec
//! left behind would look alive for ever. It is on no list of the program that runs now.

use guira_shm::fork::{ForkLock, ForkLockGuard};

/// One attachment: the segment's id, the record and its incarnation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) segment: u128,
    pub(crate) record: u16,
    pub(crate) incarnation: u32,
}

/// Entries that a forked child inherits are of its parent's pid and never asked for.
pub(super) static HELD: ForkLock<Vec<Held>> = ForkLock::new(Vec::new());

fn list() -> ForkLockGuard<'static, Vec<Held>> {
    let mut list = HELD.lock();
    if list.was_stolen() {
        // Another thread of the parent was in the middle of changing it: neither read nor freed.
        std::mem::forget(std::mem::take(&mut *list));
    }
    list
}

pub(super) fn add(held: Held) {
    list().push(held);
}

pub(super) fn remove(held: &Held) {
    list().retain(|other| other != held);
}

pub(super) fn holds(held: &Held) -> bool {
    list().contains(held)
}
