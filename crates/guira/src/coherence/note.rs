//! What the agent notes of a broker in the segment: for the agent that comes after it, and for workers that want to know
//! how far this host has come.
//!
//! Words of a note: the origin's low and high half, then those of [`Note`] in their order. What is of another life of
//! the segment is taken for nothing.

use guira_bus::wire::{Epoch, Origin};
use guira_segment::{NOTE_WORDS, Segment};

/// Most brokers that a segment keeps notes of.
pub(super) const MAX_BROKERS: usize = 16;

/// A note of one broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Note {
    /// The life of the broker whose stream was followed; 0 if none was.
    pub(super) epoch: u64,
    /// Which topics of it.
    pub(super) topics: u64,
    /// Everything in them up to this position was applied here.
    pub(super) applied: u64,
    /// Whatever the broker had logged before this time of the boot clock was applied here.
    pub(super) confirmed_us: u64,
    /// The life in which the broker said how much of this host's journal it has.
    pub(super) logged_epoch: u64,
    /// It has everything below this ticket ..
    pub(super) logged_ticket: u64,
    /// .. up to this position, at the latest.
    pub(super) logged_at: u64,
}

impl Note {
    /// The note of broker number `broker`, if `origin` made it.
    pub(super) fn read(segment: &Segment, origin: Origin, broker: usize) -> Option<Self> {
        let [
            low,
            high,
            epoch,
            topics,
            applied,
            confirmed_us,
            logged_epoch,
            logged_ticket,
            logged_at,
            ..,
        ] = segment.broker_note(broker)?;
        let is_own = origin.0 == u128::from(high) << 64 | u128::from(low);
        is_own.then_some(Self {
            epoch,
            topics,
            applied,
            confirmed_us,
            logged_epoch,
            logged_ticket,
            logged_at,
        })
    }

    pub(super) fn write(&self, segment: &Segment, origin: Origin, broker: usize) {
        let mut words = [0; NOTE_WORDS];
        let noted = [
            origin.0 as u64,
            (origin.0 >> 64) as u64,
            self.epoch,
            self.topics,
            self.applied,
            self.confirmed_us,
            self.logged_epoch,
            self.logged_ticket,
            self.logged_at,
        ];
        for (word, noted) in words.iter_mut().zip(noted) {
            *word = noted;
        }
        segment.note_broker(broker, &words);
    }

    /// The notes of all brokers that there are.
    pub(super) fn all(segment: &Segment) -> Vec<Self> {
        let Some(journal) = segment.journal() else {
            return Vec::new();
        };
        let origin = Origin(journal.origin());
        (0..MAX_BROKERS)
            .filter_map(|broker| Self::read(segment, origin, broker))
            .collect()
    }

    /// Where the broker has everything of this host below `ticket`, if it said that it has.
    pub(super) const fn place_of(&self, ticket: u64) -> Option<(Epoch, u64)> {
        if self.logged_epoch != 0 && self.logged_ticket >= ticket {
            Some((Epoch(self.logged_epoch), self.logged_at))
        } else {
            None
        }
    }

    /// Whether what the broker had logged up to this position of that life is applied here, as far as it concerns
    /// these topics.
    pub(super) fn has_applied(&self, (epoch, position): (Epoch, u64), topics: u64) -> bool {
        self.epoch != 0 && self.epoch == epoch.0 && self.applied >= position && self.topics & topics == topics
    }

    /// Whether everything that the broker had logged at this time of the boot clock is applied here, as far as it
    /// concerns these topics.
    pub(super) const fn is_confirmed_after(&self, time_us: u64, topics: u64) -> bool {
        self.epoch != 0 && self.confirmed_us > time_us && self.topics & topics == topics
    }
}
