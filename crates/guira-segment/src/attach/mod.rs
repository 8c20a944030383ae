//! A process's presence in a segment: its record, its byte lock, its thread lines.
//!
//! # Life of a record
//!
//! ```text
//!   free (pid 0) --take byte lock, recover what an earlier holder left, write identity--> held
//!   held --detach: release lines, pins, blocks, flights; pid 0; close the descriptor----> free
//!   held --the process dies: the kernel drops the byte lock----------------------------> dead
//!   dead --anyone who takes the byte lock: the same release, then pid 0---------------> free
//! ```
//!
//! Death is what the kernel says: the byte lock is free. Never a timeout, never a bare pid. Two
//! refinements: a process that closed every descriptor has lost its lock without dying, so a free
//! lock counts only if no process of that pid and start time exists; and a forked child that never
//! used the segment keeps its dead parent's lock, so a held lock does not count if the process of
//! that pid and start time is gone. Both need the same pid namespace and `/proc`; elsewhere the
//! lock alone decides.
//!
//! # Fork
//!
//! The attachment's id lies in a page that the kernel wipes in a forked child. Every operation
//! compares it with the id its thread's line belongs to, so a child's first operation finds the
//! difference, closes the inherited lock descriptor (closing, unlike unlocking, leaves the parent's
//! lock alone) and attaches as a process of its own. It never touches its parent's pins.

mod liveness;
mod lookout;
mod ours;
mod recovery;
#[cfg(test)]
mod tests;
mod thread;

use std::sync::Arc;

use guira_shm::fork::{ForkLock, ForkPage};
use guira_shm::lock::{ByteLocks, RECORD_LOCK_BASE};
use guira_shm::process::ProcessIdentity;
use guira_shm::sync::{AtomicU64, Ordering};

pub(crate) use liveness::Liveness;
use lookout::Lookout;
pub(crate) use thread::{Counter, Line, PrivateLane, ThreadRef, ThreadState};

use crate::error::OpenError;
use crate::layout::control::{
    CONTROL_CLEAN_MS, CONTROL_CLEAN_REALTIME_MS, CONTROL_LINES_HIGH, CONTROL_STATE, STATE_CLEAN, STATE_IN_USE,
};
use crate::layout::record::{
    LINE_OWNER, LineOwner, RECORD_ATTACHED_MS, RECORD_LIBRARY, RECORD_OWNER, RECORD_PID_NAMESPACE,
    RECORD_START_TICKS, RecordOwner,
};
use crate::shared::Shared;

/// Where a process keeps its current attachment; a forked child replaces what it inherited.
#[derive(Debug)]
pub(crate) struct AttachmentSlot {
    /// Holds the attachment's id; zero before the first attach and in a forked child.
    page: ForkPage,
    current: ForkLock<Option<Arc<Attachment>>>,
}

/// One process's hold on one record, until it detaches, forks or dies.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// Random and unique: a stale thread-local pointer never matches another attachment.
    pub(crate) id: u64,
    pub(crate) record: u16,
    pub(crate) incarnation: u32,
    /// The descriptor whose open file description holds the record's byte; `None` on heap memory,
    /// and in a forked child that closed it. Locked only to get at it, never while the kernel is asked:
    /// a sibling that lost its processor there would be waited for.
    locks: ForkLock<Option<Arc<ByteLocks>>>,
    /// Lines whose threads have ended, open lanes and all, ready for the next thread.
    #[expect(
        clippy::vec_box,
        reason = "threads hold pointers to the boxed states: they must not move"
    )]
    idle: ForkLock<Vec<Box<ThreadState>>>,
    /// One line for all threads that found none left, used in turn.
    commons: ForkLock<Box<ThreadState>>,
    /// Byte locks do not exclude threads of one process from each other; this does.
    recovering: ForkLock<()>,
    /// Over those whose computations this process waits for.
    pub(crate) lookout: Lookout,
}

impl Attachment {
    /// The record locks, unless they were given up.
    fn locks(&self) -> Option<Arc<ByteLocks>> {
        self.locks.lock().clone()
    }
}

impl AttachmentSlot {
    pub(crate) fn new() -> Result<Self, guira_shm::fork::ForkError> {
        Ok(Self {
            page: ForkPage::new(0)?,
            current: ForkLock::new(None),
        })
    }

    /// The number of the descriptor that holds the record's byte lock.
    #[cfg(all(test, guira_model))]
    pub(crate) fn lock_descriptor(&self) -> u64 {
        let current = self.current.lock();
        let attachment = current.as_ref().expect("an attached process");
        attachment.locks().map_or(0, |locks| locks.descriptor())
    }

    /// As a forked child finds it: the id is wiped.
    #[cfg(all(test, guira_model))]
    pub(crate) fn inherited(&self) -> Self {
        let child = Self::new().expect("a page that fork wipes");
        *child.current.lock() = self.current.lock().clone();
        child
    }

