//! Seeking: a host that misses asks the others whether one of them has the value.

use serde::{Deserialize, Serialize};

use super::frame::Epoch;
use super::lease::KeyId;

/// A question for a key's value, which only who stands as far as the asker may answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Seek {
    /// The asker's own number of what it is for; comes back as it is.
    pub number: u64,
    /// The asker's clock; comes back as it is.
    pub asked_at_us: u64,
    pub key: KeyId,
    /// How far the asker stands in each life of a broker of which it has applied something: [`MAX_STANDINGS`](super::MAX_STANDINGS) at
    /// most.
    pub standings: Vec<Standing>,
    /// How long ago the asker last learned of the end of a life of a broker of which it had applied something, or its
    /// agent took over from another; none if there was no such end.
    pub outlived_ago_us: Option<u64>,
}

/// How far a host has applied what a broker logged in one life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Standing {
    pub epoch: Epoch,
    /// The last position of the topic of what concerns all.
    pub control: u64,
    /// The last position of the key's topic.
    pub topic: u64,
}

/// An answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Sought {
    /// Not from me.
    Nothing,
    /// I have it, and it is not small: ask me for it.
    Large,
    /// In stored form.
    Value(Vec<u8>),
}
