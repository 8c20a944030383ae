//! Hits of the peers that evict, each with as many entries as fit the bytes that Guira's entries take.
//!
//! Each cache is charged what an entry costs it where there are many (`space`): the capacity of Guira's
//! log in entries, times the bytes of one of Guira's, divided by the bytes of one of the peer's. So tables of a fixed
//! size, which weigh a lot beside a few hundred entries, are charged to nobody.

use std::path::Path;

use guira_trace::{Access, HitCount};

use super::percent;
use crate::error::BenchError;
use crate::peers::{Cache, Holding, Peer, Visit, open_peer};
use crate::space::footprint;
use crate::workload::{VALUE_BYTES, Values};

/// Bytes of a trace's key.
const KEY_BYTES: f64 = 8.0;
const PEERS: [Peer; 5] = [
    Peer::QuickCache,
    Peer::Moka,
    Peer::FoyerS3Fifo,
    Peer::FoyerLfu,
    Peer::FoyerLru,
];

/// A peer, and how many of its entries take the bytes of one of Guira's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charged {
    pub(super) peer: Peer,
    pub(super) beyond_bytes: f64,
    entries_per_guira_entry: f64,
}

/// Fills every peer with `entries` entries, and Guira too, to see what one takes.
pub(super) fn charge(entries: u64, root: &Path) -> Result<(f64, Vec<Charged>), BenchError> {
    let entry_bytes = |beyond: f64| KEY_BYTES + VALUE_BYTES as f64 + beyond;
    let guira = footprint::beyond(crate::space::guira_bytes_per_entry(entries)?);
    let mut charged = Vec::new();
    for peer in PEERS {
        let beyond_bytes = footprint::beyond(footprint::bytes_per_entry(peer, entries as usize, root)?);
        charged.push(Charged {
            peer,
            beyond_bytes,
            entries_per_guira_entry: entry_bytes(guira) / entry_bytes(beyond_bytes),
        });
    }
    Ok((guira, charged))
}

impl Charged {
    /// Hits in percent, with the bytes of `guira_entries` entries of Guira.
    pub(super) fn play(self, guira_entries: u64, accesses: &[Access]) -> Result<f64, BenchError> {
        let entries = (guira_entries as f64 * self.entries_per_guira_entry) as usize;
        let holding = Holding {
            keys: entries,
            value_bytes: VALUE_BYTES,
            longest_value_bytes: VALUE_BYTES,
            capacity_entries: entries.max(1),
        };
        open_peer(self.peer, Path::new(""), holding, Replay(accesses))
    }
}

struct Replay<'a>(&'a [Access]);

impl Visit for Replay<'_> {
    type Outcome = f64;

    fn visit<C: Cache>(self, mut cache: C) -> Result<f64, BenchError> {
        let values = Values::new(VALUE_BYTES);
        let mut copy = Vec::with_capacity(VALUE_BYTES);
        let mut count = HitCount::default();
        for access in self.0 {
            let key = access.key.to_le_bytes();
            count.accesses += 1;
            if cache.get(&key, &mut copy)? {
                count.hits += 1;
            } else {
                cache.put(&key, values.value(access.key as usize, VALUE_BYTES))?;
            }
        }
        Ok(percent(count))
    }
}
