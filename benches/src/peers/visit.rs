//! From a peer's name to its type: whoever works with any cache is handed the one that was named.

use std::path::Path;

use super::dash_map::DashMap;
use super::foyer::Foyer;
use super::hash_map::HashMap;
use super::lmdb::Lmdb;
use super::locked_map::LockedMap;
use super::memcached::Memcached;
use super::moka::Moka;
use super::papaya::Papaya;
use super::quick_cache::QuickCache;
use super::redis::Redis;
use super::{Cache, Holding, Peer};
use crate::error::BenchError;

/// Something to be done with a cache, whatever its type.
pub(crate) trait Visit {
    type Outcome;

    fn visit<C: Cache>(self, cache: C) -> Result<Self::Outcome, BenchError>;
}

/// Makes the peer's cache, empty, or opens what is at `path` where other processes share it.
pub(crate) fn open_peer<V: Visit>(
    peer: Peer,
    path: &Path,
    holding: Holding,
    visitor: V,
) -> Result<V::Outcome, BenchError> {
    match peer {
        Peer::HashMap => visitor.visit(HashMap::new(holding)),
        Peer::LockedMap => visitor.visit(LockedMap::new(holding)),
        Peer::DashMap => visitor.visit(DashMap::new(holding)),
        Peer::Papaya => visitor.visit(Papaya::new(holding)),
        Peer::QuickCache => visitor.visit(QuickCache::new(holding)),
        Peer::Moka => visitor.visit(Moka::new(holding)),
        Peer::FoyerS3Fifo => visitor.visit(Foyer::s3_fifo(holding)),
        Peer::FoyerLfu => visitor.visit(Foyer::lfu(holding)),
        Peer::FoyerLru => visitor.visit(Foyer::lru(holding)),
        Peer::Lmdb => visitor.visit(Lmdb::open(path, holding)?),
        Peer::Memcached => visitor.visit(Memcached::connect(path)?),
        Peer::Redis => visitor.visit(Redis::connect(path)?),
    }
}
