//! What every reference policy has in common: capacity, access, count of hits.

mod lru;
mod opt;
mod queue;
mod s3_fifo;

pub use lru::Lru;
pub use opt::Opt;
pub use s3_fifo::{S3Fifo, S3FifoConfig};

use crate::Access;

/// How much a simulated cache holds, and so what an object weighs in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// So many objects, whatever their size.
    Entries(u64),
    /// Objects of so many bytes together; one of no bytes counts as one byte.
    Bytes(u64),
}

impl Capacity {
    fn total(self) -> u64 {
        match self {
            Self::Entries(total) | Self::Bytes(total) => total,
        }
    }

    fn weight_of(self, access: Access) -> u64 {
        match self {
            Self::Entries(_) => 1,
            Self::Bytes(_) => u64::from(access.size_bytes.max(1)),
        }
    }
}

/// The outcome of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HitCount {
    /// Accesses that found their object resident.
    pub hits: u64,
    /// All accesses.
    pub accesses: u64,
}

impl HitCount {
    /// Hits per access, 0 to 1; 0 where there was no access.
    #[must_use]
    pub fn ratio(self) -> f64 {
        if self.accesses == 0 {
            return 0.0;
        }
        self.hits as f64 / self.accesses as f64
    }

    fn record(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.accesses += 1;
    }
}

/// A cache that decides on each access without knowing the next.
///
/// An access is a get, and on a miss the set of the same object. A hit leaves
/// the resident object as it was set, even where the access names another size.
/// An object larger than the whole cache is never resident.
pub trait Policy {
    /// Plays one access; tells whether it hit.
    fn access(&mut self, access: Access) -> bool;

    /// Plays all accesses, on top of what earlier ones left resident.
    fn replay(&mut self, accesses: &[Access]) -> HitCount {
        let mut count = HitCount::default();
        for access in accesses {
            count.record(self.access(*access));
        }
        count
    }
}
