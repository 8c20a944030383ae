//! Which file goes when room is needed: S3-FIFO, over files that differ in size.
//!
//! New files enter a small queue, which has a tenth of the space. Whoever leaves it without having been read is
//! evicted, and its key is remembered as a ghost; what was read goes on to the main queue, as do the files of
//! keys whose ghosts are still known. Who comes to the end of the main queue and was read since goes round once more for
//! each read, up to three. Expired files and those that nobody names any more go before all of them (`due`, and the
//! depot's sweep).
//!
//! After Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction" (SOSP 2023).
//!
//! Everything here is a hint. A place of a queue counts only if the record it names says that this is its place, so
//! places may be left behind, be written twice or be lost; what is lost is found by the sweep, and where the queues
//! give nobody, the records themselves are looked through. The limit depends on none of it.

mod due;
mod ghosts;
mod queue;
#[cfg(test)]
mod tests;

pub(crate) use queue::Queue;

use guira_shm::sync::Ordering;

use crate::layout::record::{MAX_USES, NO_TICKET, RecordState, RecordWord};
use crate::layout::table::{CONTROL_EVICTIONS, CONTROL_SMALL_BLOCKS};
use crate::table::Table;

/// The part of the space that new files have before they must have been read.
const SMALL_PART: u64 = 10;

impl Table {
    /// Somebody read the file of `record`.
    pub(crate) fn use_record(&self, record: u32) {
        let uses = self.uses(record);
        let now = uses.load(Ordering::Relaxed);
        if now < MAX_USES {
            // A read that is counted once for two at the same moment is as good.
            uses.store(now + 1, Ordering::Relaxed);
        }
    }

    /// Makes a record that is HELD by the caller LIVE, in a queue. False if it is not HELD any more.
    pub(crate) fn publish(&self, record: u32, held: RecordWord, key_hash: u64, due_ms: u64) -> bool {
        let queue = if self.take_ghost(key_hash) {
            Queue::Main
        } else {
            Queue::Small
        };
        self.note_due(record, due_ms);
        let live = match queue {
            Queue::Small => held.live(),
            Queue::Main => held.live().in_main(),
        };
        // SeqCst, Acquire: as every change of a record's word.
        let is_live = self
            .record_word(record)
            .compare_exchange(held.0, live.0, Ordering::SeqCst, Ordering::Acquire)
            .is_ok();
        if is_live {
            if queue == Queue::Small {
                self.add_small(live.blocks().into());
            }
            // Behind it, so that nobody meets the place of a record that is not LIVE yet. If nothing comes of this, the
            // sweep gives it a place.
            self.enter(queue, record, NO_TICKET);
        }
        is_live
    }

    fn small_blocks(&self) -> &guira_shm::sync::AtomicU64 {
        self.word(CONTROL_SMALL_BLOCKS)
    }

    fn add_small(&self, blocks: u64) {
        self.small_blocks().fetch_add(blocks, Ordering::Relaxed);
    }

    fn leave_small(&self, blocks: u64) {
        let small = self.small_blocks();
        let less = |now: u64| Some(now.saturating_sub(blocks));
        let _ = small.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less); // it never refuses
    }

    /// Notes that a LIVE record is about to go, for whatever reason.
    pub(crate) fn note_departure(&self, word: RecordWord) {
        if !word.is_main() {
            self.leave_small(word.blocks().into());
        }
    }

    /// Notes an eviction of a file that nobody had read, for its key may come again.
    pub(crate) fn note_eviction(&self, word: RecordWord, key_hash: u64) {
        let evictions = self.word(CONTROL_EVICTIONS).fetch_add(1, Ordering::Relaxed) + 1;
        if !word.is_main() {
            self.leave_ghost(key_hash, evictions);
        }
    }

    /// The LIVE record that is to go next, with its word; `None` if there is none.
    pub(crate) fn next_victim(&self) -> Option<(u32, RecordWord)> {
        // Each visit drops a place, moves a record to the main queue or takes a use of it away.
        let most = self.geometry.records.saturating_mul(MAX_USES + 3).max(64);
        for _ in 0..most {
            let prefers_small =
                self.small_blocks().load(Ordering::Relaxed) >= self.budget_blocks() / SMALL_PART;
            let order = if prefers_small {
                [Queue::Small, Queue::Main]
            } else {
                [Queue::Main, Queue::Small]
            };
            let (queue, record, ticket) = order
                .into_iter()
                .find_map(|queue| self.leave(queue).map(|(record, ticket)| (queue, record, ticket)))?;
            let word = self.record(record);
            if word.state() != Some(RecordState::Live)
                || self.ticket(record).load(Ordering::Relaxed) != ticket
            {
                continue;
            }
            let uses = self.uses(record).load(Ordering::Relaxed);
            if uses == 0 {
                return Some((record, word));
            }
            match queue {
                Queue::Small => {
                    let main = word.in_main();
                    // SeqCst, Acquire: as every change of a record's word.
                    let moved = self.record_word(record).compare_exchange(
                        word.0,
                        main.0,
                        Ordering::SeqCst,
                        Ordering::Acquire,
                    );
                    if moved.is_ok() {
                        self.leave_small(word.blocks().into());
                        self.uses(record).store(0, Ordering::Relaxed);
                        self.enter(Queue::Main, record, ticket);
                    }
                }
                Queue::Main => {
                    self.uses(record).store(uses - 1, Ordering::Relaxed);
                    self.enter(Queue::Main, record, ticket);
                }
            }
        }
        None
    }

    /// Any LIVE record from `from` on, all round: where the queues gave nobody.
    pub(crate) fn any_live(&self, from: u64) -> Option<(u32, RecordWord)> {
        let records = self.geometry.records;
        (0..records)
            .map(|step| ((from + step) % records) as u32)
            .find_map(|record| {
                let word = self.record(record);
                (word.state() == Some(RecordState::Live)).then_some((record, word))
            })
    }

    /// Gives a LIVE record a place again if it has lost its own. Called by the sweep.
    pub(crate) fn ensure_place(&self, record: u32, word: RecordWord) {
        let ticket = self.ticket(record).load(Ordering::Relaxed);
        if !self.has_place(record, ticket) {
            let queue = if word.is_main() { Queue::Main } else { Queue::Small };
            self.enter(queue, record, ticket);
        }
    }
}
