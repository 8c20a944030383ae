//! Telling the other hosts of a cluster what was put.

use guira_segment::{Add, Put, Replace, Segment, Swap};

use super::Cache;

/// What became of a write.
pub(super) trait Written {
    /// Whether the key has another value now.
    fn is_stored(&self) -> bool;
}

impl Written for Put {
    fn is_stored(&self) -> bool {
        *self == Self::Stored
    }
}

impl Written for Add {
    fn is_stored(&self) -> bool {
        *self == Self::Stored
    }
}

impl Written for Replace {
    fn is_stored(&self) -> bool {
        *self == Self::Stored
    }
}

impl Written for Swap {
    fn is_stored(&self) -> bool {
        *self == Self::Stored
    }
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// Gives `written` on; if it is of a value that is there now, the other hosts are told, if they are to be.
    #[inline]
    pub(super) fn announced<W: Written>(&self, segment: &Segment, key: &[u8], written: W) -> W {
        if self.inner.announces_puts && written.is_stored() {
            announce(segment, key);
        }
        written
    }
}

/// Behind the value: a host that misses because of it may be given the value by this one.
#[inline(never)]
fn announce(segment: &Segment, key: &[u8]) {
    if let Some(journal) = segment.journal() {
        journal.announce_put(key, 0);
    }
}
