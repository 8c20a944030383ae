//! Leases: one computation per key in the cluster. They save work; safety is the tokens'.

use serde::{Deserialize, Serialize};

use super::frame::Epoch;
use super::record::Origin;

/// A key, by the hash of its namespace's name and its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct KeyId {
    #[serde(with = "postcard::fixint::le")]
    pub namespace: u64,
    #[serde(with = "postcard::fixint::le")]
    pub hash: u64,
}

/// From an agent.
///
/// An agent takes a step again until it is answered. Of one computation's steps the later counts, by the asker's
/// clock, in whatever order they come.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LeaseRequest {
    pub epoch: Epoch,
    pub key: KeyId,
    /// The agent's own number of this computation; with the origin it names one.
    pub number: u64,
    /// The asker's clock; comes back as it is.
    pub asked_at_us: u64,
    pub step: LeaseStep,
}

/// What an agent wants of a lease.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum LeaseStep {
    /// May I compute? Repeated while waiting: who does not repeat waits no longer.
    Want,
    /// I compute on, or compute already when you began.
    Renew,
    /// I have it.
    Done {
        /// The number of your grant, if it came before I began.
        grant: Option<u64>,
        /// The value in stored form where it is small enough to be sent.
        value: Option<Vec<u8>>,
    },
    /// I gave up: neither compute nor wait any more.
    Abandon,
    /// Who has the value, give it me (forwarded to its owner).
    Fetch { owner: Origin },
    /// The value that `to` asked for, if there is one.
    Fetched { to: Origin, value: Option<Vec<u8>> },
}

/// From a broker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LeaseAnswer {
    pub epoch: Epoch,
    pub key: KeyId,
    /// The number of the request it answers.
    pub number: u64,
    /// When that was asked, or the last question of who waits.
    pub asked_at_us: u64,
    pub verdict: LeaseVerdict,
}

/// What a broker says of a lease.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum LeaseVerdict {
    /// Compute; renew within the term. It was this life's grant of that number.
    Granted { grant: u64 },
    /// Somebody computes, under that number of its own; you wait.
    Busy { owner: Origin, number: u64 },
    /// Not now: I began a moment ago and do not know whom my predecessor granted what.
    NotYet { wait_us: u64 },
    /// The holder has it; `grant` as it said.
    Done {
        owner: Origin,
        grant: Option<u64>,
        value: Option<Vec<u8>>,
    },
    /// A renewal for a lease that is another's now.
    Lost,
    /// You neither hold it nor wait for it: to a done or an abandon.
    Closed,
    /// `from` wants the value you have.
    Fetch { from: Origin },
    /// The value you asked for, if its owner has it.
    Fetched { owner: Origin, value: Option<Vec<u8>> },
}
