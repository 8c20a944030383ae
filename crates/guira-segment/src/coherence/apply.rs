//! Making a record's effects on this segment.
//!
//! The order of records does not matter, nor how often one is applied: stamps only grow, and what is killed is
//! dead. A fill that is under way is refused by the stamp; one whose entry is linked already is found by the scan
//! behind it.

use guira_shm::sync::{Ordering, fence_behind_change};

use crate::attach::ThreadRef;
use crate::groups::group_of_number;
use crate::journal::{Record, RecordKind};
use crate::key::Key;
use crate::layout::stamp::INVALIDATION;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::tags::hash_tag;

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// The key had a value, which is gone, or stale after an expiry.
    Present,
    /// The key had none. A computation of it that is under way is refused all the same.
    Absent,
    /// A tag, a namespace or everything was invalidated; or a namespace, because one of its keys could not be
    /// looked for.
    Raised,
    /// This segment has no such namespace.
    UnknownNamespace,
}

impl Segment {
    /// Does what another host's record says: when it returns, no read gives what the record made void. Cannot fail.
    ///
    /// ```
    /// use guira_segment::{Applied, Expiry, Segment};
    ///
    /// let builder = Segment::builder().size(8 << 20).cluster("shop");
    /// let (here, there) = (builder.private()?, builder.private()?);
    /// here.put(b"key", b"old", Expiry::never())?;
    /// there.invalidate(b"key");
    /// let mut entries = Vec::new();
    /// there.journal().expect("of a cluster").read(0, 10, &mut entries);
    /// let record = entries[0].record.expect("no void");
    /// assert_eq!(here.apply(&record), Applied::Present);
    /// assert!(here.get(b"key").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply(&self, record: &Record) -> Applied {
        let shared = &*self.shared;
        // What is raised is raised above everything that was born until now.
        let now = shared.next_clock();
        let applied = shared.carry_out(record, now, u64::MAX);
        if shared.is_lost() {
            shared.invalidate_for_others();
        }
        applied
    }

    /// Completes a record of this segment's own journal whose appender may have died before it had made the
    /// effects. What was born at the record's stamp or later stays.
    pub fn finish_own(&self, record: &Record) -> Applied {
        match record.kind {
            // The value is there, or will never be.
            RecordKind::Put => Applied::Absent,
            _ => self.shared.carry_out(record, record.stamp, record.stamp),
        }
    }

    /// Makes what was filled or put before void in the namespaces of these topics (bit *t* for topic *t*), or
    /// everything if topic 0 is among them. On this host alone: other hosts are not told.
    pub fn raise_floor(&self, topics: u64) {
        let shared = &*self.shared;
        let now = shared.next_clock();
        if topics & 1 != 0 {
            shared.raise_floor_to(now);
        } else {
            for row in shared.rows() {
                if topics & shared.topic_bit(row) != 0 {
                    shared.raise_namespace_to(row, now);
                }
            }
        }
        if shared.is_lost() {
            shared.invalidate_for_others();
        }
    }
}

impl Shared {
    fn carry_out(&self, record: &Record, now: u64, born_before: u64) -> Applied {
        match record.kind {
            RecordKind::Clear => {
                self.raise_floor_to(now);
                Applied::Raised
            }
            RecordKind::Tag => {
                let group = group_of_number(record.namespace_hash as u8);
                self.raise_tag_to(record.hash, now);
                self.raise_tag_to(hash_tag(self.superblock.hash_seed, &group), now);
                Applied::Raised
            }
            RecordKind::Namespace => self.raise_rows(record.namespace_hash, now),
            RecordKind::Invalidate | RecordKind::Put | RecordKind::Expire => {
                if self.rows_of(record.namespace_hash).next().is_none() {
                    return Applied::UnknownNamespace;
                }
                match self.thread() {
                    Some(thread) if record.kind == RecordKind::Expire => {
                        self.expire_hash(&thread, record, now, born_before)
                    }
                    Some(thread) => self.kill_hash(&thread, record, now, born_before),
                    // No pins to look under.
                    None => self.raise_rows(record.namespace_hash, now),
                }
            }
        }
    }

    fn raise_rows(&self, namespace_hash: u64, now: u64) -> Applied {
        let mut applied = Applied::UnknownNamespace;
        for row in self.rows_of(namespace_hash) {
            self.raise_namespace_to(row, now);
            applied = Applied::Raised;
        }
        applied
    }

    /// As an invalidation of the key, of what was born before `born_before`.
    fn kill_hash(&self, thread: &ThreadRef<'_>, record: &Record, now: u64, born_before: u64) -> Applied {
        // SeqCst, both: as in `invalidate`; behind them either a fill sees the stamp, or the scan its entry.
        self.key_stamp_word(record.hash)
            .fetch_add(INVALIDATION, Ordering::SeqCst);
        fence_behind_change();
        let Some(keys) = self.keys_of_hash(thread, record.namespace_hash, record.hash, born_before) else {
            return self.raise_rows(record.namespace_hash, now);
        };
        let mut applied = Applied::Absent;
        for (namespace, bytes) in keys {
            let key = Key::of_hash(&self.geometry, namespace, &bytes, record.hash);
            let killed = self.kill_born_before(thread, &key, born_before);
            if !killed.is_certain {
                self.raise_namespace_to(namespace, now);
                applied = Applied::Raised;
            } else if killed.was_present && applied == Applied::Absent {
                applied = Applied::Present;
            }
        }
        applied
    }

    fn expire_hash(&self, thread: &ThreadRef<'_>, record: &Record, now: u64, born_before: u64) -> Applied {
        self.stamp_write(&Key::of_hash(&self.geometry, 0, &[], record.hash));
        fence_behind_change();
        let Some(keys) = self.keys_of_hash(thread, record.namespace_hash, record.hash, born_before) else {
            return self.raise_rows(record.namespace_hash, now);
        };
        let mut applied = Applied::Absent;
        for (namespace, bytes) in keys {
            let key = Key::of_hash(&self.geometry, namespace, &bytes, record.hash);
            if self.expire(thread, &key) {
                applied = Applied::Present;
            }
        }
        applied
    }
}
