//! The records of write guards, beside those of flights:
//!
//! | key | value | lives |
//! |---|---|---|
//! | `H`, number of the guard | empty: the guard lives | the bound |
//! | `G`, key id | numbers of guards, 16 bytes each, living or not | the longest bound that is left |
//!
//! A guard writes its `H` before it is listed, so a listed number without an `H` is of a guard that has ended or
//! whose bound is over. Lists change by compare-and-swap alone: no guard is lost from one, and a number that is left
//! over by a dead process goes when another guard of the key is listed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use guira_segment::{Add, Expiry, Put, PutOptions, Segment, StoreError, Swap};

use crate::flight::{KeyId, Records};

const NUMBER_BYTES: usize = 16;
type Number = [u8; NUMBER_BYTES];
/// Rounds against others who list guards of the same key.
const ROUNDS: u32 = 1_000;

/// A guard that is listed.
#[derive(Debug)]
pub(super) struct Registered {
    records: Segment,
    id: KeyId,
    number: Number,
}

/// Whether a guard of the key lives.
pub(crate) fn is_guarded(records: &Records, id: KeyId) -> bool {
    let records = records.segment();
    let list = key_of_list(id);
    // Counts no miss, for there is seldom one; what is found is read, which keeps it from eviction.
    records.contains(&list)
        && records
            .get(&list)
            .is_some_and(|numbers| numbers_of(&numbers).iter().any(|number| lives(records, number)))
}

impl Registered {
    /// Writes the record of a new guard.
    pub(super) fn begin(records: Segment, id: KeyId, bound: Duration) -> Result<Self, StoreError> {
        let registered = Self {
            records,
            id,
            number: new_number(),
        };
        registered.renew(bound)?;
        Ok(registered)
    }

    /// Writes it, or its lifetime anew.
    pub(super) fn renew(&self, bound: Duration) -> Result<(), StoreError> {
        let holder = key_of_holder(&self.number);
        for _ in 0..ROUNDS {
            // Everything may be cleared at the same time.
            if self.records.put(&holder, &[], Expiry::after(bound))? == Put::Stored {
                return self.list(bound);
            }
        }
        Err(StoreError::Contended { attempts: ROUNDS })
    }

    fn list(&self, bound: Duration) -> Result<(), StoreError> {
        let key = key_of_list(self.id);
        for _ in 0..ROUNDS {
            let is_listed = match self.records.get(&key) {
                None => {
                    let options = PutOptions::from(Expiry::after(bound));
                    self.records.add(&key, &self.number, &options)? == Add::Stored
                }
                Some(list) => {
                    let metadata = list.metadata();
                    let mut numbers = numbers_of(&list).to_vec();
                    drop(list);
                    numbers.retain(|number| *number != self.number && lives(&self.records, number));
                    numbers.push(self.number);
                    let longest = metadata.ttl.map_or(bound, |left| left.max(bound));
                    let options = PutOptions::from(Expiry::after(longest));
                    let swap = self.records.compare_and_swap(
                        &key,
                        metadata.version,
                        numbers.as_flattened(),
                        &options,
                    );
                    match swap {
                        Ok(swap) => swap == Swap::Stored,
                        Err(StoreError::Contended { .. }) => false,
                        Err(error) => return Err(error),
                    }
                }
            };
            if is_listed {
                return Ok(());
            }
        }
        Err(StoreError::Contended { attempts: ROUNDS })
    }

    /// Ends the guard. What is left of the list ends with its lifetime.
    pub(super) fn end(&self) {
        self.records.remove(&key_of_holder(&self.number));
    }
}

/// A get: being read keeps the record from eviction.
fn lives(records: &Segment, number: &Number) -> bool {
    records.get(&key_of_holder(number)).is_some()
}

fn numbers_of(list: &[u8]) -> &[Number] {
    list.as_chunks().0
}

/// Unlike that of any other guard of the host: hashes with keys that the system drew.
fn new_number() -> Number {
    let half = || RandomState::new().hash_one((std::process::id(), std::thread::current().id()));
    let mut number = [0; NUMBER_BYTES];
    let (low, high) = number.split_at_mut(NUMBER_BYTES / 2);
    low.copy_from_slice(&half().to_le_bytes());
    high.copy_from_slice(&half().to_le_bytes());
    number
}

fn key_of_list(id: KeyId) -> [u8; 1 + NUMBER_BYTES] {
    key(b'G', id.number().to_le_bytes())
}

fn key_of_holder(number: &Number) -> [u8; 1 + NUMBER_BYTES] {
    key(b'H', *number)
}

fn key(kind: u8, number: Number) -> [u8; 1 + NUMBER_BYTES] {
    let mut bytes = [kind; 1 + NUMBER_BYTES];
    bytes[1..].copy_from_slice(&number);
    bytes
}
