//! Taking a row, letting go of it, and taking over those of the dead.
//!
//! A row is held by a lock on a byte of the table's file, which the kernel frees at the holder's death. A process
//! that closed its descriptors has lost the lock and lives: a row is taken over only if no process of that pid
//! and start time exists. A forked child closes what it inherited, which leaves the parent's lock alone, and takes a
//! row of its own; while it has done nothing here and its parent is dead, the parent's row waits for it.

use std::sync::Arc;

use guira_shm::fork::process_id;
use guira_shm::lock::{ByteLocks, Probe, RECORD_LOCK_BASE};
use guira_shm::process::{Existence, ProcessIdentity, is_gone};
use guira_shm::sync::Ordering;

use super::{Owner, Table};
use crate::error::FilesError;
use crate::layout::table::{
    CONTROL_STATE, OWNER_PID_NAMESPACE, OWNER_START_TICKS, OWNER_WORD, OWNERS, STATE_CLEAN, STATE_IN_USE,
    STATE_OUTLIVED,
};

const fn lock_byte(row: u16) -> u64 {
    RECORD_LOCK_BASE + row as u64
}

impl Table {
    /// Rows from 0 that were ever taken.
    pub(super) fn rows_in_use(&self) -> u16 {
        // SeqCst: pairs with the maximum in `take_row`: a row is counted before its holder counts in it.
        let rows = self
            .word(crate::layout::table::CONTROL_ROWS)
            .load(Ordering::SeqCst);
        rows.min(OWNERS as u64) as u16
    }

    /// This process's row, taken now if it has none. Rows of the dead that are met on the way are given to `recover`.
    pub(crate) fn owner(&self, recover: impl Fn(&Owner)) -> Result<Arc<Owner>, FilesError> {
        if self.file.is_lost() {
            return Err(FilesError::Damaged {
                path: self.path().to_path_buf(),
                problem: "it was cut while it was open",
            });
        }
        let process = process_id();
        let mut current = self.owner.lock();
        if !current.was_stolen()
            && let Some(owner) = current.as_ref()
            && owner.process == process
        {
            return Ok(Arc::clone(owner));
        }
        if let Some(inherited) = current.take() {
            leave_to_parent(inherited);
        }
        let owner = Arc::new(self.take_row(process, recover)?);
        *current = Some(Arc::clone(&owner));
        Ok(owner)
    }

    fn open_locks(&self) -> Result<Arc<ByteLocks>, FilesError> {
        Ok(Arc::new(ByteLocks::new(self.file.reopen()?)))
    }

