//! An entry's tags: names by which many entries are invalidated at once.
//!
//! Stored form: `count u8 | name bytes u16 (low, high) | check u8 | hashes 8 each | names, each after
//! its length in one byte`, padded so that the whole takes a multiple of four bytes. A read compares
//! the hashes' stamps with the entry's birth; the names are for people. The check is over the hashes: an
//! entry whose tag was damaged could not be invalidated by it any more, and is not returned.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::StoreError;
use crate::layout::entry::TAGS_HEAD_BYTES;

/// Most tags of an entry.
pub(crate) const MAX_TAGS: usize = 16;
/// Longest tag in bytes.
pub(crate) const MAX_TAG_BYTES: usize = 255;

/// A tag list in stored form; empty for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(Vec<u8>);

impl Tags {
    pub(crate) const NONE: Self = Self(Vec::new());

    /// Encodes `names`; hashes with the segment's seed.
    pub(crate) fn new(seed: u64, names: &[&[u8]]) -> Result<Self, StoreError> {
        if names.is_empty() {
            return Ok(Self::NONE);
        }
        let bad = names.len() > MAX_TAGS
            || names
                .iter()
                .any(|name| name.is_empty() || name.len() > MAX_TAG_BYTES);
        if bad {
            return Err(StoreError::BadTags {
                max_tags: MAX_TAGS,
                max_bytes: MAX_TAG_BYTES,
            });
        }
        let plain: usize = names.iter().map(|name| 1 + name.len()).sum();
        let name_bytes = plain.next_multiple_of(4);
        let mut stored = Vec::with_capacity(TAGS_HEAD_BYTES + names.len() * 8 + name_bytes);
        stored.push(names.len() as u8);
        stored.extend_from_slice(&(name_bytes as u16).to_le_bytes());
        stored.push(check_of_hashes(names.iter().map(|name| hash_tag(seed, name))));
        for name in names {
            stored.extend_from_slice(&hash_tag(seed, name).to_le_bytes());
        }
        for name in names {
            stored.push(name.len() as u8);
            stored.extend_from_slice(name);
        }
        stored.resize(TAGS_HEAD_BYTES + names.len() * 8 + name_bytes, 0);
        Ok(Self(stored))
    }

    /// A list as it was read from an entry.
    pub(crate) const fn from_stored(stored: Vec<u8>) -> Self {
        Self(stored)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn stored(&self) -> &[u8] {
        &self.0
    }

    pub(crate) const fn stored_bytes(&self) -> usize {
        self.0.len()
    }

    /// The hashes of the names.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = u64> + '_ {
        let count = usize::from(self.0.first().copied().unwrap_or(0));
        self.0
            .get(TAGS_HEAD_BYTES..)
            .unwrap_or(&[])
            .chunks_exact(8)
            .take(count)
            .filter_map(|bytes| bytes.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)))
    }

    /// The names, as far as they are well formed.
    pub(crate) fn names(&self) -> Vec<Vec<u8>> {
        let count = usize::from(self.0.first().copied().unwrap_or(0));
        let mut rest = self.0.get(TAGS_HEAD_BYTES + count * 8..).unwrap_or(&[]);
        let mut names = Vec::with_capacity(count);
        while names.len() < count {
            let Some((&length, after)) = rest.split_first() else {
                break;
            };
            let Some((name, next)) = after.split_at_checked(usize::from(length)) else {
                break;
            };
            names.push(name.to_vec());
            rest = next;
        }
        names
    }
}

/// A byte that any one flipped bit of the hashes changes.
pub(crate) fn check_of_hashes(hashes: impl Iterator<Item = u64>) -> u8 {
    let folded = hashes.fold(0, |sum, hash| sum ^ hash);
    folded
        .to_le_bytes()
        .iter()
        .fold(TAGS_CHECK_START, |sum, byte| sum ^ byte)
}

/// What the check of no hash would be: not what a zeroed page holds.
const TAGS_CHECK_START: u8 = 0xa5;

/// The hash of a tag's name.
pub(crate) fn hash_tag(seed: u64, name: &[u8]) -> u64 {
    xxh3_64_with_seed(name, seed ^ 0x5441_4753)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_order() {
        let tags = Tags::new(1, &[b"users", b"team:7"]).expect("good tags");
        assert_eq!(tags.names(), vec![b"users".to_vec(), b"team:7".to_vec()]);
        assert_eq!(tags.stored_bytes() % 4, 0);
    }

    #[test]
    fn too_many_empty_and_long_tags_are_refused() {
        let name: &[u8] = b"t";
        assert!(Tags::new(1, &[name; 17]).is_err());
        assert!(Tags::new(1, &[b""]).is_err());
        assert!(Tags::new(1, &[[b'x'; 256].as_slice()]).is_err());
    }

    #[test]
    fn a_cut_off_list_gives_the_names_that_are_whole() {
        let mut stored = Tags::new(1, &[b"users", b"teams"]).expect("good tags").0;
        stored.truncate(TAGS_HEAD_BYTES + 16 + 8);
        assert_eq!(Tags::from_stored(stored).names(), vec![b"users".to_vec()]);
    }
}
