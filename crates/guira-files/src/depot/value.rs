//! A value, mapped.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use guira_shm::directory::ReadMap;

/// The bytes of a value file where they lie: in memory once, for all processes that map them. They stay as long as this
/// is kept, whatever becomes of the file's name. Cheap to clone.
#[derive(Clone)]
pub struct ValueMap {
    bytes: Arc<Bytes>,
}

enum Bytes {
    Mapped {
        map: ReadMap,
        begin: usize,
    },
    /// Of a linked file, which is somebody else's, too: a map of it could change under a reference.
    Copied(Vec<u8>),
}

impl ValueMap {
    pub(super) fn mapped(map: ReadMap, begin: usize) -> Self {
        Self {
            bytes: Arc::new(Bytes::Mapped { map, begin }),
        }
    }

    pub(crate) fn copied(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Arc::new(Bytes::Copied(bytes)),
        }
    }

    /// A copy of the bytes.
    pub(super) fn copy(&self) -> Vec<u8> {
        match &*self.bytes {
            Bytes::Mapped { map, begin } => map.copy_from(*begin),
            Bytes::Copied(bytes) => bytes.clone(),
        }
    }

    /// Whether the bytes are those of the file, and not a copy of them.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(&*self.bytes, Bytes::Mapped { .. })
    }
}

impl Deref for ValueMap {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &*self.bytes {
            Bytes::Mapped { map, begin } => map.get(*begin..).unwrap_or(&[]),
            Bytes::Copied(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for ValueMap {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for ValueMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_mapped() { "mapped" } else { "copied" };
        write!(f, "{} {how} bytes", self.len())
    }
}
