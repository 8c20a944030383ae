//! A segment as its agent sees it.

use std::time::Duration;

use guira_bus::core::{Host, Mark};
use guira_bus::wire::{Epoch, Item, KeyId, Origin, Record, RecordKind, Topic};
use guira_segment::{Journal, JournalEntry, JournalRead, NOTE_WORDS, Segment, Trust};

use super::handed::packed;
use super::invalidated::Invalidated;
use super::note::{MAX_BROKERS, Note};
use super::status::BrokerNote;

/// How many records are looked at in one go.
const LOOK: usize = 1_000;

/// The host of an agent: a segment of a cluster.
#[derive(Debug)]
pub(super) struct SegmentHost {
    segment: Segment,
    entries: Vec<JournalEntry>,
    counters: super::counters::Counters,
    invalidated: Invalidated,
    /// Own records below were looked at for [`Self::is_untouched_since`].
    finished: u64,
    /// How often the agent's role had changed hands when this was made.
    agent_epoch: u64,
}

impl SegmentHost {
    /// `None` for a segment of no cluster.
    pub(super) fn new(segment: Segment) -> Option<Self> {
        segment.journal()?;
        Some(Self {
            counters: super::counters::Counters::of(&segment),
            agent_epoch: segment.agent_epoch(),
            segment,
            entries: Vec::new(),
            invalidated: Invalidated::default(),
            finished: 0,
        })
    }

    pub(super) fn journal(&self) -> Journal<'_> {
        self.segment.journal().expect("it was there when this was made")
    }

    /// Whether a key was surely not invalidated since the invalidation clock said `clock`.
    pub(super) fn is_untouched_since(&mut self, key: KeyId, clock: u64) -> bool {
        // What workers of this host have said by now counts.
        self.finished = self.finish_own(self.finished.max(self.oldest()));
        self.invalidated.is_untouched_since(key, clock)
    }

    /// Reads entries from `from` on into the buffer, past a record whose appender is gone.
    fn look(&mut self, from: u64, max: usize) -> u64 {
        let mut entries = std::mem::take(&mut self.entries);
        entries.clear();
        let journal = self.journal();
        let mut read = journal.read(from, max, &mut entries);
        if let JournalRead::Pending { at } = read {
            journal.close_hole(at);
            entries.clear();
            read = journal.read(from, max, &mut entries);
        }
        self.entries = entries;
        match read {
            JournalRead::UpTo(next) => next,
            JournalRead::Pending { .. } | JournalRead::Overwritten { .. } => {
                self.entries.clear();
                from
            }
        }
    }
}

impl Host for SegmentHost {
    fn origin(&self) -> Origin {
        Origin(self.journal().origin())
    }

    fn head(&self) -> u64 {
        self.journal().tail()
    }

    fn oldest(&self) -> u64 {
        self.journal().oldest()
    }

    fn read(&mut self, from: u64, max: usize, items: &mut Vec<Item>) -> u64 {
        let next = self.look(from, max);
        for entry in &self.entries {
            match (&entry.record, items.last_mut()) {
                (Some(record), _) => items.push(Item::Record(on_the_wire(record))),
                (None, Some(Item::Voids(count))) => *count += 1,
                (None, _) => items.push(Item::Voids(1)),
            }
        }
        next
    }

    fn apply(&mut self, record: &Record) {
        if let Some(record) = in_the_segment(record) {
            self.segment.apply(&record);
            self.counters.applied(record.wall_ms);
            self.invalidated.note(&record, self.segment.invalidation_clock());
        }
    }

    fn finish_own(&mut self, from: u64) -> u64 {
        let mut ticket = from;
        loop {
            let next = self.look(ticket, LOOK);
            for entry in &self.entries {
                if let Some(record) = entry.record {
                    self.invalidated.note(&record, record.stamp);
                    if !entry.is_finished {
                        self.segment.finish_own(&record);
                    }
                }
            }
            if next == ticket {
                return ticket;
            }
            ticket = next;
        }
    }

    fn raise_floor(&mut self, topics: u64) {
        self.segment.raise_floor(topics);
        self.counters.floor_raised();
    }

    fn topics(&self) -> u64 {
        self.segment.topics_wanted()
    }

    fn trust(&mut self, until_us: u64, topics: u64) {
        self.segment.set_topics_trusted(topics);
        self.segment.extend_trust(until_us / 1_000);
    }

    fn end_trust(&mut self) {
        self.segment.set_topics_trusted(0);
        for broker in 0..MAX_BROKERS {
            self.segment.note_broker(broker, &[0; NOTE_WORDS]);
        }
    }

    fn accepted(&mut self, ticket: u64) {
        self.journal().set_accepted(ticket);
    }

    fn settled(&mut self, ticket: u64) {
        self.journal().set_settled(ticket);
    }

    fn accepted_before(&self) -> u64 {
        self.journal().accepted()
    }

