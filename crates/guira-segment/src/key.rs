//! A key: its namespace, its bytes, its hash and the two buckets the hash gives it.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::StoreError;
use crate::layout::entry::MAX_KEY_BYTES;
use crate::layout::geometry::Geometry;

/// The key of an operation, hashed.
///
/// Partial-key cuckoo hashing (Fan, Andersen, Kaminsky: MemC3, NSDI 2013): the partner bucket
/// follows from a bucket and the tag alone, so an entry is moved without reading its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'k> {
    pub(crate) namespace: u16,
    pub(crate) bytes: &'k [u8],
    pub(crate) hash: u64,
    pub(crate) pair: Pair,
}

/// The two buckets an entry may be linked in, and its tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pair {
    pub(crate) primary: usize,
    pub(crate) partner: usize,
    pub(crate) tag: u16,
}

impl<'k> Key<'k> {
    /// A key of a namespace and that namespace's seed.
    #[inline]
    pub(crate) fn new(geometry: &Geometry, seed: u64, namespace: u16, bytes: &'k [u8]) -> Self {
        Self::of_hash(geometry, namespace, bytes, hash_key(seed, bytes))
    }

    /// A key whose hash is known.
    #[inline]
    pub(crate) const fn of_hash(geometry: &Geometry, namespace: u16, bytes: &'k [u8], hash: u64) -> Self {
        Self {
            namespace,
            bytes,
            hash,
            pair: Pair::of_hash(geometry, hash),
        }
    }

    /// Bytes of the key as it is stored: the namespace's number comes first, but for the default.
    #[inline]
    pub(crate) const fn stored_bytes(&self) -> usize {
        self.bytes.len() + if self.namespace == 0 { 0 } else { 2 }
    }

    pub(crate) const fn check_length(bytes: &[u8]) -> Result<(), StoreError> {
        match bytes.len() {
            0 => Err(StoreError::EmptyKey {
                max_bytes: MAX_KEY_BYTES,
            }),
            key_bytes if key_bytes > MAX_KEY_BYTES => Err(StoreError::KeyTooLong {
                key_bytes,
                max_bytes: MAX_KEY_BYTES,
            }),
            _ => Ok(()),
        }
    }
}

/// The hash of a key: XXH3-64 with its namespace's seed.
#[inline]
pub(crate) fn hash_key(seed: u64, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, seed)
}

/// The seed of a namespace's keys, from the segment's seed and the hash of the namespace's name (0 for the
/// default one): the name, not the row, so that all segments of a cluster agree.
#[inline]
pub(crate) const fn namespace_seed(seed: u64, namespace_hash: u64) -> u64 {
    seed ^ namespace_hash
}

/// `value * count / 2^64`: an even spread over any count.
#[inline]
pub(crate) const fn reduce(value: u64, count: usize) -> usize {
    ((value as u128 * count as u128) >> 64) as usize
}

impl Pair {
    #[inline]
    pub(crate) const fn of_hash(geometry: &Geometry, hash: u64) -> Self {
        let buckets = geometry.counts.buckets as usize;
        let primary = reduce(hash, buckets);
        let tag = hash as u16;
        Self {
            primary,
            partner: partner(primary, tag, buckets),
            tag,
        }
    }

    /// The pair of an entry that is linked in `bucket` under `tag`, in either order.
    #[inline]
    pub(crate) const fn of_bucket(geometry: &Geometry, bucket: usize, tag: u16) -> Self {
        let buckets = geometry.counts.buckets as usize;
        Self {
            primary: bucket,
            partner: partner(bucket, tag, buckets),
            tag,
        }
    }

    /// Which move counter guards the pair; the same for both orders.
    #[inline]
    pub(crate) const fn move_counter(&self, geometry: &Geometry) -> usize {
        let lower = if self.primary < self.partner {
            self.primary
        } else {
            self.partner
        };
        lower & (geometry.counts.move_counters as usize - 1)
    }
}

/// `(H(tag) - bucket) mod buckets`: its own inverse for any number of buckets.
#[inline]
const fn partner(bucket: usize, tag: u16, buckets: usize) -> usize {
    let spread = reduce((tag as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), buckets);
    let sum = spread + buckets - bucket;
    if sum >= buckets { sum - buckets } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partner_of_the_partner_is_the_bucket() {
        for buckets in [1, 2, 3, 7, 1000, 4096, 1 << 20] {
            for tag in [0, 1, 77, u16::MAX] {
                for bucket in [0, buckets / 2, buckets - 1] {
                    let other = partner(bucket, tag, buckets);
                    assert!(other < buckets);
                    assert_eq!(partner(other, tag, buckets), bucket);
                }
            }
        }
    }

    #[test]
    fn namespaces_hash_apart() {
        let seed = |name: &[u8]| namespace_seed(1, hash_key(1, name));
        assert_ne!(hash_key(1, b"k"), hash_key(seed(b"a"), b"k"));
        assert_ne!(hash_key(seed(b"a"), b"k"), hash_key(seed(b"b"), b"k"));
        assert_ne!(hash_key(1, b"k"), hash_key(2, b"k"));
    }
}
