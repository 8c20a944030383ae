//! What an agent writes down: a note about each broker for the agent that comes after it, and counters.
//!
//! A note has two copies, each `sequence | words | check`. A writer overwrites the one that is older or does not fit
//! its check, so that one that dies half-way leaves the other; two writers at once (an agent that was stopped
//! goes on) leave at worst a copy that does not fit.

use guira_shm::sync::{AtomicU64, Ordering};
use xxhash_rust::xxh3::xxh3_64;

use crate::layout::coherence::{BROKER_BYTES, BROKERS, COHERENCE_COUNTERS};
use crate::segment::Segment;
use crate::shared::Shared;

/// Words of a note about a broker.
pub const NOTE_WORDS: usize = BROKER_BYTES / 8 / 2 - 2;

const COPY_BYTES: usize = BROKER_BYTES / 2;
const SEQUENCE: usize = 0;
const WORDS: usize = 8;
const CHECK: usize = COPY_BYTES - 8;

impl Segment {
    /// The last note about broker number `broker`, 0 to 15; `None` if there is none.
    #[must_use]
    pub fn broker_note(&self, broker: usize) -> Option<[u64; NOTE_WORDS]> {
        self.shared.notes(broker)?.latest().map(|(_, words)| words)
    }

    /// Notes `words` about broker number `broker`; false if there is no such number, or no cluster.
    pub fn note_broker(&self, broker: usize, words: &[u64; NOTE_WORDS]) -> bool {
        let Some(notes) = self.shared.notes(broker) else {
            return false;
        };
        notes.write(words);
        true
    }

    /// Adds to counter number `counter`, 0 to 255. Their meaning is the agent's.
    pub fn count_coherence(&self, counter: usize, by: u64) {
        if let Some(word) = self.shared.coherence_counter(counter) {
            word.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// What counter number `counter` says; 0 for one that there is not.
    #[must_use]
    pub fn coherence_count(&self, counter: usize) -> u64 {
        self.shared
            .coherence_counter(counter)
            .map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

/// The two copies of a broker's note.
struct Notes<'s> {
    shared: &'s Shared,
    offset: usize,
    broker: usize,
}

impl Shared {
    fn notes(&self, broker: usize) -> Option<Notes<'_>> {
        (self.has_journal() && broker < BROKERS).then(|| Notes {
            shared: self,
            offset: self.geometry.brokers + broker * BROKER_BYTES,
            broker,
        })
    }

    fn coherence_counter(&self, counter: usize) -> Option<&AtomicU64> {
        (self.has_journal() && counter < COHERENCE_COUNTERS)
            .then(|| self.word(self.geometry.coherence_counters + counter * 8))
    }
}

impl Notes<'_> {
    fn word(&self, copy: usize, field: usize) -> &AtomicU64 {
        self.shared.word(self.offset + copy * COPY_BYTES + field)
    }

    /// Sequence and words of a copy that fits its check.
    fn read(&self, copy: usize) -> Option<(u64, [u64; NOTE_WORDS])> {
        // Acquire: pairs with the Release of the check: the words are those it is of, or newer and do not fit.
        let check = self.word(copy, CHECK).load(Ordering::Acquire);
        let sequence = self.word(copy, SEQUENCE).load(Ordering::Relaxed);
        let words = std::array::from_fn(|index| self.word(copy, WORDS + index * 8).load(Ordering::Relaxed));
        (sequence != 0 && check == self.check(sequence, &words)).then_some((sequence, words))
    }

    fn latest(&self) -> Option<(u64, [u64; NOTE_WORDS])> {
        [self.read(0), self.read(1)]
            .into_iter()
            .flatten()
            .max_by_key(|(sequence, _)| *sequence)
    }

    fn write(&self, words: &[u64; NOTE_WORDS]) {
        let [first, second] = [0, 1].map(|copy| self.read(copy).map_or(0, |(sequence, _)| sequence));
        let copy = usize::from(second < first);
        let sequence = first.max(second).wrapping_add(1);
        self.word(copy, SEQUENCE).store(sequence, Ordering::Relaxed);
        for (index, word) in words.iter().enumerate() {
            self.word(copy, WORDS + index * 8).store(*word, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire of `read`.
        self.word(copy, CHECK)
            .store(self.check(sequence, words), Ordering::Release);
    }

    fn check(&self, sequence: u64, words: &[u64; NOTE_WORDS]) -> u64 {
        let mut bytes = Vec::with_capacity((NOTE_WORDS + 2) * 8);
        for word in [self.broker as u64, sequence].iter().chain(words) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        xxh3_64(&bytes)
    }
}
