//! What a writer knows of its own values: which of them can never be seen again.
//!
//! A value that its own writer has replaced, removed or invalidated must not come back, whatever
//! others do, are killed in, or move about.

use std::collections::HashMap;
use std::time::Instant;

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
    gone: HashMap<u64, Gone>,
    /// For each key: when it was last found without a value.
    missed: HashMap<u64, u64>,
    tags_gone: [u64; TAGS as usize],
    side_gone: u64,
}

/// When and through what own values became impossible.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Gone {
    /// Values of a smaller sequence are gone.
    pub(super) before: u64,
    /// Through this.
    pub(super) through: &'static str,
    /// And then.
    pub(super) at: Option<Instant>,
}

/// What a value that was read says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing against it.
    Plausible,
    /// It was replaced, removed or invalidated before the read began.
    Returned(Gone),
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
    pub(super) fn key_gone(&mut self, key: u64, before: u64, through: &'static str) {
        let at = Some(Instant::now());
        remember(&mut self.gone, key, Gone { before, through, at });
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
        let mut all = vec![self.gone.get(&record.key).copied().unwrap_or_default()];
        if record.tag != NO_TAG {
            let before = self.tags_gone.get(usize::from(record.tag)).copied().unwrap_or(0);
            let through = "an invalidation of its tag";
            all.push(Gone {
                before,
                through,
                at: None,
            });
        }
        if is_side {
            let (before, through) = (self.side_gone, "a clear");
            all.push(Gone {
                before,
                through,
                at: None,
            });
        }
        if let Some(gone) = all.into_iter().find(|gone| record.sequence < gone.before) {
            return Verdict::Returned(gone);
        }
        match self.missed.get(&record.key) {
            Some(&missed) if record.sequence < missed => Verdict::WasMissed,
            _ => Verdict::Plausible,
        }
    }
}

fn remember<T>(map: &mut HashMap<u64, T>, key: u64, what: T) {
    if map.len() >= MAX_KEYS {
        map.clear();
    }
    map.insert(key, what);
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

    fn is_returned(history: &History, sequence: u64, tag: u16, is_side: bool) -> bool {
        matches!(
            history.judge(&record(sequence, tag), is_side),
            Verdict::Returned(_)
        )
    }

    #[test]
    fn own_values_from_before_an_invalidation_are_noticed() {
        let mut history = History::new(7);
        assert!(!is_returned(&history, 5, NO_TAG, false));
        history.key_gone(1, 6, "a remove");
        assert!(is_returned(&history, 5, NO_TAG, false));
        assert!(!is_returned(&history, 6, NO_TAG, false));
        history.tag_gone(3, 8);
        assert!(!is_returned(&history, 6, 4, false));
        assert!(is_returned(&history, 6, 3, false));
        history.side_gone(9);
        assert!(!is_returned(&history, 8, 3, false));
        assert!(is_returned(&history, 8, 3, true));
        assert!(!is_returned(&History::new(8), 0, 3, true), "another writer's");
    }

    #[test]
    fn a_value_that_was_missed_is_told_apart() {
        let mut history = History::new(7);
        history.key_missed(1, 6);
        assert_eq!(history.judge(&record(5, NO_TAG), false), Verdict::WasMissed);
        assert_eq!(history.judge(&record(6, NO_TAG), false), Verdict::Plausible);
    }
}
