//! What can go wrong. A miss is never an error.

use guira_segment::{NamespaceError, OpenError, StoreError};

use crate::envelope::Found;
use crate::failure::Failure;

/// What can go wrong with a cache, by the part that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The segment could not be created or opened.
    #[error(transparent)]
    Open(Box<OpenError>),
    /// The cache's namespace could not be had.
    #[error("cache {name:?}: {source}")]
    Namespace {
        /// The cache's name.
        name: Box<str>,
        /// Why.
        source: NamespaceError,
    },
    /// The segment did not take the value.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key has no encoding.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The value could not be encoded, or what is stored could not be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A memoized function has no cache: none was named, and the process has no default.
    #[error("no cache for {function}: name one, or call Guira::set_default first")]
    NoCache {
        /// The function's name.
        function: Box<str>,
    },
    /// A computation that was waited for gave no value.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }
}

/// Why a key has no encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A float in the key is NaN, which equals nothing, itself included.
    #[error("the key has a NaN in it, which equals no key; leave it out, or encode what it stands for")]
    Nan,
    /// The key's own `Serialize` refused.
    #[error("the key does not serialize: {reason}")]
    Unserializable {
        /// What it said.
        reason: Box<str>,
    },
    /// A map in the key has one key twice.
    #[error("a map in the key has the same key twice")]
    DuplicateMapKey,
}

/// Why a value could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value could not be turned into bytes.
    #[error("the value cannot be encoded as {codec}: {reason}")]
    Encode {
        /// The codec's name.
        codec: &'static str,
        /// What it said.
        reason: Box<str>,
    },
    /// The stored bytes are not a value of this type.
    #[error("the stored bytes are no {codec} of this type: {reason}")]
    Decode {
        /// The codec's name.
        codec: &'static str,
        /// What it said.
        reason: Box<str>,
    },
    /// The stored value was written by another codec, with other transforms, or under another schema.
    #[error("the stored value is {found}, this cache reads {expected}; clear the cache, or use another name")]
    Mismatch {
        /// What is there.
        found: Found,
        /// What the cache reads.
        expected: Found,
    },
}

impl CodecError {
    /// An error of encoding, with `codec`'s name.
    pub fn encode(codec: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Encode {
            codec,
            reason: reason.to_string().into(),
        }
    }

    /// An error of decoding, with `codec`'s name.
    pub fn decode(codec: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Decode {
            codec,
            reason: reason.to_string().into(),
        }
    }
}
