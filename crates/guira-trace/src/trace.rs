//! A trace: the accesses of one recorded system, in order.

use std::collections::HashSet;

use crate::compact::{self, CompactError};

/// One get-then-set-on-miss of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// The object's identity.
    pub key: u64,
    /// The object's size; 1 where the recording has no sizes.
    pub size_bytes: u32,
}

impl Access {
    /// An access to an object of size 1.
    #[must_use]
    pub fn unit(key: u64) -> Self {
        Self { key, size_bytes: 1 }
    }
}

/// The accesses of one recorded system, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    accesses: Vec<Access>,
    distinct_keys: usize,
}

impl Trace {
    /// A trace of the given accesses; counts their distinct keys.
    #[must_use]
    pub fn new(accesses: Vec<Access>) -> Self {
        let distinct_keys = accesses.iter().map(|a| a.key).collect::<HashSet<_>>().len();
        Self {
            accesses,
            distinct_keys,
        }
    }

    /// The trace in the compact form of [`compact`].
    ///
    /// # Errors
    ///
    /// [`CompactError`] when the bytes are not a whole compact trace.
    pub fn from_compact_bytes(bytes: &[u8]) -> Result<Self, CompactError> {
        compact::decode(bytes)
    }

    /// The trace that ships inside this crate: 5,000,000 object loads of an ORM
    /// in a busy web shop, over 76,349 distinct keys of size 1.
    ///
    /// Published with the cache2k benchmarks and in Caffeine's simulator; keys
    /// are renumbered by first appearance. Decoding takes a
    /// fraction of a second and the result 80 MB: keep it rather than call again.
    ///
    /// ```
    /// let trace = guira_trace::Trace::orm_busy();
    /// assert_eq!(trace.accesses().len(), 5_000_000);
    /// assert_eq!(trace.distinct_keys(), 76_349);
    /// ```
    #[must_use]
    pub fn orm_busy() -> Self {
        static BYTES: &[u8] = include_bytes!("../data/orm-busy.compact.zst");
        Self::from_compact_bytes(BYTES).expect("the embedded trace is part of the build")
    }

    /// The first `access_count` accesses, or all where there are fewer.
    #[must_use]
    pub fn prefix(&self, access_count: usize) -> Self {
        let end = access_count.min(self.accesses.len());
        Self::new(self.accesses[..end].to_vec())
    }

    /// The accesses, in the order of the recording.
    #[must_use]
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// How many different keys the accesses name.
    #[must_use]
    pub fn distinct_keys(&self) -> usize {
        self.distinct_keys
    }

    /// For a decoder that met every new key once and so knows their number.
    pub(crate) fn from_counted(accesses: Vec<Access>, distinct_keys: usize) -> Self {
        Self {
            accesses,
            distinct_keys,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_counts_each_key_once() {
        let trace = Trace::new([7, 7, 9, u64::MAX, 7].map(Access::unit).to_vec());
        assert_eq!(trace.distinct_keys(), 3);
    }

    #[test]
    fn a_prefix_counts_only_its_own_keys() {
        let trace = Trace::new([7, 7, 9, 8].map(Access::unit).to_vec());
        assert_eq!(trace.prefix(2).distinct_keys(), 1);
        assert_eq!(trace.prefix(2).accesses(), &trace.accesses()[..2]);
        assert_eq!(trace.prefix(99), trace);
    }
}
