//! Requests that are refused whatever is there, and what the error must be.

use guira_segment::{MAX_KEY_BYTES, MAX_TAG_BYTES, MAX_TAGS, StoreError};

use super::lifetime::Lifetime;
use super::names::{Place, TagList};

/// Why a store is refused at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    EmptyKey,
    KeyTooLong,
    BadExpiry,
    BadTags,
}

impl Refusal {
    /// Of an operation on `place` alone.
    pub(super) fn of_key(place: Place) -> Option<Self> {
        if place.is_empty() {
            Some(Self::EmptyKey)
        } else if place.is_too_long() {
            Some(Self::KeyTooLong)
        } else {
            None
        }
    }

    /// Of a store: the key is looked at first, then the lifetime, then the tags.
    pub(super) fn of_store(place: Place, lifetime: Lifetime, tags: TagList, now_ms: u64) -> Option<Self> {
        Self::of_key(place).or_else(|| {
            if lifetime.deadlines(now_ms).is_none() {
                Some(Self::BadExpiry)
            } else if tags.is_bad() {
                Some(Self::BadTags)
            } else {
                None
            }
        })
    }

    /// Compares the error.
    pub(super) fn compare(self, error: Option<StoreError>) {
        let error = error.expect("a request that must be refused was not");
        let fits = match self {
            Self::EmptyKey => {
                error
                    == StoreError::EmptyKey {
                        max_bytes: MAX_KEY_BYTES,
                    }
            }
            Self::KeyTooLong => {
                error
                    == StoreError::KeyTooLong {
                        key_bytes: MAX_KEY_BYTES + 1,
                        max_bytes: MAX_KEY_BYTES,
                    }
            }
            Self::BadExpiry => matches!(error, StoreError::BadExpiry { .. }),
            Self::BadTags => {
                error
                    == StoreError::BadTags {
                        max_tags: MAX_TAGS,
                        max_bytes: MAX_TAG_BYTES,
                    }
            }
        };
        assert!(fits, "{error:?}, expected {self:?}");
    }
}
