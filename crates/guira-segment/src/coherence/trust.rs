//! Trust: until when what is read is no older than the bound, by the boot clock itself.
//!
//! The agent extends it, always by a maximum: an agent that was stopped anywhere, or a second one, extends it too
//! little, never too far. A namespace is trusted while its topic is, and the topic of what concerns all (0).

use std::time::Duration;

use guira_shm::sync::Ordering;

use crate::layout::control::{CONTROL_TOPICS_TRUSTED, CONTROL_TRUSTED_UNTIL_MS};
use crate::segment::Segment;
use crate::shared::Shared;

/// Topics of namespaces: 1 to 63.
const NAMESPACE_TOPICS: u64 = 63;
/// The topic of tags, clear and membership.
const CONTROL_TOPIC: u64 = 1;

/// Whether what is read from a namespace is known to be no older than the bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// It is, until then.
    Trusted {
        /// Milliseconds of the boot clock.
        until_ms: u64,
    },
    /// It is not: the agent has lost its brokers, or has not come to this namespace yet.
    Suspect,
    /// The segment is of no cluster: there is nobody to agree with.
    NotCoherent,
}

impl Segment {
    /// Whether this handle's namespace is trusted now. Reads the boot clock once.
    #[inline]
    #[must_use]
    pub fn trust(&self) -> Trust {
        if !self.shared.has_journal() {
            return Trust::NotCoherent;
        }
        self.trust_at(self.shared.clock.boot_clock().now_ms())
    }

    /// The same at a time of the boot clock that the caller has read after the value.
    #[inline]
    #[must_use]
    pub fn trust_at(&self, boot_ms: u64) -> Trust {
        self.topics_trust_at(topic_bit(self.namespace_hash()), boot_ms)
    }

    /// The same of the namespaces of these topics.
    #[inline]
    #[must_use]
    pub fn topics_trust_at(&self, topics_needed: u64, boot_ms: u64) -> Trust {
        let shared = &*self.shared;
        if !shared.has_journal() {
            return Trust::NotCoherent;
        }
        // Acquire, both: pair with the Releases below: what trust rests on was applied before.
        let until_ms = shared.word(CONTROL_TRUSTED_UNTIL_MS).load(Ordering::Acquire);
        let topics = shared.word(CONTROL_TOPICS_TRUSTED).load(Ordering::Acquire);
        let needed = CONTROL_TOPIC | topics_needed;
        if boot_ms < until_ms && topics & needed == needed && shared.is_of_this_life() {
            Trust::Trusted { until_ms }
        } else {
            Trust::Suspect
        }
    }

    /// Until when the segment is trusted, in milliseconds of the boot clock; 0 if it never was.
    #[must_use]
    pub fn trusted_until_ms(&self) -> u64 {
        if !self.shared.is_of_this_life() {
            return 0;
        }
        self.shared.word(CONTROL_TRUSTED_UNTIL_MS).load(Ordering::Acquire)
    }

    /// For how long this handle's namespace stays trusted if nothing more is heard; `None` if it is not.
    #[must_use]
    pub fn trusted_for(&self) -> Option<Duration> {
        let now_ms = self.shared.clock.boot_clock().now_ms();
        match self.trust_at(now_ms) {
            Trust::Trusted { until_ms } => Some(Duration::from_millis(until_ms.saturating_sub(now_ms))),
            Trust::Suspect | Trust::NotCoherent => None,
        }
    }

    /// Extends trust; never takes it back.
    pub fn extend_trust(&self, until_ms: u64) {
        if self.shared.has_journal() {
            self.shared.begin_life();
            // Release: what was applied comes before it; pairs with the Acquire of `trust_at`.
            self.shared
                .word(CONTROL_TRUSTED_UNTIL_MS)
                .fetch_max(until_ms, Ordering::Release);
        }
    }

    /// The topics that the agent must follow: bit 0 for what concerns all, and those of the namespaces in use.
    #[must_use]
    pub fn topics_wanted(&self) -> u64 {
        let shared = &*self.shared;
        shared
            .rows()
            .fold(CONTROL_TOPIC, |topics, row| topics | shared.topic_bit(row))
    }

    /// The topics that are trusted, as long as the segment is.
    #[must_use]
    pub fn topics_trusted(&self) -> u64 {
        if !self.shared.is_of_this_life() {
            return 0;
        }
        self.shared.word(CONTROL_TOPICS_TRUSTED).load(Ordering::Acquire)
    }

    /// Says which topics are trusted. Before trust is extended, if there are more than before.
    pub fn set_topics_trusted(&self, topics: u64) {
        if self.shared.has_journal() {
            self.shared.begin_life();
            // Release: as in `extend_trust`.
            self.shared
                .word(CONTROL_TOPICS_TRUSTED)
                .store(topics, Ordering::Release);
        }
    }

    /// What the invalidation clock says: an entry whose value was computed after this call is born no earlier.
    #[must_use]
    pub fn invalidation_clock(&self) -> u64 {
        self.shared.clock_now()
    }

    /// Moves the invalidation clock on and gives it: an entry whose token was taken before this call is born earlier.
    #[must_use]
    pub fn next_invalidation_clock(&self) -> u64 {
        self.shared.next_clock()
    }
}

impl Shared {
    /// The bit of a row's topic.
    pub(super) fn topic_bit(&self, row: u16) -> u64 {
        topic_bit(self.namespace_hash(row))
    }
}

const fn topic_bit(namespace_hash: u64) -> u64 {
    1 << (1 + namespace_hash % NAMESPACE_TOPICS)
}
