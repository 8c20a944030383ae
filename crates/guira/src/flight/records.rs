//! The reserved namespace: what processes tell each other of their computations beside the values.
//!
//! | key | value | lives |
//! |---|---|---|
//! | `L`, key id, flight number | a landing record | 2 s |
//! | `B`, key id | empty: a refresh failed; none is tried while this lives | the back-off |
//! | `W`, key id | key ids, 16 bytes each: the computation of the key waits for these | 5 s, renewed while it waits |
//! | `G`, `H` | guards of writes: [`crate::write_guard`] | |
//!
//! All of it may be lost at any time (evicted, cleared), which costs a computation.

use std::time::Duration;

use guira_segment::{Expiry, NamespaceError, Segment};
use xxhash_rust::xxh3::Xxh3;

/// Not to be used by anybody else.
const NAMESPACE: &str = "guira.flights";
const LANDING_LIFE: Duration = Duration::from_secs(2);
const WAIT_LIFE: Duration = Duration::from_secs(5);

/// A key of a cache, as computations name it: 128 bits of hash of the segment's number, the namespace's name and the
/// key, the same in every process. A process may have several segments with caches of one name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct KeyId(u128);

impl KeyId {
    pub(crate) fn of(segment: &Segment, key: &[u8]) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(&segment.id().to_le_bytes());
        if let Some(name) = segment.namespace_name() {
            hasher.update(name.as_bytes());
        }
        // Not a byte of any name in UTF-8.
        hasher.update(&[0xff]);
        hasher.update(key);
        Self(hasher.digest128())
    }

    pub(crate) const fn number(self) -> u128 {
        self.0
    }

    #[cfg(test)]
    pub(crate) const fn of_number(number: u128) -> Self {
        Self(number)
    }
}

/// The reserved namespace of a segment.
#[derive(Debug)]
pub(crate) struct Records {
    segment: Segment,
}

impl Records {
    pub(crate) fn of(segment: &Segment) -> Option<Self> {
        match Self::segment_of(segment) {
            Ok(segment) => Some(Self { segment }),
            Err(error) => {
                tracing::warn!(%error, "no namespace for {NAMESPACE}: waiters are not told why computations fail");
                None
            }
        }
    }

    /// The reserved namespace of what `segment` is of.
    pub(crate) fn segment_of(segment: &Segment) -> Result<Segment, NamespaceError> {
        segment.namespace(NAMESPACE)
    }

    pub(crate) const fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Says whether it was stored.
    pub(crate) fn put_landing(&self, id: KeyId, number: u128, record: &[u8]) -> bool {
        self.put(&landing_key(id, number), record, LANDING_LIFE)
    }

    pub(crate) fn landing<R>(&self, id: KeyId, number: u128, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.segment
            .get(&landing_key(id, number))
            .map(|record| read(&record))
    }

    pub(crate) fn back_off(&self, id: KeyId, back_off: Duration) {
        if !back_off.is_zero() {
            self.put(&key(b'B', id), &[], back_off);
        }
    }

    pub(crate) fn is_backing_off(&self, id: KeyId) -> bool {
        self.segment.contains(&key(b'B', id))
    }

    pub(crate) fn put_waits(&self, from: KeyId, to: &[KeyId]) {
        let record: Vec<u8> = to.iter().flat_map(|id| id.0.to_le_bytes()).collect();
        self.put(&key(b'W', from), &record, WAIT_LIFE);
    }

    pub(crate) fn remove_waits(&self, from: KeyId) {
        self.segment.remove(&key(b'W', from));
    }

    pub(crate) fn waits(&self, from: KeyId) -> Vec<KeyId> {
        let Some(record) = self.segment.get(&key(b'W', from)) else {
            return Vec::new();
        };
        let (ids, _) = record.as_chunks();
        ids.iter().map(|id| KeyId(u128::from_le_bytes(*id))).collect()
    }

    fn put(&self, key: &[u8], value: &[u8], life: Duration) -> bool {
        // A segment without room tells nothing: whoever would have read this computes.
        match self.segment.put(key, value, Expiry::after(life)) {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(%error, "a record of a computation was not stored");
                false
            }
        }
    }
}

fn key(kind: u8, id: KeyId) -> [u8; 17] {
    let mut bytes = [kind; 17];
    bytes[1..].copy_from_slice(&id.0.to_le_bytes());
    bytes
}

fn landing_key(id: KeyId, number: u128) -> [u8; 33] {
    let mut bytes = [b'L'; 33];
    bytes[1..17].copy_from_slice(&id.0.to_le_bytes());
    bytes[17..].copy_from_slice(&number.to_le_bytes());
    bytes
}
