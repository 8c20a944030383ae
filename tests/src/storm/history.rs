//! What a writer knows of its own values: which of them can never be seen again.
//!
//! A value that its own writer has replaced, removed or invalidated must not come back, whatever
//! others do, are killed in, or move about.

use std::collections::HashMap;

use crate::record::{NO_TAG, Record};

/// Keys that are remembered; then all are forgotten, which only weakens the check.
const MAX_KEYS: usize = 1 << 16;
/// Tags that a storm uses.
pub(super) const TAGS: u64 = 64;

/// The history of one incarnation of one thread.
#[derive(Debug)]
pub(super) struct History {
    writer: u64,
    /// For each key: own values of a smaller sequence are gone.
    gone: HashMap<u64, u64>,
    /// For each key: when it was last found without a value.
    missed: HashMap<u64, u64>,
    tags_gone: [u64; TAGS as usize],
    side_gone: u64,
}

/// What a value that was read says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing against it.
    Plausible,
    /// It was replaced, removed or invalidated before the read began.
    Returned {
        /// Values of a smaller sequence are gone.
        gone: u64,
    },
    /// It was there all the time, but an earlier read missed it.
    WasMissed,
}

impl History {
    /// An empty history.
    #[must_use]
    pub(super) fn new(writer: u64) -> Self {
        Self {
            writer,
            gone: HashMap::new(),
            missed: HashMap::new(),
            tags_gone: [0; TAGS as usize],
            side_gone: 0,
        }
    }

    /// Own values of `key` written before `sequence` are gone.
    pub(super) fn key_gone(&mut self, key: u64, sequence: u64) {
        remember(&mut self.gone, key, sequence);
    }

    /// `key` was found without a value when the own count was `sequence`.
    pub(super) fn key_missed(&mut self, key: u64, sequence: u64) {
        remember(&mut self.missed, key, sequence);
    }

    /// Own values with `tag` written before `sequence` are gone.
    pub(super) fn tag_gone(&mut self, tag: u16, sequence: u64) {
        if let Some(gone) = self.tags_gone.get_mut(usize::from(tag)) {
            *gone = sequence;
        }
    }

    /// Own values in the side namespace written before `sequence` are gone.
    pub(super) const fn side_gone(&mut self, sequence: u64) {
        self.side_gone = sequence;
    }

    /// Judges a value by its first record.
    #[must_use]
    pub(super) fn judge(&self, record: &Record, is_side: bool) -> Verdict {
        if record.writer != self.writer {
            return Verdict::Plausible;
        }
        let mut gone = self.gone.get(&record.key).copied().unwrap_or(0);
        if record.tag != NO_TAG {
            let tag_gone = self.tags_gone.get(usize::from(record.tag));
            gone = gone.max(tag_gone.copied().unwrap_or(0));
        }
        if is_side {
            gone = gone.max(self.side_gone);
        }
        if record.sequence < gone {
            return Verdict::Returned { gone };
        }
        match self.missed.get(&record.key) {
            Some(&missed) if record.sequence < missed => Verdict::WasMissed,
            _ => Verdict::Plausible,
        }
    }
}

fn remember(map: &mut HashMap<u64, u64>, key: u64, sequence: u64) {
    if map.len() >= MAX_KEYS {
        map.clear();
    }
    map.insert(key, sequence);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64, tag: u16) -> Record {
        Record {
            key: 1,
            writer: 7,
            sequence,
            version: 0,
            record_bytes: 48,
            kind: 0,
            tag,
        }
    }

    #[test]
    fn own_values_from_before_an_invalidation_are_noticed() {
        let mut history = History::new(7);
        assert_eq!(history.judge(&record(5, NO_TAG), false), Verdict::Plausible);
        history.key_gone(1, 6);
        assert_eq!(
            history.judge(&record(5, NO_TAG), false),
            Verdict::Returned { gone: 6 }
        );
        assert_eq!(history.judge(&record(6, NO_TAG), false), Verdict::Plausible);
        history.tag_gone(3, 8);
        assert_eq!(history.judge(&record(6, 4), false), Verdict::Plausible);
        assert_eq!(history.judge(&record(6, 3), false), Verdict::Returned { gone: 8 });
        history.side_gone(9);
        assert_eq!(history.judge(&record(8, 3), true), Verdict::Returned { gone: 9 });
        assert_eq!(
            History::new(8).judge(&record(0, 3), true),
            Verdict::Plausible,
            "another writer's"
        );
    }

    #[test]
    fn a_value_that_was_missed_is_told_apart() {
        let mut history = History::new(7);
        history.key_missed(1, 6);
        assert_eq!(history.judge(&record(5, NO_TAG), false), Verdict::WasMissed);
        assert_eq!(history.judge(&record(6, NO_TAG), false), Verdict::Plausible);
    }
}
