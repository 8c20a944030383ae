//! Values of other hosts' computations: how they travel, and how the agent hands them to the workers that waited.
//!
//! On its way a value is `ms it may live u64 | ms it is fresh u64 | bytes of the key u32 | key | count u8 | its tags, each after
//! its length in one byte | the value in stored form`, all little-endian and the largest number for no end; as it is handed to
//! a worker the clock, 8 bytes, is before that.

use std::time::Duration;

use guira_segment::{Expiry, HashedEntry, Segment};

/// Not to be used by anybody else.
const NAMESPACE: &str = "guira.leases";
/// Whoever waits looks at once.
const LIFE: Duration = Duration::from_secs(2);

/// In place of a number of milliseconds.
const NO_END: u64 = u64::MAX;

/// How a worker was given a value: in the computation that it waited for.
pub(crate) const OF_A_COMPUTATION: u64 = 1;
/// By another host that was asked for it.
pub(crate) const OF_A_FETCH: u64 = 2;

/// Another host's value.
#[derive(Debug)]
pub(crate) struct Handed {
    /// It may be stored with a token of this clock.
    pub(crate) clock: u64,
    /// How long it may still be kept, as its host said.
    pub(crate) expiry: Expiry,
    /// Whose value it is: of several keys with one hash.
    pub(crate) key: Vec<u8>,
    /// What it depends on.
    pub(crate) tags: Vec<Vec<u8>>,
    /// In stored form.
    pub(crate) value: Vec<u8>,
}

/// An entry for its way to other hosts.
pub(super) fn packed(entry: &HashedEntry) -> Vec<u8> {
    let mut packed = Vec::with_capacity(entry.value.len() + entry.key.len() + 64);
    for life in [entry.metadata.ttl, entry.metadata.soft_ttl] {
        packed.extend_from_slice(&life.map_or(NO_END, ms).to_le_bytes());
    }
    packed.extend_from_slice(&(entry.key.len() as u32).to_le_bytes());
    packed.extend_from_slice(&entry.key);
    packed.push(entry.tags.len() as u8);
    for tag in &entry.tags {
        packed.push(tag.len() as u8);
        packed.extend_from_slice(tag);
    }
    packed.extend_from_slice(&entry.value);
    packed
}

/// Makes sure that there is a place for values. What is in a namespace that is new becomes void a moment after its first
/// use, when the agent begins to follow it: too soon for a task that is polled later than that.
pub(crate) fn expect_hand_over(segment: &Segment) {
    // Without room for it there is nothing to take over, and this host computes.
    let _ = segment.namespace(NAMESPACE);
}

/// Puts a value where the worker with lease `number` looks for it.
pub(super) fn hand_over(segment: &Segment, number: u64, clock: u64, packed: &[u8]) -> bool {
    let Ok(segment) = segment.namespace(NAMESPACE) else {
        return false;
    };
    let mut record = Vec::with_capacity(packed.len() + 8);
    record.extend_from_slice(&clock.to_le_bytes());
    record.extend_from_slice(packed);
    segment
        .put(&number.to_le_bytes(), &record, Expiry::after(LIFE))
        .is_ok()
}

/// What was handed to the worker with lease `number`.
pub(crate) fn handed(segment: &Segment, number: u64) -> Option<Handed> {
    let segment = segment.existing_namespace(NAMESPACE)?;
    let mut record = Vec::new();
    if !segment.get_into(&number.to_le_bytes(), &mut record) {
        return None;
    }
    segment.remove(&number.to_le_bytes());
    let (clock, packed) = record.split_first_chunk::<8>()?;
    unpacked(u64::from_le_bytes(*clock), packed)
}

fn ms(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(NO_END - 1)
}

/// `None` for one that is at its end.
fn expiry(life_ms: u64, fresh_ms: u64) -> Option<Expiry> {
    let expiry = match life_ms {
        NO_END => Expiry::never(),
        0 => return None,
        ms => Expiry::after(Duration::from_millis(ms)),
    };
    Some(match fresh_ms {
        NO_END => expiry,
        0 => return None,
        ms => expiry.soft(Duration::from_millis(ms)),
    })
}

fn unpacked(clock: u64, packed: &[u8]) -> Option<Handed> {
    let (life_ms, packed) = packed.split_first_chunk::<8>()?;
    let (fresh_ms, packed) = packed.split_first_chunk::<8>()?;
    let expiry = expiry(u64::from_le_bytes(*life_ms), u64::from_le_bytes(*fresh_ms))?;
    let (key_bytes, packed) = packed.split_first_chunk::<4>()?;
    let (key, packed) = packed.split_at_checked(u32::from_le_bytes(*key_bytes) as usize)?;
    let (&count, mut rest) = packed.split_first()?;
    let mut tags = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (&length, after) = rest.split_first()?;
        let (tag, next) = after.split_at_checked(usize::from(length))?;
        tags.push(tag.to_vec());
        rest = next;
    }
    Some(Handed {
        clock,
        expiry,
        key: key.to_vec(),
        tags,
        value: rest.to_vec(),
    })
}