    fn settled_before(&self) -> u64 {
        self.journal().settled()
    }

    fn mark(&self, broker: usize) -> Option<Mark> {
        let note = Note::read(&self.segment, self.origin(), broker)?;
        (note.epoch != 0).then_some(Mark {
            epoch: Epoch(note.epoch),
            topics: note.topics,
            applied: note.applied,
            confirmed_us: note.confirmed_us,
        })
    }

    fn note(&mut self, broker: usize, mark: Mark) {
        let origin = self.origin();
        let note = Note {
            epoch: mark.epoch.0,
            topics: mark.topics,
            applied: mark.applied,
            confirmed_us: mark.confirmed_us,
            ..Note::read(&self.segment, origin, broker).unwrap_or_default()
        };
        note.write(&self.segment, origin, broker);
    }

    fn logged(&mut self, broker: usize, epoch: Epoch, ticket: u64, position: u64) {
        let origin = self.origin();
        let note = Note::read(&self.segment, origin, broker).unwrap_or_default();
        if note.logged_epoch == epoch.0 && note.logged_ticket >= ticket {
            return;
        }
        let note = Note {
            logged_epoch: epoch.0,
            logged_ticket: ticket,
            logged_at: position,
            ..note
        };
        note.write(&self.segment, origin, broker);
    }

    fn clock(&self) -> u64 {
        self.segment.invalidation_clock()
    }

    fn next_clock(&mut self) -> u64 {
        self.segment.next_invalidation_clock()
    }

    fn value(&self, key: KeyId, max_bytes: usize, since: u64) -> Option<Vec<u8>> {
        self.segment
            .get_by_hash(key.namespace, key.hash, max_bytes)
            .filter(|entry| entry.born_at_clock >= since && is_of_every_host(entry))
            .map(|entry| packed(&entry))
    }

    fn fresh_value(&self, key: KeyId, max_bytes: usize) -> Option<Vec<u8>> {
        self.segment
            .get_by_hash(key.namespace, key.hash, max_bytes)
            .filter(|entry| !entry.metadata.is_stale && is_of_every_host(entry))
            .map(|entry| packed(&entry))
    }

    fn trusts(&self, now_us: u64, topic: Topic) -> bool {
        let trust = self.segment.topics_trust_at(topic.bit(), now_us / 1_000);
        matches!(trust, Trust::Trusted { .. })
    }

    fn is_spoken_for(&self) -> bool {
        self.segment.agent_epoch() == self.agent_epoch
    }

    fn age_ms(&self, key: KeyId) -> Option<u64> {
        let entry = self.segment.get_by_hash(key.namespace, key.hash, usize::MAX)?;
        Some(u64::try_from(entry.metadata.age.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Whether the value means something to another host: the stub of a file does not.
fn is_of_every_host(entry: &guira_segment::HashedEntry) -> bool {
    guira_files::Stub::parse(&entry.value).is_none()
}

/// What the last agent noted of brokers in this life of the segment.
pub(super) fn notes_of(segment: &Segment) -> Vec<BrokerNote> {
    let Some(host) = SegmentHost::new(segment.clone()) else {
        return Vec::new();
    };
    let now_us = guira_bus::runtime::clock::now_us();
    (0..MAX_BROKERS)
        .filter_map(|broker| {
            let mark = host.mark(broker)?;
            Some(BrokerNote {
                broker,
                epoch: mark.epoch.0,
                applied: mark.applied,
                confirmed_ago: Duration::from_micros(now_us.saturating_sub(mark.confirmed_us)),
            })
        })
        .collect()
}

fn on_the_wire(record: &guira_segment::Record) -> Record {
    use guira_segment::RecordKind as Kind;
    Record {
        kind: match record.kind {
            Kind::Invalidate => RecordKind::Invalidate,
            Kind::Expire => RecordKind::Expire,
            Kind::Tag => RecordKind::Tag,
            Kind::Namespace => RecordKind::Namespace,
            Kind::Put => RecordKind::Put,
            // Whatever a newer segment knows of more, everything covers it.
            _ => RecordKind::Clear,
        },
        namespace: record.namespace_hash,
        hash: record.hash,
        wall_ms: record.wall_ms,
        stamp: record.stamp,
    }
}

fn in_the_segment(record: &Record) -> Option<guira_segment::Record> {
    use guira_segment::RecordKind as Kind;
    Some(guira_segment::Record {
        kind: match record.kind {
            RecordKind::Invalidate => Kind::Invalidate,
            RecordKind::Expire => Kind::Expire,
            RecordKind::Tag => Kind::Tag,
            RecordKind::Namespace => Kind::Namespace,
            RecordKind::Clear => Kind::Clear,
            RecordKind::Put => Kind::Put,
            RecordKind::Probe => return None,
        },
        namespace_hash: record.namespace,
        hash: record.hash,
        wall_ms: record.wall_ms,
        stamp: record.stamp,
        flags: 0,
    })
}