    fn take_row(&self, process: u64, recover: impl Fn(&Owner)) -> Result<Owner, FilesError> {
        let locks = self.open_locks()?;
        for row in 0..OWNERS as u16 {
            if !self.lock_row(&locks, row)? {
                continue;
            }
            if self.of_owner(row, OWNER_WORD).load(Ordering::Relaxed) != 0 {
                if self.lives_without_lock(row) {
                    // Fails only if the lock is gone already.
                    let _ = locks.unlock(lock_byte(row));
                    continue;
                }
                self.take_over(row, &locks, &recover);
            }
            let identity = ProcessIdentity::current();
            self.of_owner(row, OWNER_START_TICKS)
                .store(identity.start_ticks, Ordering::Relaxed);
            self.of_owner(row, OWNER_PID_NAMESPACE)
                .store(identity.pid_namespace, Ordering::Relaxed);
            // SeqCst: pairs with the load of `rows_in_use`.
            self.word(crate::layout::table::CONTROL_ROWS)
                .fetch_max(u64::from(row) + 1, Ordering::SeqCst);
            // SeqCst: the identity is before it, and it is before IN_USE for a leaver that looks for others.
            self.of_owner(row, OWNER_WORD)
                .store(u64::from(identity.pid), Ordering::SeqCst);
            // SeqCst, both: behind the row; pairs with the last leaver's mark and its second look, and with who gives the
            // table up.
            let state = self.word(CONTROL_STATE);
            let in_use = |now| (now != STATE_OUTLIVED).then_some(STATE_IN_USE);
            match state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, in_use) {
                // The mark must be gone from the disk before anything changes there.
                Ok(STATE_CLEAN) if self.file.survives_reboot() => self.file.sync(0..8192)?,
                Ok(_) => {}
                Err(_) => {
                    // Release: as in `detach`.
                    self.of_owner(row, OWNER_WORD).store(0, Ordering::Release);
                    return Err(FilesError::Outlived {
                        path: self.path().to_path_buf(),
                    });
                }
            }
            return Ok(Owner::new(process, row, locks));
        }
        Err(FilesError::TooManyProcesses {
            path: self.path().to_path_buf(),
            rows: OWNERS,
        })
    }

    fn lock_row(&self, locks: &ByteLocks, row: u16) -> Result<bool, FilesError> {
        locks
            .try_lock(lock_byte(row))
            .map_err(|source| FilesError::io("lock a row of", self.path(), source))
    }

    /// Whether the process that took the row exists although its lock is free.
    fn lives_without_lock(&self, row: u16) -> bool {
        let word = |word| self.of_owner(row, word).load(Ordering::Relaxed);
        let identity = ProcessIdentity {
            pid: word(OWNER_WORD) as u32,
            start_ticks: word(OWNER_START_TICKS),
            pid_namespace: word(OWNER_PID_NAMESPACE),
        };
        is_gone(&identity) == Existence::Alive && identity.pid != std::process::id()
    }

    /// Finishes what a dead holder of `row`, whose lock the caller has, left.
    fn take_over(&self, row: u16, locks: &Arc<ByteLocks>, recover: &impl Fn(&Owner)) {
        self.settle(row);
        recover(&Owner::new(process_id(), row, Arc::clone(locks)));
        // Release: all is done before the row says so.
        self.of_owner(row, OWNER_WORD).store(0, Ordering::Release);
    }

    /// Takes over the rows of all who died; says how many those were.
    pub(crate) fn recover_dead(&self, own: &Owner, recover: impl Fn(&Owner)) -> Result<u64, FilesError> {
        let mut recovered = 0;
        // A lock of this very description would look free: asked through another.
        let mut locks = None;
        for row in (0..self.rows_in_use()).filter(|row| *row != own.row) {
            if self.of_owner(row, OWNER_WORD).load(Ordering::Relaxed) == 0 {
                continue;
            }
            if !matches!(own.locks.probe(lock_byte(row)), Ok(Probe::Free)) {
                continue;
            }
            let locks = match &locks {
                Some(locks) => locks,
                None => locks.insert(self.open_locks()?),
            };
            if !self.lock_row(locks, row)? {
                continue;
            }
            let is_held = self.of_owner(row, OWNER_WORD).load(Ordering::Relaxed) != 0;
            if is_held && !self.lives_without_lock(row) {
                self.take_over(row, locks, &recover);
                recovered += 1;
            }
            // As in `take_row`.
            let _ = locks.unlock(lock_byte(row));
        }
        Ok(recovered)
    }

    /// Whether a process other than `own`'s has a row.
    fn others_attached(&self, locks: &ByteLocks, own: Option<u16>) -> bool {
        (0..self.rows_in_use())
            .filter(|row| Some(*row) != own)
            .any(|row| {
                // SeqCst: pairs with the store of who takes a row.
                self.of_owner(row, OWNER_WORD).load(Ordering::SeqCst) != 0
                    && (!matches!(locks.probe(lock_byte(row)), Ok(Probe::Free))
                        || self.lives_without_lock(row))
            })
    }

    /// Whether any process has a row, asked before this one takes one.
    pub(super) fn is_attached(&self, locks: &ByteLocks) -> bool {
        self.others_attached(locks, None)
    }

    /// Lets go of the row; the last to leave a table that outlives the machine's boot marks it clean.
    fn detach(&self) {
        let Some(owner) = self.owner.lock().take() else {
            return;
        };
        if owner.process != process_id() {
            leave_to_parent(owner);
            return;
        }
        self.of_owner(owner.row, OWNER_WORD).store(0, Ordering::Release); // with the loads of who looks for others
        if self.file.survives_reboot() && !self.others_attached(&owner.locks, Some(owner.row)) {
            let everything = 0..self.geometry.total_bytes;
            // What cannot be written back is not marked: after a reboot the table is made anew.
            if self.file.sync(everything).is_ok() {
                // SeqCst: pairs with IN_USE of who takes a row: whichever came first, IN_USE stays. A table that was
                // given up meanwhile stays so.
                let change = |from, to| {
                    let state = self.word(CONTROL_STATE);
                    state.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed)
                };
                let is_marked = change(STATE_IN_USE, STATE_CLEAN).is_ok();
                if is_marked && self.others_attached(&owner.locks, Some(owner.row)) {
                    // Fails only if who came has said so itself.
                    let _ = change(STATE_CLEAN, STATE_IN_USE);
                }
                let _ = self.file.sync(0..8192);
            }
        }
        // Fails only if the lock is gone already.
        let _ = owner.locks.unlock(lock_byte(owner.row));
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.detach();
    }
}

fn leave_to_parent(inherited: Arc<Owner>) {
    Arc::clone(&inherited.locks).leave_to_parent();
    // Threads of the parent may have been in the middle of using it.
    std::mem::forget(inherited);
}
