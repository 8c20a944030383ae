//! How far the records have come: accepted, settled; and sleeping until there are more.

use std::time::{Duration, Instant};

use guira_shm::futex;
use guira_shm::sync::Ordering;

use super::Journal;
use crate::layout::control::{
    CONTROL_ACCEPTED, CONTROL_ACCEPTED_WAITERS, CONTROL_JOURNAL_SLEEPER, CONTROL_SETTLED,
    CONTROL_SETTLED_WAITERS,
};
use crate::shared::Shared;

/// A word that only grows, and the count of those who wait for it.
#[derive(Clone, Copy)]
struct Head {
    word: usize,
    waiters: usize,
}

const ACCEPTED: Head = Head {
    word: CONTROL_ACCEPTED,
    waiters: CONTROL_ACCEPTED_WAITERS,
};
const SETTLED: Head = Head {
    word: CONTROL_SETTLED,
    waiters: CONTROL_SETTLED_WAITERS,
};

impl Journal<'_> {
    /// Every ticket below this one was accepted: enough brokers have logged it.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared().head(ACCEPTED)
    }

    /// Says that every ticket below `up_to` was accepted; never takes that back. Wakes who waits.
    pub fn set_accepted(&self, up_to: u64) {
        self.shared().raise_head(ACCEPTED, up_to);
    }

    /// Waits until `ticket` is accepted; false if that took longer than `timeout`.
    #[must_use]
    pub fn wait_accepted(&self, ticket: u64, timeout: Duration) -> bool {
        self.shared().wait_for_head(ACCEPTED, ticket, timeout)
    }

    /// Every ticket below this one is settled: each host has applied it, or trusts nothing.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.shared().head(SETTLED)
    }

    /// Says that every ticket below `up_to` is settled; never takes that back. Wakes who waits.
    pub fn set_settled(&self, up_to: u64) {
        self.shared().raise_head(SETTLED, up_to);
    }

    /// Waits until `ticket` is settled; false if that took longer than `timeout`.
    #[must_use]
    pub fn wait_settled(&self, ticket: u64, timeout: Duration) -> bool {
        self.shared().wait_for_head(SETTLED, ticket, timeout)
    }

    /// Sleeps until the tail is not `seen_tail` any more; false if that took longer than `timeout`. May return early.
    pub fn wait_for_records(&self, seen_tail: u64, timeout: Duration) -> bool {
        self.wait_for_events(seen_tail, self.lease_events(), timeout);
        self.tail() != seen_tail
    }

    /// Whether somebody waits for records or for a head, or is about to.
    #[doc(hidden)]
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        [
            CONTROL_JOURNAL_SLEEPER,
            CONTROL_ACCEPTED_WAITERS,
            CONTROL_SETTLED_WAITERS,
        ]
        .into_iter()
        .any(|word| self.shared().word(word).load(Ordering::SeqCst) != 0)
    }

    /// How often a worker has made a step with a lease that the agent is to see:
    /// [`Segment::asked_leases`](crate::Segment::asked_leases) gives them.
    #[must_use]
    pub fn lease_events(&self) -> u64 {
        self.shared().lease_events()
    }

    /// Wakes the agent as a step of a lease does, for it to look at what a worker wants of it.
    pub fn wake_agent(&self) {
        self.shared().tell_agent();
    }

    /// Sleeps until the tail is not `seen_tail`, or the lease events are not `seen_lease_events`, any more, or
    /// `timeout` has passed. May return early.
    pub fn wait_for_events(&self, seen_tail: u64, seen_lease_events: u64, timeout: Duration) {
        let shared = self.shared();
        let sleeper = shared.word(CONTROL_JOURNAL_SLEEPER);
        // SeqCst: before the look at the tail; pairs with the appender's look behind its addition to the tail.
        sleeper.store(1, Ordering::SeqCst);
        if shared.journal_tail() == seen_tail && shared.lease_events() == seen_lease_events {
            futex::wait(sleeper, 1, timeout);
        }
    }
}

impl Shared {
    fn head(&self, head: Head) -> u64 {
        // SeqCst: behind the count of waiters; pairs with the maximum before the look at that count.
        self.word(head.word).load(Ordering::SeqCst)
    }

    fn raise_head(&self, head: Head, up_to: u64) {
        let word = self.word(head.word);
        // SeqCst, both: as in `head`.
        if word.fetch_max(up_to, Ordering::SeqCst) < up_to
            && self.word(head.waiters).load(Ordering::SeqCst) != 0
        {
            futex::wake(word, u32::MAX);
        }
    }

    fn wait_for_head(&self, head: Head, ticket: u64, timeout: Duration) -> bool {
        if self.head(head) > ticket {
            return true;
        }
        let begin = Instant::now();
        let waiters = self.word(head.waiters);
        // SeqCst: as in `head`.
        waiters.fetch_add(1, Ordering::SeqCst);
        let has_come = loop {
            let now = self.head(head);
            if now > ticket {
                break true;
            }
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() {
                break false;
            }
            futex::wait(self.word(head.word), now as u32, left);
        };
        waiters.fetch_sub(1, Ordering::Relaxed);
        has_come
    }
}
