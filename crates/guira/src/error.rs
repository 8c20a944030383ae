//! What can go wrong. A miss is never an error.

use guira_segment::{NamespaceError, OpenError, StoreError};

use crate::coherence::CoherenceError;
use crate::envelope::Found;
use crate::failure::Failure;
use crate::settings::SettingError;

/// What can go wrong with a cache, by the part that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The segment could not be created or opened.
    #[error(transparent)]
    Open(Box<OpenError>),
    /// The directory of large values could not be opened.
    #[error(transparent)]
    Files(Box<guira_files::FilesError>),
    /// The cache's namespace could not be had.
    #[error("cache {name:?}: {source}")]
    Namespace {
        /// The cache's name.
        name: Box<str>,
        /// Why.
        source: NamespaceError,
    },
    /// The cache was set up with what does not go together.
    #[error("cache {name:?}: {problem}")]
    Setup {
        /// The cache's name.
        name: Box<str>,
        /// What does not go together, and what to do.
        problem: &'static str,
    },
    /// A setting of the file or the environment is unknown or wrong.
    #[error(transparent)]
    Setting(Box<SettingError>),
    /// A router has no store for a namespace.
    #[error("no namespace {namespace:?} is routed; there are {known}")]
    UnknownNamespace {
        /// What was asked for.
        namespace: Box<str>,
        /// What there are.
        known: Box<str>,
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
    /// Coherence between hosts is not to be had.
    #[error(transparent)]
    Coherence(Box<CoherenceError>),
    /// A computation that was waited for gave no value.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Why a cache cannot be used, whatever is asked of it.
#[derive(Debug, Clone)]
pub(crate) enum Unusable {
    Namespace(NamespaceError),
    Setup(&'static str),
}

impl Unusable {
    #[cold]
    pub(crate) fn of_cache(&self, name: &str) -> Error {
        let name = name.into();
        match self {
            Self::Namespace(source) => Error::Namespace {
                name,
                source: source.clone(),
            },
            Self::Setup(problem) => Error::Setup { name, problem },
        }
    }
}

impl Error {
    /// Whether the caller asked for what cannot be, rather than the cache not being able to.
    pub(crate) const fn is_of_the_caller(&self) -> bool {
        match self {
            Self::Key(_)
            | Self::Codec(CodecError::Encode { .. })
            | Self::Setup { .. }
            | Self::Setting(_)
            | Self::UnknownNamespace { .. } => true,
            Self::Store(error) => matches!(
                error,
                StoreError::EmptyKey { .. }
                    | StoreError::KeyTooLong { .. }
                    | StoreError::ValueTooLarge { .. }
                    | StoreError::BadTags { .. }
                    | StoreError::BadExpiry { .. }
                    | StoreError::NotANumber
                    | StoreError::Overflow { .. }
            ),
            _ => false,
        }
    }
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

/// Why bytes are no encoding of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyDecodeError {
    /// They end inside of an item.
    #[error("the bytes are no encoded key: they end within an item")]
    CutOff,
    /// There is more behind the key.
    #[error("the bytes are no encoded key: {extra_bytes} follow the first item")]
    Longer {
        /// How many bytes.
        extra_bytes: usize,
    },
    /// No item begins with this byte.
    #[error("the bytes are no encoded key: no item begins with {tag:#04x}")]
    UnknownTag {
        /// The byte.
        tag: u8,
    },
    /// A text in it is no UTF-8.
    #[error("the bytes are no encoded key: a text in them is no UTF-8")]
    NotText,
    /// Items in items in items.
    #[error("the bytes are no encoded key that can be shown: items lie more than {max_depth} deep")]
    TooDeep {
        /// The limit.
        max_depth: u32,
    },
    /// They could be read, but the key they mean has other bytes.
    #[error("the bytes are no encoded key: what they seem to mean is encoded otherwise")]
    NotCanonical,
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
    /// The value was to go to a file, and could not be written there; nothing was stored, and what was there stays.
    #[error("the value could not be written to a file: {reason}")]
    Spill {
        /// What went wrong with the file, and what to do.
        reason: Box<str>,
    },
    /// The stored value is compressed or sealed, and cannot be appended to.
    #[error("the stored value is {found}, and cannot be appended to; read it, and put it anew")]
    NotInPlace {
        /// What is there.
        found: Found,
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

impl From<guira_files::FilesError> for Error {
    fn from(error: guira_files::FilesError) -> Self {
        Self::Files(Box::new(error))
    }
}

impl From<CoherenceError> for Error {
    fn from(error: CoherenceError) -> Self {
        Self::Coherence(Box::new(error))
    }
}
