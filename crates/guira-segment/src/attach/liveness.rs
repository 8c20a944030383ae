//! Who is alive: the byte lock first, then `/proc` where it can be asked.
//!
//! A verdict is about one holder: the owner word that was judged comes with it, and whoever acts on it
//! acts on that word, not on whoever holds the record by then.

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
    /// Who holds a record, or held it last.
    pub(crate) fn record_owner(&self, record: u16) -> RecordOwner {
        // Acquire: pairs with the attacher's SeqCst store, before which it stored its identity, and with
        // the Release of whoever freed the record.
        RecordOwner(self.record_word(record, RECORD_OWNER).load(Ordering::Acquire))
    }

    /// Asks the kernel about `owner`, the holder of `record`. Never to be asked of one's own record: a
    /// probe through the descriptor that holds a lock answers "free".
    ///
    /// A held lock is looked into only if `thoroughly`, for that means reading `/proc`.
    pub(crate) fn liveness(
        &self,
        attachment: &Attachment,
        record: u16,
        owner: RecordOwner,
        thoroughly: bool,
    ) -> Liveness {
        if record == attachment.record || usize::from(record) >= self.geometry.counts.records as usize {
            return Liveness::Alive;
        }
        if owner.pid() == 0 {
            return Liveness::Free;
        }
        let Some(locks) = attachment.locks() else {
            return Liveness::Alive;
        };
        match locks.probe(RECORD_LOCK_BASE + u64::from(record)) {
            Ok(Probe::Free) if self.lives_without_lock(record, owner) => Liveness::Alive,
            Ok(Probe::Free) => Liveness::Dead,
            Ok(Probe::Held) if thoroughly && self.process_exists(record, owner) == Some(false) => {
                Liveness::DeadLockInherited
            }
            // A probe that fails says nothing, and nothing is done to a process that may live.
            _ => Liveness::Alive,
        }
    }

    /// Whether `owner`, the holder of `record`, exists; `None` where that cannot be known, and where
    /// somebody else holds the record by now: what it says of its holder is not `owner`'s then.
    pub(crate) fn process_exists(&self, record: u16, owner: RecordOwner) -> Option<bool> {
        let identity = self.identity(record, owner)?;
        match guira_shm::process::is_gone(&identity) {
            Existence::Gone => Some(false),
            Existence::Alive => Some(true),
            // A zombie's threads may still run; only its lock says that they do not.
            Existence::Zombie | Existence::Unknown => None,
        }
    }

    /// What the record says of `owner`, unless another holder wrote to it meanwhile.
    fn identity(&self, record: u16, owner: RecordOwner) -> Option<ProcessIdentity> {
        // Acquire, both: pair with the Releases of the attacher, so that whoever sees its identity sees
        // below that the record is not `owner`'s any more.
        let start_ticks = self
            .record_word(record, RECORD_START_TICKS)
            .load(Ordering::Acquire);
        let pid_namespace = self
            .record_word(record, RECORD_PID_NAMESPACE)
            .load(Ordering::Acquire);
        (self.record_owner(record) == owner).then_some(ProcessIdentity {
            pid: owner.pid(),
            start_ticks,
            pid_namespace,
        })
    }

    /// Whether `owner`, whose lock is free, holds the record all the same: a process that closed its
    /// descriptors.
    pub(crate) fn lives_without_lock(&self, record: u16, owner: RecordOwner) -> bool {
        owner.pid() != 0
            && self.process_exists(record, owner) == Some(true)
            && !self.was_left_by_exec(record, owner)
    }

    /// Whether `owner`, whose lock is free, is this very process but none of its attachments: what ran
    /// under this pid before an exec left it.
    pub(crate) fn was_left_by_exec(&self, record: u16, owner: RecordOwner) -> bool {
        self.identity(record, owner) == Some(ProcessIdentity::current())
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

    /// Whether `incarnation` of `record` is gone: dead, detached, or followed by another. `thoroughly` as for
    /// [`Shared::liveness`].
    pub(crate) fn is_dead(
        &self,
        attachment: &Attachment,
        record: u16,
        incarnation: u32,
        thoroughly: bool,
    ) -> bool {
        if record == attachment.record {
            return incarnation != attachment.incarnation;
        }
        let owner = self.record_owner(record);
        owner.incarnation() != incarnation
            || matches!(
                self.liveness(attachment, record, owner, thoroughly),
                Liveness::Free | Liveness::Dead | Liveness::DeadLockInherited
            )
    }
}
