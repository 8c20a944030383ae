//! A host's segment, as far as the protocol sees it: entries with births, stamps, a journal, trust.

use guira_bus::core::{Host, Mark};
use guira_bus::wire::{Item, KeyId, Origin, Record, RecordKind, Topic};

/// Namespaces of the simulated segments; key `k` is in namespace `k mod 3`.
pub(crate) const NAMESPACES: [u64; 3] = [101, 102, 103];
/// Tags; key `k` carries tag `k mod 4`.
pub(crate) const TAGS: u64 = 4;

/// The namespace's hash of a key.
pub(crate) fn namespace_of(key: usize) -> u64 {
    NAMESPACES.get(key % NAMESPACES.len()).copied().unwrap_or(0)
}

/// A value: which version of its source it is, and when its computation began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    pub(crate) version: u64,
    pub(crate) birth: u64,
}

/// What a ticket told of: keys, and the versions that they have at least from then on.
pub(crate) type Told = Vec<(usize, u64)>;

/// A segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) origin: Origin,
    pub(crate) values: Vec<Option<Value>>,
    clock: u64,
    key_stamps: Vec<u64>,
    tag_stamps: [u64; TAGS as usize],
    namespace_stamps: [u64; 3],
    floor: u64,
    journal: Vec<(Item, Told)>,
    ring: u64,
    accepted: u64,
    settled: u64,
    told_accepted: u64,
    told_settled: u64,
    pub(crate) trusted_until_us: u64,
    trusted_topics: u64,
    pub(crate) opened: usize,
    marks: Vec<Option<Mark>>,
    pub(crate) floors_raised: u64,
    /// The agent that acts now was replaced, and does not know it.
    pub(crate) is_replaced: bool,
}

