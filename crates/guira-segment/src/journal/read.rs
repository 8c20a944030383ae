//! Reading by ticket, and what is missing.

use std::time::{Duration, Instant};

use guira_shm::sync::{Ordering, yield_now};

use super::{Journal, Record};
use crate::layout::journal::{
    Body, Commit, JOURNAL_COMMIT, JOURNAL_HASH, JOURNAL_STAMP, JOURNAL_WALL_MS, LapWord, lap_of,
};
use crate::shared::Shared;

/// How long a hole is waited for before it is made void.
const HOLE_WAIT: Duration = Duration::from_micros(100);

/// One ticket of the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalEntry {
    /// Its number.
    pub ticket: u64,
    /// The record; `None` for a void one, which has no effect anywhere.
    pub record: Option<Record>,
    /// Whether its appender has made its effects on this host. If not, it may be dead:
    /// [`Segment::finish_own`](crate::Segment::finish_own) makes them.
    pub is_finished: bool,
}

/// How a read of the journal ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JournalRead {
    /// Every ticket up to this one, which is the next to read, was given. The same as the first that was asked for if
    /// there is none yet.
    UpTo(u64),
    /// The first ticket that was asked for is taken and not written yet: see [`Journal::close_hole`].
    Pending {
        /// That ticket.
        at: u64,
    },
    /// The ring was overwritten before it was read. Go on at `missing_to`.
    Overwritten {
        /// The first that is missing, which is the one that was asked for.
        missing_from: u64,
        /// The first behind those that are missing.
        missing_to: u64,
    },
}

/// What lies in a ticket's slot.
enum Look {
    Entry(JournalEntry),
    /// Of another lap.
    Other(LapWord),
}

impl Journal<'_> {
    /// Appends the entries from ticket `from` on to `entries`, at most `max`. What ends it before that many is
    /// reported by the next read, which begins there.
    pub fn read(&self, from: u64, max: usize, entries: &mut Vec<JournalEntry>) -> JournalRead {
        let shared = self.shared();
        let records = shared.geometry.counts.journal_records;
        let tail = shared.journal_tail();
        let before = entries.len();
        let mut ticket = from;
        let mut other = None;
        while ticket < tail && entries.len() - before < max {
            match shared.look_at_record(ticket) {
                Look::Entry(entry) => entries.push(entry),
                Look::Other(word) => {
                    other = Some(word);
                    break;
                }
            }
            ticket += 1;
        }
        // Behind the words: the tail tells which laps they can be of.
        let tail = shared.journal_tail();
        let ahead = tail.saturating_sub(from);
        if ahead >= records * 2 {
            // A lap may have wrapped.
            entries.truncate(before);
            ticket = from;
        }
        if ticket != from {
            return JournalRead::UpTo(ticket);
        }
        let is_overwritten = ahead >= records * 2
            || other.is_some_and(|word| ahead > records && is_later(word.lap(), lap_of(from, records)));
        match other {
            _ if is_overwritten => JournalRead::Overwritten {
                missing_from: from,
                missing_to: tail.saturating_sub(records).max(from + 1),
            },
            Some(_) => JournalRead::Pending { at: from },
            None => JournalRead::UpTo(from),
        }
    }

    /// Waits at most 100 us for the appender of a pending ticket, and then makes the ticket void: an appender that was
    /// stopped takes another when it goes on, and the call of one that is dead never returned.
    pub fn close_hole(&self, at: u64) {
        let begin = Instant::now();
        while let Look::Other(_) = self.shared().look_at_record(at) {
            if begin.elapsed() >= HOLE_WAIT {
                self.shared().void(at);
                return;
            }
            yield_now();
        }
    }
}

impl Shared {
    fn look_at_record(&self, ticket: u64) -> Look {
        let lap = lap_of(ticket, self.geometry.counts.journal_records);
        // Acquire: pairs with the Release with which a word was written; the tail is looked at after.
        let load = |field| LapWord(self.journal_word(ticket, field).load(Ordering::Acquire));
        let commit = load(JOURNAL_COMMIT);
        if commit.lap() != lap {
            return Look::Other(commit);
        }
        let Commit::Record { is_finished } = commit.commit() else {
            return Look::Entry(JournalEntry {
                ticket,
                record: None,
                is_finished: true,
            });
        };
        let rest = [load(JOURNAL_HASH), load(JOURNAL_WALL_MS), load(JOURNAL_STAMP)];
        if let Some(other) = rest.iter().find(|word| word.lap() != lap) {
            return Look::Other(*other);
        }
        let [hash, wall, stamp] = rest;
        Look::Entry(JournalEntry {
            ticket,
            record: Record::of_body(self, &Body::decode([commit, hash, wall, stamp])),
            is_finished,
        })
    }
}

/// Whether a lap comes after another, both modulo 2^16 and less than half of that apart.
const fn is_later(lap: u16, than: u16) -> bool {
    (lap.wrapping_sub(than) as i16) > 0
}
