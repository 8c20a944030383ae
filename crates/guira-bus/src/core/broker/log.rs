//! The replay log: what was accepted, in order, as far back as its bytes allow.

use std::collections::VecDeque;

use crate::wire::{Entry, Item, Origin, TOPICS, Topic};

/// Bytes that an entry takes in memory.
pub(crate) const ENTRY_BYTES: u64 = size_of::<Logged>() as u64;

/// Entries of one replayed frame, and how many are looked at for it: what a replay may cost at once.
const REPLAY_ENTRIES: usize = 2_000;
const REPLAY_LOOKS: u64 = 50_000;

#[derive(Clone, Copy, Debug)]
struct Logged {
    entry: Entry,
    logged_at_us: u64,
}

/// Entries with consecutive positions, the first of which is 1.
#[derive(Debug)]
pub(crate) struct Log {
    entries: VecDeque<Logged>,
    /// The position of the first entry that is kept, or the next one of an empty log.
    oldest: u64,
    heads: [u64; TOPICS],
    limit_entries: usize,
    /// When the newest trimmed entry was logged.
    trimmed_at_us: Option<u64>,
}

/// A part of the log.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) entries: Vec<Entry>,
    pub(crate) through: u64,
}

impl Log {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self {
            entries: VecDeque::new(),
            oldest: 1,
            heads: [0; TOPICS],
            limit_entries: usize::try_from(limit_bytes / ENTRY_BYTES)
                .unwrap_or(usize::MAX)
                .max(1),
            trimmed_at_us: None,
        }
    }

    /// The last position; 0 for none yet.
    pub(crate) fn position(&self) -> u64 {
        self.oldest + self.entries.len() as u64 - 1
    }

    pub(crate) const fn oldest(&self) -> u64 {
        self.oldest
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries.len() as u64 * ENTRY_BYTES
    }

    pub(crate) const fn trimmed_at_us(&self) -> Option<u64> {
        self.trimmed_at_us
    }

    /// The last positions of the topics of `mask`, in order.
    pub(crate) fn heads(&self, mask: u64) -> Vec<u64> {
        crate::wire::topics_of(mask)
            .map(|topic| self.head(topic))
            .collect()
    }

    fn head(&self, topic: Topic) -> u64 {
        self.heads.get(topic.index()).copied().unwrap_or(0)
    }

    pub(crate) fn append(&mut self, now_us: u64, origin: Origin, ticket: u64, item: Item) -> Entry {
        let topic = match &item {
            Item::Record(record) => Topic::of_record(record),
            Item::Voids(_) | Item::Lost(_) | Item::Settled(_) => Topic::CONTROL,
        };
        let entry = Entry {
            position: self.position() + 1,
            topic,
            previous: self.head(topic),
            origin,
            ticket,
            item,
        };
        if let Some(head) = self.heads.get_mut(topic.index()) {
            *head = entry.position;
        }
        self.entries.push_back(Logged {
            entry,
            logged_at_us: now_us,
        });
        while self.entries.len() > self.limit_entries {
            if let Some(trimmed) = self.entries.pop_front() {
                self.trimmed_at_us = Some(trimmed.logged_at_us);
                self.oldest += 1;
            }
        }
        entry
    }

    /// The last position that was logged before `at_us`.
    pub(crate) fn before(&self, at_us: u64) -> u64 {
        let count = self.entries.partition_point(|logged| logged.logged_at_us < at_us);
        self.oldest + count as u64 - 1
    }

    /// What the topics of `mask` have after `after`; `None` if that was trimmed.
    pub(crate) fn part(&self, mask: u64, after: u64) -> Option<Part> {
        if after.saturating_add(1) < self.oldest || after > self.position() {
            return None;
        }
        let skipped = usize::try_from(after + 1 - self.oldest).unwrap_or(usize::MAX);
        let mut part = Part {
            entries: Vec::new(),
            through: after,
        };
        for logged in self.entries.iter().skip(skipped) {
            if part.entries.len() == REPLAY_ENTRIES || part.through - after == REPLAY_LOOKS {
                break;
            }
            part.through = logged.entry.position;
            if mask & logged.entry.topic.bit() != 0 {
                part.entries.push(logged.entry);
            }
        }
        Some(part)
    }
}
