//! What was computed a moment ago, for those who waited for it: the notice may have been lost.

use std::collections::BTreeMap;

use super::leases::Claim;
use crate::wire::{KeyId, LeaseVerdict};

/// Bytes of values that are kept; who is not told any more asks for the lease.
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug)]
struct Told {
    until_us: u64,
    claims: Vec<Claim>,
    verdict: LeaseVerdict,
}

/// Computations whose waiters have not all said that they know.
#[derive(Debug)]
pub(super) struct Finished {
    told: BTreeMap<KeyId, Vec<Told>>,
    bytes: usize,
}

const fn bytes_of(verdict: &LeaseVerdict) -> usize {
    match verdict {
        LeaseVerdict::Done {
            value: Some(value), ..
        } => value.len() + 64,
        _ => 64,
    }
}

impl Finished {
    pub(super) const fn new() -> Self {
        Self {
            told: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Keeps what `claims` are told until `until_us`, or until all know.
    pub(super) fn add(&mut self, until_us: u64, key: KeyId, claims: Vec<Claim>, verdict: &LeaseVerdict) {
        let bytes = bytes_of(verdict);
        if claims.is_empty() || self.bytes + bytes > MAX_BYTES {
            return;
        }
        self.bytes += bytes;
        self.told.entry(key).or_default().push(Told {
            until_us,
            claims,
            verdict: verdict.clone(),
        });
    }

    /// What a claim that waited was told.
    pub(super) fn verdict(&self, key: KeyId, claim: Claim) -> Option<LeaseVerdict> {
        let told = self.told.get(&key)?;
        let of_claim = told.iter().find(|told| told.claims.contains(&claim))?;
        Some(of_claim.verdict.clone())
    }

    /// A claim knows.
    pub(super) fn leave(&mut self, key: KeyId, claim: Claim) {
        if let Some(told) = self.told.get_mut(&key) {
            for told in told {
                told.claims.retain(|other| *other != claim);
            }
            self.keep(|told| !told.claims.is_empty(), Some(key));
        }
    }

    /// Forgets what is old.
    pub(super) fn forget(&mut self, now_us: u64) {
        self.keep(|told| now_us < told.until_us, None);
    }

    fn keep(&mut self, is_kept: impl Fn(&Told) -> bool, key: Option<KeyId>) {
        let mut freed = 0;
        let mut sift = |told: &mut Vec<Told>| {
            told.retain(|told| {
                let is_kept = is_kept(told);
                if !is_kept {
                    freed += bytes_of(&told.verdict);
                }
                is_kept
            });
            !told.is_empty()
        };
        match key {
            Some(key) => {
                if self.told.get_mut(&key).is_some_and(|told| !sift(told)) {
                    self.told.remove(&key);
                }
            }
            None => self.told.retain(|_, told| sift(told)),
        }
        self.bytes -= freed;
    }
}
