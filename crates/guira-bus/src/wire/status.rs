//! What a broker tells people of itself.

use serde::{Deserialize, Serialize};

use super::frame::Epoch;
use super::record::Origin;

/// A broker's state.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct BrokerStatus {
    pub epoch: Epoch,
    pub uptime_us: u64,
    /// How many brokers the cluster has.
    pub brokers: u8,
    /// The last position.
    pub position: u64,
    /// The first position that the log still has.
    pub oldest: u64,
    pub log_bytes: u64,
    pub log_limit_bytes: u64,
    pub leases: u32,
    /// How many hosts it knows.
    pub hosts: u32,
    /// Those that are furthest behind, [`MAX_MEMBER_STATUSES`](super::MAX_MEMBER_STATUSES) at most.
    pub members: Vec<MemberStatus>,
}

/// A host, as a broker sees it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MemberStatus {
    pub origin: Origin,
    pub host: String,
    /// The next ticket that is expected of it.
    pub next: u64,
    /// How far it applied the stream.
    pub applied: u64,
    /// Since it was last heard.
    pub silent_us: u64,
}