    #[inline]
    pub(crate) fn id(&self) -> u64 {
        // Relaxed: written by this process alone before it publishes the attachment by a lock.
        self.page.token().load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Attaches this process: at open, and again on a forked child's first operation.
    pub(crate) fn attach(&self) -> Result<Arc<Attachment>, OpenError> {
        let mut current = self.attachment.current.lock();
        let id = self.attachment.id();
        if id != 0
            && let Some(attachment) = current.as_ref()
        {
            return Ok(Arc::clone(attachment));
        }
        if let Some(inherited) = current.take() {
            leave_to_parent(inherited);
        }
        let attachment = Arc::new(self.new_attachment()?);
        self.attachment
            .page
            .token()
            .store(attachment.id, Ordering::Relaxed);
        *current = Some(Arc::clone(&attachment));
        Ok(attachment)
    }

    fn new_attachment(&self) -> Result<Attachment, OpenError> {
        let (record, incarnation, locks) = match self.memory.open_locks()? {
            None => {
                let owner = RecordOwner::new(1, std::process::id());
                self.record_word(0, RECORD_OWNER)
                    .store(owner.0, Ordering::Release);
                (0, 1, None)
            }
            Some(locks) => {
                let (record, incarnation) = self.take_record(&locks)?;
                (record, incarnation, Some(locks))
            }
        };
        let owner = LineOwner::new(record, incarnation);
        let Some(line) = self.take_line(owner) else {
            // The record must not stay with a process that does not use it.
            self.release_record(record, incarnation);
            return Err(OpenError::TooManyThreads {
                path: self.path(),
                lines: self.geometry.counts.lines,
            });
        };
        Ok(Attachment {
            id: next_attachment_id(),
            record,
            incarnation,
            locks: ForkLock::new(locks.map(Arc::new)),
            idle: ForkLock::new(Vec::new()),
            commons: ForkLock::new(Box::new(ThreadState::new(self, line, owner, true))),
            recovering: ForkLock::new(()),
            lookout: Lookout::default(),
        })
    }

    fn too_many_processes(&self) -> OpenError {
        OpenError::TooManyProcesses {
            path: self.path(),
            records: self.geometry.counts.records,
        }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.memory
            .file()
            .map(|file| file.path().to_path_buf())
            .unwrap_or_default()
    }

    /// Takes the first record whose byte lock can be had, and recovers what its last holder left.
    fn take_record(&self, locks: &ByteLocks) -> Result<(u16, u32), OpenError> {
        let records = self.geometry.counts.records as u16;
        for record in 0..records {
            let locked = locks
                .try_lock(RECORD_LOCK_BASE + u64::from(record))
                .map_err(|source| OpenError::System {
                    path: self.path(),
                    action: "locking an attach record",
                    source,
                })?;
            if !locked {
                continue;
            }
            let previous = self.record_owner(record);
            if previous.pid() != 0 {
                if self.lives_without_lock(record, previous) {
                    // It closed every descriptor but lives: its record is not ours to take. The
                    // unlock can only fail if the lock is gone already.
                    let _ = locks.unlock(RECORD_LOCK_BASE + u64::from(record));
                    continue;
                }
                self.release_record(record, previous.incarnation());
            }
            let identity = ProcessIdentity::current();
            let incarnation = previous.incarnation().wrapping_add(1);
            // Release, both: pair with the Acquires of whoever judges the previous holder and must not
            // take this identity for that one's.
            self.record_word(record, RECORD_START_TICKS)
                .store(identity.start_ticks, Ordering::Release);
            self.record_word(record, RECORD_PID_NAMESPACE)
                .store(identity.pid_namespace, Ordering::Release);
            self.record_word(record, RECORD_ATTACHED_MS)
                .store(self.clock.now_ms(), Ordering::Relaxed);
            self.record_word(record, RECORD_LIBRARY)
                .store(library_version(), Ordering::Relaxed);
            // On the list before the record says so: another thread may look at once.
            ours::add(self.held(record, incarnation));
            // SeqCst: pairs with the Acquire loads that read the identity behind the owner, and is before
            // the store of IN_USE for a detacher that looks for others.
            self.record_word(record, RECORD_OWNER)
                .store(RecordOwner::new(incarnation, identity.pid).0, Ordering::SeqCst);
            // SeqCst: pairs with the last detacher's mark and its second look at the locks.
            self.word(CONTROL_STATE).store(STATE_IN_USE, Ordering::SeqCst);
            return Ok((record, incarnation));
        }
        Err(self.too_many_processes())
    }

    /// Takes a free thread line, lowest first; if none is free, one whose owner word is damaged.
    fn take_line(&self, owner: LineOwner) -> Option<u32> {
        self.take_free_line(owner).or_else(|| {
            self.release_orphan_lines();
            self.take_free_line(owner)
        })
    }

    fn take_free_line(&self, owner: LineOwner) -> Option<u32> {
        (0..self.geometry.counts.lines as u32).find(|&line| {
            let word = self.word(self.line_offset(line) + LINE_OWNER);
            if word.load(Ordering::Relaxed) != 0 {
                return false;
            }
            // SeqCst: pairs with the reclaimer's load of the mark before it scans pins; it must
            // not miss a line that is about to be used.
            self.word(CONTROL_LINES_HIGH)
                .fetch_max(u64::from(line) + 1, Ordering::SeqCst);
            // Acquire: pairs with the Release of whoever freed the line.
            word.compare_exchange(0, owner.0, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        })
    }

    /// Leaves the segment in order: everything this process holds is released, and the last to
    /// leave a file marks it clean.
    pub(crate) fn detach(&self) {
        if self.attachment.id() == 0 {
            // Never attached, or a forked child that never used the segment.
            if let Some(inherited) = self.attachment.current.lock().take() {
                leave_to_parent(inherited);
            }
            return;
        }
        let Some(attachment) = self.attachment.current.lock().take() else {
            return;
        };
        self.attachment.page.token().store(0, Ordering::Relaxed);
        self.release_record(attachment.record, attachment.incarnation);
        ours::remove(&self.held(attachment.record, attachment.incarnation));
        let Some(file) = self.memory.file() else { return };
        let Some(locks) = attachment.locks.lock().take() else {
            return;
        };
        if file.survives_reboot() && !self.others_attached(&locks, attachment.record) {
            self.word(CONTROL_CLEAN_MS)
                .store(self.clock.now_ms(), Ordering::Relaxed);
            self.word(CONTROL_CLEAN_REALTIME_MS)
                .store(self.clock.boot_clock().realtime_ms(), Ordering::Relaxed);
            // A write-back that fails leaves the mark out: after a reboot the file is made anew.
            if file.sync(0..self.geometry.total_bytes).is_ok() {
                // SeqCst: pairs with an attacher's store of IN_USE; whichever came first, one of
                // us sees the other and IN_USE stays.
                self.word(CONTROL_STATE).store(STATE_CLEAN, Ordering::SeqCst);
                if self.others_attached(&locks, attachment.record) {
                    self.word(CONTROL_STATE).store(STATE_IN_USE, Ordering::SeqCst);
                }
                // The mark itself may be lost with the machine: then the file is made anew.
                let _ = file.sync(0..crate::layout::control::CONTROL_OFFSET * 2);
            }
        }
        // A sibling may be asking through the same descriptor, and close it later. Fails only if the lock is
        // gone already.
        let _ = locks.unlock(RECORD_LOCK_BASE + u64::from(attachment.record));
    }

    /// Whether a record other than `own` has an owner, and its byte is held or the process exists: one that
    /// closed its descriptors has lost its lock but works on. A held byte alone may be an echo: a child
    /// between fork and exec holds copies of its parent's descriptors.
    fn others_attached(&self, locks: &ByteLocks, own: u16) -> bool {
        (0..self.geometry.counts.records as u16)
            .filter(|&record| record != own)
            .any(|record| {
                let owner = self.record_word(record, RECORD_OWNER);
                is_attached(owner, locks, record)
                    || self.lives_without_lock(record, self.record_owner(record))
            })
    }
}

/// Whether the record whose owner word is given has a holder.
pub(crate) fn is_attached(owner: &AtomicU64, locks: &ByteLocks, record: u16) -> bool {
    // SeqCst: pairs with the attacher's store of its owner before its store of IN_USE.
    RecordOwner(owner.load(Ordering::SeqCst)).pid() != 0
        && !matches!(
            locks.probe(RECORD_LOCK_BASE + u64::from(record)),
            Ok(guira_shm::lock::Probe::Free)
        )
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.detach();
    }
}

/// A forked child's way out of its parent's attachment: it closes the lock's descriptor, which leaves
/// the parent's lock alone, and touches nothing else. The memory is leaked, for threads of the parent
/// may have been in the middle of changing it.
fn leave_to_parent(inherited: Arc<Attachment>) {
    if let Some(locks) = inherited.locks.lock().take() {
        locks.leave_to_parent();
    }
    std::mem::forget(inherited);
}

/// Distinct in this process, and between a process and its children.
fn next_attachment_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1); // process-private
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = guira_shm::fork::process_id() ^ count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    if id == 0 { 1 } else { id }
}

fn library_version() -> u64 {
    let part = |text: &str| text.parse::<u64>().unwrap_or(0);
    part(env!("CARGO_PKG_VERSION_MAJOR"))
        | part(env!("CARGO_PKG_VERSION_MINOR")) << 16
        | part(env!("CARGO_PKG_VERSION_PATCH")) << 32
}
