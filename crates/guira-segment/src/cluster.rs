//! What follows from a cluster's name: the segments of one cluster must agree without having met.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The cluster's number, never 0.
pub(crate) fn id_of_cluster(name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), u64::from_le_bytes(*b"cluster#")).max(1)
}

/// The seed of every hash in the cluster's segments, so that a key has one hash in all of them.
pub(crate) fn hash_seed_of_cluster(name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), u64::from_le_bytes(*b"hashseed"))
}
