//! A host without a segment, whose records are questions to every other host whether it is there, and which may
//! listen to what the others invalidate.

use guira_bus::core::{Host, Mark};
use guira_bus::wire::{Item, KeyId, Origin, Record, RecordKind, Topic};

/// As a cluster sees it: a host that has asked `asked` questions.
#[derive(Debug)]
pub(super) struct Prober {
    origin: Origin,
    asked: u64,
    topics: u64,
    /// What other hosts invalidated, if that was asked for.
    pub(super) heard: Vec<Record>,
}

impl Prober {
    /// Under an origin that nobody else has.
    pub(super) const fn new(origin: u128) -> Self {
        Self {
            origin: Origin(origin),
            asked: 0,
            topics: Topic::CONTROL.bit(),
            heard: Vec::new(),
        }
    }

    /// As [`Prober::new`], and hears what becomes invalid anywhere.
    pub(super) fn listening(origin: u128) -> Self {
        Self {
            topics: u64::MAX,
            ..Self::new(origin)
        }
    }

    /// Asks once more, as soon as its agent takes its turn. Gives the question's ticket.
    pub(super) const fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked - 1
    }
}

impl Host for Prober {
    fn origin(&self) -> Origin {
        self.origin
    }

    fn head(&self) -> u64 {
        self.asked
    }

    fn oldest(&self) -> u64 {
        0
    }

    fn read(&mut self, from: u64, max: usize, items: &mut Vec<Item>) -> u64 {
        let next = self.asked.min(from.saturating_add(max as u64));
        items.extend((from..next).map(|_| {
            Item::Record(Record {
                kind: RecordKind::Probe,
                namespace: 0,
                hash: 0,
                wall_ms: 0,
                stamp: 0,
            })
        }));
        next
    }

    fn apply(&mut self, record: &Record) {
        if self.topics == u64::MAX {
            self.heard.push(*record);
        }
    }

    fn finish_own(&mut self, _: u64) -> u64 {
        self.asked
    }

    fn raise_floor(&mut self, _: u64) {}

    fn topics(&self) -> u64 {
        self.topics
    }

    fn trust(&mut self, _: u64, _: u64) {}

    fn end_trust(&mut self) {}

    fn accepted(&mut self, _: u64) {}

    fn settled(&mut self, _: u64) {}

    fn accepted_before(&self) -> u64 {
        0
    }

    fn settled_before(&self) -> u64 {
        0
    }

    fn mark(&self, _: usize) -> Option<Mark> {
        None
    }

    fn note(&mut self, _: usize, _: Mark) {}

    fn clock(&self) -> u64 {
        0
    }

    fn next_clock(&mut self) -> u64 {
        0
    }

    fn value(&self, _: KeyId, _: usize, _: u64) -> Option<Vec<u8>> {
        None
    }

    fn age_ms(&self, _: KeyId) -> Option<u64> {
        None
    }
}
