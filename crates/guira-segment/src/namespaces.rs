//! Namespaces: named sets of keys, apart from each other and cleared in constant time.

use guira_shm::sync::Ordering;

use crate::error::NamespaceError;
use crate::key::{hash_key, namespace_seed};
use crate::layout::control::CONTROL_NAMESPACES;
use crate::layout::namespace::{MAX_NAMESPACE_BYTES, NAMESPACE_HASH, NAMESPACE_LENGTH, NAMESPACE_NAME};
use crate::shared::Shared;

impl Shared {
    /// The row of the namespace `name`, claimed if it is new.
    pub(crate) fn namespace(&self, name: &[u8]) -> Result<u16, NamespaceError> {
        if name.is_empty() || name.len() > MAX_NAMESPACE_BYTES {
            return Err(NamespaceError::BadName {
                name_bytes: name.len(),
                max_bytes: MAX_NAMESPACE_BYTES,
            });
        }
        if self.is_lost() {
            return Err(NamespaceError::Truncated {
                size_bytes: self.geometry.total_bytes as u64,
            });
        }
        let hash = hash_namespace(self.superblock.hash_seed, name);
        for row in 1..self.geometry.counts.namespaces as u16 {
            if self.claim_row(row, hash) && self.publish_name(row, name) {
                self.word(CONTROL_NAMESPACES)
                    .fetch_max(u64::from(row) + 1, Ordering::Relaxed);
                return Ok(row);
            }
        }
        Err(NamespaceError::Full {
            rows: self.geometry.counts.namespaces,
        })
    }

    /// The hash of a row's name: 0 for the default namespace, and for free rows.
    pub(crate) fn namespace_hash(&self, row: u16) -> u64 {
        if row == 0 {
            return 0;
        }
        // Acquire: pairs with the claim of the row.
        self.namespace_word(row, NAMESPACE_HASH).load(Ordering::Acquire)
    }

    /// The seed of the keys of a row.
    pub(crate) fn namespace_seed(&self, row: u16) -> u64 {
        namespace_seed(self.superblock.hash_seed, self.namespace_hash(row))
    }

    /// The row of `name` if it exists: by hash and name, as `namespace` knows it, for damage may have left the name
    /// in a row whose hash is another.
    pub(crate) fn find_namespace(&self, name: &[u8]) -> Option<u16> {
        let hash = hash_namespace(self.superblock.hash_seed, name);
        (1..self.geometry.counts.namespaces as u16).find(|&row| {
            self.namespace_hash(row) == hash && self.namespace_name(row).as_deref() == Some(name)
        })
    }

    /// Whether the row carries `hash`, claiming it if it is free.
    fn claim_row(&self, row: u16, hash: u64) -> bool {
        let word = self.namespace_word(row, NAMESPACE_HASH);
        // Acquire, AcqRel: the loads and the claims of other claimers are each other's pair.
        match word.load(Ordering::Acquire) {
            0 => match word.compare_exchange(0, hash, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => true,
                Err(now) => now == hash,
            },
            now => now == hash,
        }
    }

    /// Writes the name if it is not readable yet (its claimer may be dead; all who write it write
    /// the same bytes), then compares it: rows of equal hash but another name are passed over.
    fn publish_name(&self, row: u16, name: &[u8]) -> bool {
        let length = self.namespace_word(row, NAMESPACE_LENGTH);
        // Acquire: pairs with the Release below.
        if length.load(Ordering::Acquire) == 0 {
            let mut padded = name.to_vec();
            padded.resize(MAX_NAMESPACE_BYTES, 0);
            for (index, chunk) in padded.chunks_exact(8).enumerate() {
                let word = chunk
                    .first_chunk::<8>()
                    .map_or(0, |bytes| u64::from_le_bytes(*bytes));
                self.namespace_word(row, NAMESPACE_NAME + index * 8)
                    .store(word, Ordering::Relaxed);
            }
            // Release: the name is before it.
            length.store(name.len() as u64 + 1, Ordering::Release);
        }
        self.namespace_name(row).as_deref() == Some(name)
    }

    /// A row's name; `None` for the default namespace, free rows and damaged ones.
    pub(crate) fn namespace_name(&self, row: u16) -> Option<Vec<u8>> {
        if row == 0 || u64::from(row) >= self.geometry.counts.namespaces {
            return None;
        }
        // Acquire: pairs with the Release in `publish_name`.
        let length = self.namespace_word(row, NAMESPACE_LENGTH).load(Ordering::Acquire);
        let bytes = usize::try_from(length)
            .ok()?
            .checked_sub(1)
            .filter(|&bytes| bytes <= MAX_NAMESPACE_BYTES)?;
        let mut name = Vec::with_capacity(MAX_NAMESPACE_BYTES);
        for index in 0..MAX_NAMESPACE_BYTES / 8 {
            let word = self
                .namespace_word(row, NAMESPACE_NAME + index * 8)
                .load(Ordering::Relaxed);
            name.extend_from_slice(&word.to_le_bytes());
        }
        name.truncate(bytes);
        Some(name)
    }
}

/// The hash of a namespace's name, never 0.
pub(crate) fn hash_namespace(seed: u64, name: &[u8]) -> u64 {
    hash_key(seed, name).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Segment;

    /// Whoever makes a namespace and whoever asks for one that exists must not be led to two rows.
    #[test]
    fn a_name_in_a_row_of_another_hash_is_passed_over() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let before = segment.namespace("users").expect("a row");
        let row_of = |name| segment.existing_namespace(name).map(|found| found.namespace);
        assert_eq!(row_of("users"), Some(before.namespace));
        let hash = segment.shared.namespace_word(before.namespace, NAMESPACE_HASH);
        hash.store(hash.load(Ordering::Relaxed) ^ 1, Ordering::Relaxed);
        assert_eq!(row_of("users"), None);
        let now = segment.namespace("users").expect("another row");
        assert_ne!(now.namespace, before.namespace);
        assert_eq!(row_of("users"), Some(now.namespace));
    }
}
