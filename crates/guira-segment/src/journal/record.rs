//! A record as agents and brokers see it: no row number, no address, nothing of one segment alone.

use crate::layout::journal::Body;
use crate::shared::Shared;

/// What a record is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RecordKind {
    /// A key was invalidated.
    Invalidate,
    /// A key was expired: its value stays, marked as stale.
    Expire,
    /// A tag was invalidated.
    Tag,
    /// A namespace was cleared.
    Namespace,
    /// Everything was cleared.
    Clear,
    /// A key was put, and whoever has an older value is to drop it.
    Put,
}

impl RecordKind {
    /// The number that stands for it in the journal: 1 to 6, never another in later versions.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Invalidate => 1,
            Self::Expire => 2,
            Self::Tag => 3,
            Self::Namespace => 4,
            Self::Clear => 5,
            Self::Put => 6,
        }
    }

    /// The kind of a number.
    ///
    /// ```
    /// use guira_segment::RecordKind;
    ///
    /// assert_eq!(RecordKind::from_code(RecordKind::Tag.code()), Some(RecordKind::Tag));
    /// assert_eq!(RecordKind::from_code(0), None);
    /// ```
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Invalidate,
            2 => Self::Expire,
            3 => Self::Tag,
            4 => Self::Namespace,
            5 => Self::Clear,
            6 => Self::Put,
            _ => return None,
        })
    }
}

/// One thing that a host tells the others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    /// What it is of.
    pub kind: RecordKind,
    /// Hash of the namespace's name, the same in all segments of the cluster; 0 for the default namespace, and
    /// for clear. Of a tag, which concerns all namespaces: the number of its group, 0 to 15.
    pub namespace_hash: u64,
    /// Hash of the key, or of the tag; 0 for a namespace and for clear.
    pub hash: u64,
    /// Wall clock of the host at the call, in milliseconds since 1970.
    pub wall_ms: u64,
    /// What the call advanced the invalidation clock of its own segment to: entries born before it are
    /// concerned. Says nothing in another segment.
    pub stamp: u64,
    /// Of a put: what the caller gave. Else 0.
    pub flags: u8,
}

impl Record {
    /// From the ring; `None` for a kind that this version does not know.
    pub(super) fn of_body(shared: &Shared, body: &Body) -> Option<Self> {
        let kind = RecordKind::from_code(body.kind)?;
        Some(Self {
            kind,
            namespace_hash: match kind {
                RecordKind::Tag => u64::from(body.namespace),
                _ => shared.namespace_hash(body.namespace),
            },
            hash: body.hash,
            wall_ms: body.wall_ms,
            stamp: body.stamp,
            flags: body.flags,
        })
    }
}