impl Segment {
    pub(crate) fn new(origin: Origin, keys: usize, brokers: usize, ring: u64) -> Self {
        Self {
            origin,
            values: vec![None; keys],
            clock: 1,
            key_stamps: vec![0; keys],
            tag_stamps: [0; TAGS as usize],
            namespace_stamps: [0; 3],
            floor: 0,
            journal: Vec::new(),
            ring,
            accepted: 0,
            settled: 0,
            told_accepted: 0,
            told_settled: 0,
            trusted_until_us: 0,
            trusted_topics: 0,
            opened: 1,
            marks: vec![None; brokers],
            floors_raised: 0,
            is_replaced: false,
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn is_valid(&self, key: usize, birth: u64) -> bool {
        let stamp = |stamps: &[u64], index: usize| stamps.get(index).copied().unwrap_or(u64::MAX);
        stamp(&self.key_stamps, key) <= birth
            && stamp(&self.tag_stamps, key % TAGS as usize) <= birth
            && stamp(&self.namespace_stamps, key % 3) <= birth
            && self.floor <= birth
    }

    /// A hit, if there is one.
    pub(crate) fn get(&self, key: usize) -> Option<Value> {
        let value = self.values.get(key).copied().flatten()?;
        self.is_valid(key, value.birth).then_some(value)
    }

    /// Whether hits of a key are trusted at this time of the host's clock.
    pub(crate) fn is_trusted(&self, key: usize, now_us: u64) -> bool {
        now_us < self.trusted_until_us
            && self.trusted_topics & Topic::of_namespace(namespace_of(key)).bit() != 0
    }

    /// Stores what was computed from `version`, begun at `birth`.
    pub(crate) fn fill(&mut self, key: usize, value: Value) {
        if self.is_valid(key, value.birth)
            && let Some(place) = self.values.get_mut(key)
        {
            *place = Some(value);
        }
    }

    /// Writes a record and does what it says, or dies in between.
    pub(crate) fn invalidate(
        &mut self,
        kind: RecordKind,
        which: usize,
        told: Told,
        dies_between: bool,
    ) -> u64 {
        let stamp = self.tick();
        let (namespace, hash) = match kind {
            RecordKind::Tag => (0, which as u64 + 1),
            RecordKind::Clear | RecordKind::Probe => (0, 0),
            RecordKind::Namespace => (namespace_of(which), 0),
            RecordKind::Invalidate | RecordKind::Expire | RecordKind::Put => {
                (namespace_of(which), which as u64 + 1)
            }
        };
        let record = Record {
            kind,
            namespace,
            hash,
            wall_ms: 0,
            stamp,
        };
        self.journal.push((Item::Record(record), told));
        if !dies_between {
            self.raise(&record, stamp);
        }
        self.journal.len() as u64
    }

    /// A worker drew tickets and died.
    pub(crate) fn void(&mut self) {
        self.journal.push((Item::Voids(1), Vec::new()));
    }

    fn raise(&mut self, record: &Record, stamp: u64) {
        let of_hash = usize::try_from(record.hash).unwrap_or(0).wrapping_sub(1);
        let namespace = NAMESPACES.iter().position(|name| *name == record.namespace);
        let word = match record.kind {
            RecordKind::Tag => self.tag_stamps.get_mut(of_hash),
            RecordKind::Clear => Some(&mut self.floor),
            RecordKind::Namespace => namespace.and_then(|index| self.namespace_stamps.get_mut(index)),
            RecordKind::Invalidate | RecordKind::Expire | RecordKind::Put => self.key_stamps.get_mut(of_hash),
            RecordKind::Probe => None,
        };
        if let Some(word) = word {
            *word = (*word).max(stamp);
        }
    }

    /// What became accepted, and what settled, since this was asked last.
    pub(crate) fn news(&mut self) -> (Told, Told) {
        let told = |from: u64, to: u64| -> Told {
            let from = usize::try_from(from).unwrap_or(0);
            let to = usize::try_from(to).unwrap_or(0).min(self.journal.len());
            self.journal
                .get(from..to)
                .unwrap_or(&[])
                .iter()
                .flat_map(|(_, told)| told.iter().copied())
                .collect()
        };
        let accepted = told(self.told_accepted, self.accepted);
        let settled = told(self.told_settled, self.settled);
        self.told_accepted = self.told_accepted.max(self.accepted);
        self.told_settled = self.told_settled.max(self.settled);
        (accepted, settled)
    }

    pub(crate) const fn settled_now(&self) -> u64 {
        self.settled
    }

    pub(crate) const fn accepted_now(&self) -> u64 {
        self.accepted
    }
}

impl Host for Segment {
    fn origin(&self) -> Origin {
        self.origin
    }

    fn head(&self) -> u64 {
        self.journal.len() as u64
    }

    fn oldest(&self) -> u64 {
        (self.journal.len() as u64).saturating_sub(self.ring)
    }

    fn read(&mut self, from: u64, max: usize, items: &mut Vec<Item>) -> u64 {
        let begin = usize::try_from(from).unwrap_or(usize::MAX);
        let before = items.len();
        items.extend(self.journal.iter().skip(begin).take(max).map(|(item, _)| *item));
        from + (items.len() - before) as u64
    }

    fn apply(&mut self, record: &Record) {
        let stamp = self.tick();
        self.raise(record, stamp);
    }

    fn finish_own(&mut self, from: u64) -> u64 {
        let begin = usize::try_from(from).unwrap_or(usize::MAX);
        let records: Vec<Record> = self
            .journal
            .iter()
            .skip(begin)
            .filter_map(|(item, _)| match item {
                Item::Record(record) => Some(*record),
                Item::Voids(_) | Item::Lost(_) | Item::Settled(_) => None,
            })
            .collect();
        for record in records {
            self.raise(&record, record.stamp);
        }
        self.journal.len() as u64
    }

    fn raise_floor(&mut self, topics: u64) {
        self.floors_raised += 1;
        let stamp = self.tick();
        if topics & Topic::CONTROL.bit() != 0 {
            self.floor = stamp;
            return;
        }
        for (index, name) in NAMESPACES.iter().enumerate() {
            if topics & Topic::of_namespace(*name).bit() != 0
                && let Some(word) = self.namespace_stamps.get_mut(index)
            {
                *word = stamp;
            }
        }
    }

    fn topics(&self) -> u64 {
        NAMESPACES
            .iter()
            .take(self.opened)
            .fold(Topic::CONTROL.bit(), |topics, name| {
                topics | Topic::of_namespace(*name).bit()
            })
    }

    fn trust(&mut self, until_us: u64, topics: u64) {
        if until_us > self.trusted_until_us {
            self.trusted_until_us = until_us;
            self.trusted_topics = topics;
        }
    }

    fn end_trust(&mut self) {
        self.trusted_until_us = 0;
        self.marks.fill(None);
    }

    fn accepted(&mut self, ticket: u64) {
        self.accepted = self.accepted.max(ticket);
    }

    fn settled(&mut self, ticket: u64) {
        self.settled = self.settled.max(ticket);
    }

    fn accepted_before(&self) -> u64 {
        self.accepted
    }

    fn settled_before(&self) -> u64 {
        self.settled
    }

    fn mark(&self, broker: usize) -> Option<Mark> {
        self.marks.get(broker).copied().flatten()
    }

    fn note(&mut self, broker: usize, mark: Mark) {
        if let Some(place) = self.marks.get_mut(broker) {
            *place = Some(mark);
        }
    }

    fn clock(&self) -> u64 {
        self.clock
    }

    fn next_clock(&mut self) -> u64 {
        self.tick()
    }

    fn value(&self, key: KeyId, max_bytes: usize, since: u64) -> Option<Vec<u8>> {
        let key = usize::try_from(key.hash).ok()?.checked_sub(1)?;
        // Values of odd keys are larger than what is told.
        if key % 2 == 1 && max_bytes < 20_000 {
            return None;
        }
        let value = self.get(key).filter(|value| value.birth >= since)?;
        Some(value.version.to_le_bytes().to_vec())
    }

    fn fresh_value(&self, key: KeyId, max_bytes: usize) -> Option<Vec<u8>> {
        self.value(key, max_bytes, 0)
    }

    fn trusts(&self, now_us: u64, topic: Topic) -> bool {
        now_us < self.trusted_until_us && self.trusted_topics & topic.bit() != 0
    }

    fn is_spoken_for(&self) -> bool {
        !self.is_replaced
    }

    /// Nobody audits here: the oracle sees everything.
    fn age_ms(&self, _key: KeyId) -> Option<u64> {
        None
    }
}
