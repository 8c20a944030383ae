//! Appending: no allocation, no call into the kernel but to wake a reader that sleeps.

use guira_shm::futex;
use guira_shm::mutant::Mutant;
use guira_shm::sync::{AtomicU64, Ordering};

use super::{Journal, RecordKind};
use crate::layout::control::{CONTROL_JOURNAL_SLEEPER, CONTROL_JOURNAL_TAIL};
use crate::layout::journal::{
    Body, JOURNAL_COMMIT, JOURNAL_HASH, JOURNAL_STAMP, JOURNAL_WALL_MS, LapWord, lap_of,
};
use crate::shared::Shared;

/// A committed record whose effects on this host are still to be made.
#[must_use = "it is finished when the stamps are changed and the entries killed"]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    ticket: u64,
    commit: LapWord,
}

#[cfg(all(test, guira_model))]
impl Appended {
    pub(crate) const fn ticket(&self) -> u64 {
        self.ticket
    }
}

impl Journal<'_> {
    /// Announces that `key`, of the namespace of the handle whose journal this is, was put, so that hosts with an
    /// older value drop it. `flags` are the caller's. Gives the ticket.
    pub fn announce_put(&self, key: &[u8], flags: u8) -> u64 {
        let shared = self.shared();
        let body = Body {
            kind: RecordKind::Put.code(),
            flags,
            namespace: self.segment.namespace,
            hash: self.segment.key(key).hash,
            wall_ms: shared.clock.boot_clock().realtime_ms(),
            stamp: 0,
        };
        // A clock of its own, though it makes nothing void here: what others give is judged by it.
        let (_, appended) = shared.append_at(&body, || shared.next_clock());
        shared.finish_record(&appended);
        appended.ticket
    }
}

impl Shared {
    /// Advances the invalidation clock, and tells the other hosts, if there are any, what this one is about to do.
    /// Before its effects: see the module. Gives the clock.
    #[inline]
    pub(crate) fn announce(
        &self,
        kind: RecordKind,
        namespace: u16,
        hash: u64,
        flags: u8,
    ) -> (u64, Option<Appended>) {
        self.announce_at(kind, namespace, hash, flags, || self.next_clock())
    }

    /// As [`Self::announce`], with what `stamp` gives in place of the next clock.
    #[inline]
    pub(crate) fn announce_at(
        &self,
        kind: RecordKind,
        namespace: u16,
        hash: u64,
        flags: u8,
        stamp: impl Fn() -> u64,
    ) -> (u64, Option<Appended>) {
        if !self.has_journal() {
            return (stamp(), None);
        }
        let body = Body {
            kind: kind.code(),
            flags,
            namespace,
            hash,
            wall_ms: self.clock.boot_clock().realtime_ms(),
            stamp: 0,
        };
        let (stamp, appended) = self.append_at(&body, stamp);
        (stamp, Some(appended))
    }

    /// The effects are made.
    #[inline]
    pub(crate) fn conclude(&self, announced: Option<Appended>) {
        if let Some(appended) = announced {
            self.finish_record(&appended);
        }
    }

    /// As [`Self::append_at`], with the stamp that the record has.
    #[cfg(test)]
    pub(crate) fn append(&self, body: &Body) -> Appended {
        self.append_at(body, || body.stamp).1
    }

    /// Commits a record under a ticket of its own, with a stamp that is drawn after the ticket; gives that.
    #[inline(never)]
    fn append_at(&self, body: &Body, stamp: impl Fn() -> u64) -> (u64, Appended) {
        // Ends: a slot refuses only who was stopped for long, or what damage made of one lap of the ring.
        loop {
            // SeqCst: pairs with a reader's look at the tail behind its word that it sleeps. Release of it: whoever
            // sees a word of this ticket sees the tail beyond it.
            let ticket = self.word(CONTROL_JOURNAL_TAIL).fetch_add(1, Ordering::SeqCst);
            let stamp = stamp();
            let words = Body { stamp, ..*body }.encode(lap_of(ticket, self.geometry.counts.journal_records));
            if self.write_record(ticket, words) {
                let [commit, ..] = words;
                return (stamp, Appended { ticket, commit });
            }
        }
    }

    /// False if the slot was voided or another lap has begun to write it.
    pub(super) fn write_record(&self, ticket: u64, words: [LapWord; 4]) -> bool {
        let [commit, hash, wall, stamp] = words;
        self.write_word(ticket, JOURNAL_HASH, hash)
            && self.write_word(ticket, JOURNAL_WALL_MS, wall)
            && self.write_word(ticket, JOURNAL_STAMP, stamp)
            && self.write_word(ticket, JOURNAL_COMMIT, commit)
    }

    fn write_word(&self, ticket: u64, field: usize, to: LapWord) -> bool {
        let word = self.journal_word(ticket, field);
        if Mutant::JournalByStores.is_on() {
            word.store(to.0, Ordering::Release);
            return true;
        }
        // Acquire: the tail is looked at after it.
        let mut now = LapWord(word.load(Ordering::Acquire));
        while self.is_of_smaller_lap(ticket, now) {
            match exchange_lap(word, now, to) {
                Ok(()) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// Whether a word, loaded before, is of a lap before the ticket's: the slot is still the ticket's to write.
    fn is_of_smaller_lap(&self, ticket: u64, now: LapWord) -> bool {
        let records = self.geometry.counts.journal_records;
        if Mutant::JournalLapsUnchecked.is_on() {
            return true;
        }
        // No later lap has been begun, so any other lap is a smaller one.
        self.journal_tail().wrapping_sub(ticket) <= records && now.lap() != lap_of(ticket, records)
    }

    /// Makes a hole VOID, unless it is written meanwhile.
    pub(crate) fn void(&self, ticket: u64) {
        let word = self.journal_word(ticket, JOURNAL_COMMIT);
        let void = LapWord::void(lap_of(ticket, self.geometry.counts.journal_records));
        // Acquire: as in `write_word`.
        let mut now = LapWord(word.load(Ordering::Acquire));
        while self.is_of_smaller_lap(ticket, now) {
            match exchange_lap(word, now, void) {
                Ok(()) => return,
                Err(other) => now = other,
            }
        }
    }

    /// Marks a record as carried out, and wakes the reader that sleeps.
    pub(crate) fn finish_record(&self, appended: &Appended) {
        let word = self.journal_word(appended.ticket, JOURNAL_COMMIT);
        // Lost to the next lap, which is none of this record's business. Release of it: who sees the mark sees the
        // stamps and the dead entries.
        let _ = exchange_lap(word, appended.commit, appended.commit.finished());
        self.wake_sleeper();
    }

    /// Wakes the agent if it sleeps.
    pub(crate) fn wake_sleeper(&self) {
        let sleeper = self.word(CONTROL_JOURNAL_SLEEPER);
        // SeqCst: behind the addition to the tail, or to the count of events; pairs with the reader's store before its look at the tail.
        if sleeper.load(Ordering::SeqCst) != 0 && sleeper.swap(0, Ordering::Relaxed) != 0 {
            futex::wake(sleeper, u32::MAX);
        }
    }
}

fn exchange_lap(word: &AtomicU64, from: LapWord, to: LapWord) -> Result<(), LapWord> {
    // Release: pairs with the Acquire of readers and of other appenders; Acquire: as in `write_word`.
    word.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire)
        .map(drop)
        .map_err(LapWord)
}
