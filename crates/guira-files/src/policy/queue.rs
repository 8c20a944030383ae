//! The two queues of the policy: rings of words that name records.
//!
//! A place holds `lap | record`; the lap says to which turn of the ring it belongs. Who enters takes a ticket from the
//! tail, writes the ticket into the record and then the record into the place, by a compare-and-swap from an older
//! lap. Who leaves moves the head on by a compare-and-swap, and whoever succeeds has the ticket for itself. A place
//! counts only while its record's ticket is that very one.
//!
//! A place whose lap is older when the head comes is a hole: its writer is late or dead. It is passed by; the passer
//! looks once more behind its step, and the writer looks at the head behind its write, so one of the two sees
//! the other unless it dies at that point. A record that lost its place so is given one by the sweep.

use guira_shm::sync::{AtomicU64, Ordering};

use crate::layout::table::{CONTROL_QUEUES, QUEUE_CONTROL_BYTES, QUEUE_TAIL};
use crate::table::Table;

/// Which queue a record is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Queue {
    Small,
    Main,
}

/// Set in tickets of the main queue, as records hold them.
const MAIN: u64 = 1 << 63;

impl Queue {
    const fn ticket(self, place: u64) -> u64 {
        match self {
            Self::Small => place,
            Self::Main => place | MAIN,
        }
    }

    const fn of_ticket(ticket: u64) -> Self {
        if ticket & MAIN == 0 {
            Self::Small
        } else {
            Self::Main
        }
    }
}

impl Table {
    fn head(&self, queue: Queue) -> &AtomicU64 {
        self.word(CONTROL_QUEUES + queue as usize * QUEUE_CONTROL_BYTES)
    }

    fn tail(&self, queue: Queue) -> &AtomicU64 {
        self.word(CONTROL_QUEUES + queue as usize * QUEUE_CONTROL_BYTES + QUEUE_TAIL)
    }

    fn place(&self, queue: Queue, at: u64) -> &AtomicU64 {
        let index = (at % self.geometry.queue_places) as usize;
        self.word(self.geometry.queue_offsets[queue as usize] + index * 8)
    }

    fn placed(&self, at: u64, record: u32) -> u64 {
        let lap = (at / self.geometry.queue_places) as u32;
        u64::from(lap.wrapping_add(1)) << 32 | u64::from(record)
    }

    /// Puts `record`, whose ticket is `from`, at the queue's end. If it is another by then, somebody else has taken care
    /// of it.
    pub(crate) fn enter(&self, queue: Queue, record: u32, from: u64) {
        let mut known = from;
        self.make_place(queue);
        loop {
            let at = self.tail(queue).fetch_add(1, Ordering::Relaxed);
            let ticket = queue.ticket(at);
            let mine =
                self.ticket(record)
                    .compare_exchange(known, ticket, Ordering::Relaxed, Ordering::Relaxed);
            if mine.is_err() {
                return;
            }
            known = ticket;
            let place = self.place(queue, at);
            let new = self.placed(at, record);
            let old = place.load(Ordering::Relaxed);
            // By the distance: laps of 32 bits come round.
            let ahead = ((new >> 32) as u32).wrapping_sub((old >> 32) as u32);
            if ahead == 0 || ahead > u32::MAX / 2 {
                continue; // a whole turn has passed since the ticket
            }
            // SeqCst: before the look at the head; pairs with the second look of `leave`.
            let written = place.compare_exchange(old, new, Ordering::SeqCst, Ordering::Relaxed);
            // SeqCst: behind the write, as above.
            if written.is_ok() && self.head(queue).load(Ordering::SeqCst) <= at {
                return;
            }
        }
    }

    /// Takes the first of the queue: a record, and the ticket under which it stood there.
    pub(crate) fn leave(&self, queue: Queue) -> Option<(u32, u64)> {
        loop {
            let at = self.head(queue).load(Ordering::SeqCst); // with `enter`'s write
            let tail = self.tail(queue).load(Ordering::Relaxed);
            if at >= tail {
                return None;
            }
            // No more than all places can count; what is longer is damaged, and is passed by in one step.
            let next = (at + 1).max(tail.saturating_sub(self.geometry.queue_places));
            // SeqCst: the step is before the second look; pairs with `enter`.
            let step = self
                .head(queue)
                .compare_exchange(at, next, Ordering::SeqCst, Ordering::Relaxed);
            if step.is_err() {
                continue;
            }
            // SeqCst: behind the step.
            let placed = self.place(queue, at).load(Ordering::SeqCst);
            let record = placed as u32;
            if placed == self.placed(at, record) && self.has_record(record) {
                return Some((record, queue.ticket(at)));
            }
        }
    }

    /// Whether `ticket` is a place ahead of its queue's head that names `record`.
    pub(crate) fn has_place(&self, record: u32, ticket: u64) -> bool {
        let (queue, at) = (Queue::of_ticket(ticket), ticket & !MAIN);
        at >= self.head(queue).load(Ordering::Relaxed)
            && self.place(queue, at).load(Ordering::Relaxed) == self.placed(at, record)
    }

    /// Drops places that count no more from the head of a queue that has grown long: at most half of all places
    /// count, so the others are met soon.
    fn make_place(&self, queue: Queue) {
        for _ in 0..64 {
            let length = self
                .tail(queue)
                .load(Ordering::Relaxed)
                .saturating_sub(self.head(queue).load(Ordering::Relaxed));
            if length < self.geometry.queue_places / 4 * 3 {
                return;
            }
            let Some((record, ticket)) = self.leave(queue) else {
                return;
            };
            if self.ticket(record).load(Ordering::Relaxed) == ticket {
                let at = self.tail(queue).fetch_add(1, Ordering::Relaxed);
                let moved = queue.ticket(at);
                let is_mine =
                    self.ticket(record)
                        .compare_exchange(ticket, moved, Ordering::Relaxed, Ordering::Relaxed);
                if is_mine.is_ok() {
                    // What is lost by a race here is found by the sweep.
                    let _ = self
                        .place(queue, at)
                        .fetch_max(self.placed(at, record), Ordering::SeqCst); // with `leave`
                }
            }
        }
    }

    /// Places between head and tail, whether they count or not.
    #[cfg(test)]
    pub(crate) fn queue_length(&self, queue: Queue) -> u64 {
        self.tail(queue).load(Ordering::Relaxed) - self.head(queue).load(Ordering::Relaxed)
    }
}
