//! Which keys were invalidated of late, and when by the invalidation clock: whether a value that another host
//! computed may be stored.

use std::collections::{HashMap, VecDeque};

use guira_bus::wire::KeyId;
use guira_segment::{Record, RecordKind};

/// How many are kept.
const KEPT: usize = 1 << 16;

#[derive(Debug, Default)]
pub(super) struct Invalidated {
    clocks: HashMap<KeyId, u64>,
    order: VecDeque<(KeyId, u64)>,
    /// The latest of those that are not kept any more.
    forgotten_clock: u64,
}

impl Invalidated {
    /// Notes a record that took effect when the clock said `clock`. Tags, namespaces and the floor are judged by the
    /// birth of an entry itself.
    pub(super) fn note(&mut self, record: &Record, clock: u64) {
        let is_of_a_key = matches!(
            record.kind,
            RecordKind::Invalidate | RecordKind::Put | RecordKind::Expire
        );
        if !is_of_a_key {
            return;
        }
        let key = KeyId {
            namespace: record.namespace_hash,
            hash: record.hash,
        };
        let noted = self.clocks.entry(key).or_default();
        *noted = clock.max(*noted);
        self.order.push_back((key, clock));
        if self.order.len() > KEPT
            && let Some((oldest, at)) = self.order.pop_front()
        {
            self.forgotten_clock = self.forgotten_clock.max(at);
            if self.clocks.get(&oldest) == Some(&at) {
                self.clocks.remove(&oldest);
            }
        }
    }

    /// Whether it is known that `key` was not invalidated since the clock said `clock`.
    pub(super) fn is_untouched_since(&self, key: KeyId, clock: u64) -> bool {
        clock >= self.forgotten_clock && self.clocks.get(&key).is_none_or(|at| *at <= clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(hash: u64) -> Record {
        Record {
            kind: RecordKind::Invalidate,
            namespace_hash: 1,
            hash,
            wall_ms: 0,
            stamp: 0,
            flags: 0,
        }
    }

    fn key(hash: u64) -> KeyId {
        KeyId { namespace: 1, hash }
    }

    #[test]
    fn a_key_is_touched_from_its_invalidation_on() {
        let mut invalidated = Invalidated::default();
        invalidated.note(&record(7), 10);
        assert!(!invalidated.is_untouched_since(key(7), 9));
        assert!(invalidated.is_untouched_since(key(7), 10));
        assert!(invalidated.is_untouched_since(key(8), 0));
    }

    #[test]
    fn what_is_forgotten_is_not_taken_for_untouched() {
        let mut invalidated = Invalidated::default();
        for hash in 0..=KEPT as u64 {
            invalidated.note(&record(hash), hash + 1);
        }
        assert!(!invalidated.is_untouched_since(key(0), 0));
        assert!(invalidated.is_untouched_since(key(0), 1));
    }
}
