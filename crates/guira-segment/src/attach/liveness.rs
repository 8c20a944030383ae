//! Who is alive: the byte lock first, then `/proc` where it can be asked.

use guira_shm::lock::{Probe, RECORD_LOCK_BASE};
use guira_shm::process::{Existence, ProcessIdentity};
use guira_shm::sync::Ordering;

use super::{Attachment, ours};
use crate::layout::record::{RECORD_OWNER, RECORD_PID_NAMESPACE, RECORD_START_TICKS, RecordOwner};
use crate::shared::Shared;

/// What is known of the process that holds a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Liveness {
    /// This process itself, or one whose byte lock stands.
    Alive,
    /// Its lock is free and no such process exists: take the byte, then recover.
    Dead,
    /// Its lock is held, but by a forked child of a process that is gone.
    DeadLockInherited,
    /// Nobody holds the record.
    Free,
}

impl Shared {
    /// Asks the kernel about the holder of `record`. Never to be asked of one's own record: a probe
    /// through the descriptor that holds a lock answers "free".
    ///
    /// A held lock is looked into only if `thoroughly`, for that means reading `/proc`.
    pub(crate) fn liveness(&self, attachment: &Attachment, record: u16, thoroughly: bool) -> Liveness {
        if record == attachment.record || usize::from(record) >= self.geometry.counts.records as usize {
            return Liveness::Alive;
        }
        // Acquire: pairs with the Release of the attacher, so the identity is the owner's.
        let owner = RecordOwner(self.record_word(record, RECORD_OWNER).load(Ordering::Acquire));
        if owner.pid() == 0 {
            return Liveness::Free;
        }
        let probe = match attachment.locks.lock().as_ref() {
            None => return Liveness::Alive,
            Some(locks) => locks.probe(RECORD_LOCK_BASE + u64::from(record)),
        };
        match probe {
            Ok(Probe::Free) if self.lives_without_lock(record) => Liveness::Alive,
            Ok(Probe::Free) => Liveness::Dead,
            Ok(Probe::Held) if thoroughly && self.process_exists(record) == Some(false) => {
                Liveness::DeadLockInherited
            }
            // A probe that fails says nothing, and nothing is done to a process that may live.
            _ => Liveness::Alive,
        }
    }

    /// Whether the process named in a record exists; `None` where that cannot be known.
    pub(crate) fn process_exists(&self, record: u16) -> Option<bool> {
        // Acquire: pairs with the attacher's store of its owner word, before which its identity was stored.
        let identity = ProcessIdentity {
            pid: RecordOwner(self.record_word(record, RECORD_OWNER).load(Ordering::Acquire)).pid(),
            start_ticks: self
                .record_word(record, RECORD_START_TICKS)
                .load(Ordering::Relaxed),
            pid_namespace: self
                .record_word(record, RECORD_PID_NAMESPACE)
                .load(Ordering::Relaxed),
        };
        match guira_shm::process::is_gone(&identity) {
            Existence::Gone => Some(false),
            Existence::Alive => Some(true),
            // A zombie's threads may still run; only its lock says that they do not.
            Existence::Zombie | Existence::Unknown => None,
        }
    }

    /// Whether a record, whose lock is free, has a holder all the same: a process that closed its
    /// descriptors.
    pub(crate) fn lives_without_lock(&self, record: u16) -> bool {
        // Acquire: as in `process_exists`.
        let owner = RecordOwner(self.record_word(record, RECORD_OWNER).load(Ordering::Acquire));
        owner.pid() != 0 && self.process_exists(record) == Some(true) && !self.was_left_by_exec(record)
    }

    /// Whether the record, whose lock is free, names this very process but none of its attachments: what
    /// ran under this pid before an exec left it.
    pub(crate) fn was_left_by_exec(&self, record: u16) -> bool {
        let own = ProcessIdentity::current();
        // Acquire: as in `process_exists`.
        let owner = RecordOwner(self.record_word(record, RECORD_OWNER).load(Ordering::Acquire));
        let start_ticks = self
            .record_word(record, RECORD_START_TICKS)
            .load(Ordering::Relaxed);
        let namespace = self
            .record_word(record, RECORD_PID_NAMESPACE)
            .load(Ordering::Relaxed);
        owner.pid() == own.pid
            && start_ticks == own.start_ticks
            && namespace == own.pid_namespace
            && !ours::holds(&self.held(record, owner.incarnation()))
    }

    /// How this process's list of attachments names one.
    pub(crate) fn held(&self, record: u16, incarnation: u32) -> ours::Held {
        ours::Held {
            segment: self.superblock.id,
            record,
            incarnation,
        }
    }

    /// Whether `incarnation` of `record` is gone: dead, detached, or followed by another.
    pub(crate) fn is_dead(&self, attachment: &Attachment, record: u16, incarnation: u32) -> bool {
        if record == attachment.record {
            return incarnation != attachment.incarnation;
        }
        // Acquire: as in `liveness`.
        let owner = RecordOwner(self.record_word(record, RECORD_OWNER).load(Ordering::Acquire));
        owner.incarnation() != incarnation
            || matches!(
                self.liveness(attachment, record, true),
                Liveness::Free | Liveness::Dead | Liveness::DeadLockInherited
            )
    }
}
