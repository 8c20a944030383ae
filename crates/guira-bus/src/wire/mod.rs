//! The wire: what travels between agents and brokers, and how it is checked.
//!
//! Every frame is `magic 2 | version 2 | cluster 8 | body`, all little-endian; the body is postcard.
//! A frame is refused before anything is allocated when it is longer than [`MAX_FRAME_BYTES`], has another
//! magic, version or cluster; lists longer than [`MAX_MEMBERS`] or [`MAX_ENTRIES`] are refused after. Nothing
//! in a frame is ever executed.

mod frame;
mod lease;
mod record;
mod seek;
mod status;

#[cfg(test)]
mod tests;

use serde::{Serialize, de::DeserializeOwned};

pub use frame::{Answer, Ask, Entry, Epoch, Hello, Refusal, Start, Stream, ToAgent, ToBroker};
pub use lease::{KeyId, LeaseAnswer, LeaseRequest, LeaseStep, LeaseVerdict};
pub use record::{Item, Origin, Record, RecordKind, TOPICS, Topic, topics_of};
pub use seek::{Seek, Sought, Standing};
pub use status::{BrokerStatus, MemberStatus};

/// The longest frame.
pub const MAX_FRAME_BYTES: usize = 1 << 20;
/// Most hosts of a cluster.
pub const MAX_MEMBERS: usize = 16_384;
/// Most records or entries of one frame.
pub const MAX_ENTRIES: usize = 8_192;
/// Most hosts of a broker's status.
pub const MAX_MEMBER_STATUSES: usize = 3_000;
/// Longest value that is told to all who wait for it.
pub const MAX_TOLD_BYTES: usize = 32 << 10;
/// Longest value that one host gives another, with what goes along.
pub const MAX_FETCHED_BYTES: usize = 512 << 10;
/// Most lives of brokers of which a question tells.
pub const MAX_STANDINGS: usize = 64;
/// Longest name of a host.
pub const MAX_HOST_BYTES: usize = 255;
/// Bytes before a frame's body.
pub const HEADER_BYTES: usize = 12;

const MAGIC: [u8; 2] = *b"GB";
/// Another version is another language: refused, and said.
pub const WIRE_VERSION: u16 = 2;

/// A cluster: the 64-bit hash of its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Cluster(pub u64);

impl Cluster {
    /// The cluster of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64_with_seed(
            name.as_bytes(),
            0x6775_6972_6162_7573,
        ))
    }
}

/// Why a frame was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than a frame may be.
    #[error("a frame of {bytes} bytes, where {MAX_FRAME_BYTES} are the most")]
    TooLong { bytes: usize },
    /// Not one of ours.
    #[error("not a frame of this protocol")]
    Foreign,
    /// From another version.
    #[error("a frame of wire version {theirs}, this is {WIRE_VERSION}: run the same version everywhere")]
    OtherVersion { theirs: u16 },
    /// From another cluster.
    #[error("a frame of another cluster")]
    OtherCluster,
    /// Not well formed.
    #[error("a malformed frame")]
    Malformed,
    /// More of something than a frame may hold.
    #[error("a frame with {count} {what}, where {limit} are the most")]
    TooMany {
        what: &'static str,
        count: usize,
        limit: usize,
    },
}

/// A body that can be checked after it was read.
pub trait Body: Serialize + DeserializeOwned {
    /// Whether its lists are within their limits.
    ///
    /// # Errors
    /// The first list that is not.
    fn check(&self) -> Result<(), FrameError>;
}

/// `body` as a frame of `cluster`.
///
/// # Panics
/// Never: a body holds nothing that cannot be written.
#[must_use]
pub fn encode<B: Body>(cluster: Cluster, body: &B) -> Vec<u8> {
    let mut frame = Vec::with_capacity(64);
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&WIRE_VERSION.to_le_bytes());
    frame.extend_from_slice(&cluster.0.to_le_bytes());
    postcard::to_extend(body, frame).expect("memory is the only thing that could run out")
}

