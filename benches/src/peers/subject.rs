//! The names of all that takes part, and what each of them can do.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// One column of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// The raw loop, by whether its file is on huge pages.
    Raw {
        huge_pages: bool,
    },
    /// Guira, by whether its segment is on huge pages.
    Guira {
        huge_pages: bool,
    },
    Peer(Peer),
}

/// Somebody else's cache or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Peer {
    HashMap,
    LockedMap,
    DashMap,
    Papaya,
    QuickCache,
    Moka,
    FoyerS3Fifo,
    FoyerLfu,
    FoyerLru,
    Lmdb,
    Memcached,
    Redis,
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw { huge_pages: false } => "raw loop, 4 KiB pages",
            Self::Raw { huge_pages: true } => "raw loop, huge pages",
            Self::Guira { huge_pages: false } => "guira, 4 KiB pages",
            Self::Guira { huge_pages: true } => "guira, huge pages",
            Self::Peer(peer) => peer.name(),
        }
    }

    pub(crate) fn is_raw(self) -> bool {
        matches!(self, Self::Raw { .. })
    }

    /// Whether the work is done in another process, so that only the wall clock sees all of it.
    pub(crate) fn is_server(self) -> bool {
        matches!(self, Self::Peer(Peer::Memcached | Peer::Redis))
    }
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HashMap => "HashMap",
            Self::LockedMap => "RwLock<HashMap>",
            Self::DashMap => "dashmap",
            Self::Papaya => "papaya",
            Self::QuickCache => "quick_cache",
            Self::Moka => "moka",
            Self::FoyerS3Fifo => "foyer, S3-FIFO",
            Self::FoyerLfu => "foyer, W-TinyLFU",
            Self::FoyerLru => "foyer, LRU",
            Self::Lmdb => "LMDB",
            Self::Memcached => "memcached, unix socket",
            Self::Redis => "Redis, unix socket",
        }
    }

    /// Whether other processes can use it too.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Lmdb | Self::Memcached | Self::Redis)
    }

    /// Whether several threads can use it.
    pub(crate) fn is_threaded(self) -> bool {
        self != Self::HashMap
    }

    /// Whether it makes room by dropping entries.
    pub(crate) fn evicts(self) -> bool {
        !matches!(
            self,
            Self::HashMap | Self::LockedMap | Self::DashMap | Self::Papaya | Self::Lmdb
        )
    }

    /// Whether a value can be read where it lies.
    pub(crate) fn lends(self) -> bool {
        !matches!(self, Self::Memcached | Self::Redis)
    }
}
