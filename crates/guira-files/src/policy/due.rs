//! Finding expired files without a walk.
//!
//! Each group of 256 records has a word: a bound below which none of them expires, and a count of its changes. Who
//! enters a record lowers the bound and counts; who looks for expired ones goes through the bounds (a word for 256
//! files), looks into the groups whose bound has passed, and raises the bound to what it found if nobody entered
//! meanwhile.
//!
//! ```text
//!  63     48 47                 0
//! +---------+--------------------+
//! | changes | ms of the wall clock |
//! +---------+--------------------+
//! ```
//!
//! 0 stands for a bound that nobody has set yet: nothing in the group expires. A bound is a hint, as is a record's end: the
//! segment's entry says whether the file's value is over.

use guira_shm::sync::{AtomicU64, Ordering};

use crate::layout::record::{NEVER_MS, RecordState};
use crate::layout::table::GROUP_RECORDS;
use crate::table::Table;

const BOUND_MASK: u64 = (1 << 48) - 1;
/// No end: below the mask, so that it is told from a bound of 0.
const NO_BOUND: u64 = BOUND_MASK;

const fn bound(word: u64) -> u64 {
    match word & BOUND_MASK {
        0 => NO_BOUND,
        bound => bound,
    }
}

const fn with_bound(word: u64, bound_ms: u64) -> u64 {
    ((word >> 48).wrapping_add(1) & 0xffff) << 48 | bound_ms
}

impl Table {
    fn group(&self, group: u64) -> &AtomicU64 {
        self.word(self.geometry.groups_offset + group as usize * 8)
    }

    /// `record`, which is the caller's or LIVE, ends at `due_ms`.
    pub(crate) fn note_due(&self, record: u32, due_ms: u64) {
        self.due_ms(record).store(due_ms, Ordering::Relaxed);
        if due_ms == NEVER_MS {
            return;
        }
        let due_ms = due_ms.clamp(1, NO_BOUND - 1);
        let group = self.group(u64::from(record) / GROUP_RECORDS);
        let mut now = group.load(Ordering::Relaxed);
        loop {
            let new = with_bound(now, bound(now).min(due_ms));
            // Release: the record's end is before it; pairs with the Acquire of `next_due`.
            match group.compare_exchange_weak(now, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => now = other,
            }
        }
    }

    /// A LIVE record whose end has passed at `now_ms`, as far as the table knows.
    pub(crate) fn next_due(&self, now_ms: u64) -> Option<u32> {
        let groups = self.geometry.records.div_ceil(GROUP_RECORDS);
        for group in 0..groups {
            // Acquire: pairs with the Release of `note_due`.
            let word = self.group(group).load(Ordering::Acquire);
            if bound(word) > now_ms {
                continue;
            }
            let first = group * GROUP_RECORDS;
            let last = (first + GROUP_RECORDS).min(self.geometry.records);
            let mut earliest = NO_BOUND;
            for record in first as u32..last as u32 {
                let state = self.record(record).state();
                let due_ms = self.due_ms(record).load(Ordering::Relaxed);
                match state {
                    Some(RecordState::Live) if due_ms <= now_ms => return Some(record),
                    // It may become LIVE at once.
                    Some(RecordState::Live | RecordState::Held) => {}
                    _ => continue,
                }
                earliest = earliest.min(due_ms.min(NO_BOUND));
            }
            // Fails if somebody entered meanwhile: then the group is looked at again.
            let raised = with_bound(word, earliest);
            let _ = self
                .group(group)
                .compare_exchange(word, raised, Ordering::Relaxed, Ordering::Relaxed);
        }
        None
    }
}