/// The body of a frame of `cluster`.
///
/// # Errors
/// Anything but a well-formed frame of this cluster and version.
pub fn decode<B: Body>(cluster: Cluster, frame: &[u8]) -> Result<B, FrameError> {
    if frame.len() > MAX_FRAME_BYTES {
        return Err(FrameError::TooLong { bytes: frame.len() });
    }
    let (header, body) = frame.split_at_checked(HEADER_BYTES).ok_or(FrameError::Foreign)?;
    let (magic, rest) = header.split_at(2);
    let (version, theirs) = rest.split_at(2);
    if magic != MAGIC {
        return Err(FrameError::Foreign);
    }
    let version = u16::from_le_bytes(version.try_into().map_err(|_| FrameError::Foreign)?);
    if version != WIRE_VERSION {
        return Err(FrameError::OtherVersion { theirs: version });
    }
    if theirs != cluster.0.to_le_bytes() {
        return Err(FrameError::OtherCluster);
    }
    let (body, rest) = postcard::take_from_bytes::<B>(body).map_err(|_| FrameError::Malformed)?;
    if !rest.is_empty() {
        return Err(FrameError::Malformed);
    }
    body.check()?;
    Ok(body)
}

const fn within(what: &'static str, count: usize, limit: usize) -> Result<(), FrameError> {
    if count > limit {
        return Err(FrameError::TooMany { what, count, limit });
    }
    Ok(())
}

impl Body for ToBroker {
    fn check(&self) -> Result<(), FrameError> {
        match self {
            Self::Hello(hello) => {
                within("members", hello.members.len(), MAX_MEMBERS)?;
                within("bytes of a host's name", hello.host.len(), MAX_HOST_BYTES)
            }
            Self::Publish { items, .. } => within("records", items.len(), MAX_ENTRIES),
            Self::Lease(LeaseRequest {
                step: LeaseStep::Done {
                    value: Some(value), ..
                },
                ..
            }) => within("bytes of a value that all are told", value.len(), MAX_TOLD_BYTES),
            Self::Seek { seek, .. } => seek.check(),
            Self::Sought { found, .. } => found.check(),
            _ => Ok(()),
        }
    }
}

impl Body for ToAgent {
    fn check(&self) -> Result<(), FrameError> {
        match self {
            Self::Members { members, .. } => within("members", members.len(), MAX_MEMBERS),
            Self::Start(start) => {
                within("members", start.members.len(), MAX_MEMBERS)?;
                within("members", start.incomplete.len(), MAX_MEMBERS)
            }
            Self::Answer(answer) => within("heads", answer.heads.len(), TOPICS),
            Self::Replayed { entries, .. } => within("entries", entries.len(), MAX_ENTRIES),
            Self::Pong { host, .. } | Self::Inspected { host, .. } => {
                within("bytes of a host's name", host.len(), MAX_HOST_BYTES)
            }
            Self::Status(status) => within("members", status.members.len(), MAX_MEMBERS),
            Self::Seek { seek, .. } => seek.check(),
            Self::Sought { found, .. } => found.check(),
            _ => Ok(()),
        }
    }
}

impl Body for Stream {
    fn check(&self) -> Result<(), FrameError> {
        match self {
            Self::Entries { entries, .. } => within("entries", entries.len(), MAX_ENTRIES),
            Self::Seek { seek, .. } => seek.check(),
            Self::MembersChanged { .. } | Self::Inspect { .. } => Ok(()),
        }
    }
}

impl Seek {
    const fn check(&self) -> Result<(), FrameError> {
        within("lives of brokers", self.standings.len(), MAX_STANDINGS)
    }
}

impl Sought {
    const fn check(&self) -> Result<(), FrameError> {
        match self {
            Self::Value(value) => within("bytes of a value", value.len(), MAX_FETCHED_BYTES),
            Self::Nothing | Self::Large => Ok(()),
        }
    }
}
