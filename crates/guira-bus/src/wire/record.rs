//! A record: one invalidation, as it travels. And topics: which hosts a record concerns.

use serde::{Deserialize, Serialize};

/// A segment incarnation: 128 random bits, drawn when the segment is made and again when it is moved,
/// copied or restored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Origin(#[serde(with = "fixed_u128")] pub u128);

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The high half tells origins apart as well as the whole, and fits a line of a report.
        write!(f, "{:016x}", (self.0 >> 64) as u64)
    }
}

mod fixed_u128 {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_le_bytes().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        <[u8; 16]>::deserialize(deserializer).map(u128::from_le_bytes)
    }
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum RecordKind {
    /// A key's value is void.
    Invalidate,
    /// A key's value is stale: usable within its grace while one refreshes it.
    Expire,
    /// Every entry that carries a tag is void.
    Tag,
    /// Everything in a namespace is void.
    Namespace,
    /// Everything is void.
    Clear,
    /// A key has a new value on the origin: other copies are out of date.
    Put,
    /// A question to every host whether it is there; changes nothing.
    Probe,
}

/// One invalidation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// What happened.
    pub kind: RecordKind,
    /// Hash of the namespace's name; 0 is the default namespace, and that of tags and clears.
    #[serde(with = "postcard::fixint::le")]
    pub namespace: u64,
    /// Hash of the key or tag.
    #[serde(with = "postcard::fixint::le")]
    pub hash: u64,
    /// Wall clock milliseconds at the origin.
    pub wall_ms: u64,
    /// The origin's invalidation clock; means nothing elsewhere.
    pub stamp: u64,
}

/// What an origin's ticket stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Item {
    /// A record.
    Record(Record),
    /// Tickets that were drawn and never used.
    Voids(u64),
    /// Tickets whose records were overwritten before they could be sent: anything may be void.
    Lost(u64),
    /// Tickets whose records were overwritten before they could be sent to this broker, and that are settled: a
    /// majority of the others logged them, and every host has applied them or trusts nothing.
    Settled(u64),
}

impl Item {
    /// How many tickets it stands for.
    #[must_use]
    pub const fn tickets(&self) -> u64 {
        match self {
            Self::Record(_) => 1,
            Self::Voids(count) | Self::Lost(count) | Self::Settled(count) => *count,
        }
    }
}

/// A part of the stream that a host may ask for or leave out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Topic(u8);

/// How many topics there are: a set of them is one word.
pub const TOPICS: usize = 64;

impl Topic {
    /// What everybody receives: tags, clears, members, losses.
    pub const CONTROL: Self = Self(0);

    /// The topic of a namespace, by the hash of its name.
    #[must_use]
    pub const fn of_namespace(namespace: u64) -> Self {
        Self((namespace % (TOPICS as u64 - 1)) as u8 + 1)
    }

    /// The topic of a record.
    #[must_use]
    pub const fn of_record(record: &Record) -> Self {
        match record.kind {
            RecordKind::Invalidate | RecordKind::Expire | RecordKind::Put | RecordKind::Namespace => {
                Self::of_namespace(record.namespace)
            }
            RecordKind::Tag | RecordKind::Clear | RecordKind::Probe => Self::CONTROL,
        }
    }

    /// Its number, below [`TOPICS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize % TOPICS
    }

    /// The topic with this number, reduced to one there is.
    #[must_use]
    pub const fn of_index(index: usize) -> Self {
        Self((index % TOPICS) as u8)
    }

    /// Its bit in a set.
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self.index()
    }
}

/// The topics of a set, in order.
pub fn topics_of(mask: u64) -> impl Iterator<Item = Topic> {
    (0..TOPICS)
        .filter(move |index| mask >> index & 1 == 1)
        .map(Topic::of_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_namespace_shares_the_control_topic() {
        for namespace in [0, 1, 62, 63, 64, u64::MAX] {
            assert_ne!(Topic::of_namespace(namespace), Topic::CONTROL);
        }
    }

    #[test]
    fn a_mask_names_its_topics() {
        let mask = Topic::CONTROL.bit() | Topic::of_index(63).bit();
        let topics: Vec<usize> = topics_of(mask).map(Topic::index).collect();
        assert_eq!(topics, [0, 63]);
    }
}
