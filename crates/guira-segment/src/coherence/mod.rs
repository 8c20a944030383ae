//! What an agent, which makes the hosts of a cluster agree, needs of its segment beside the journal.
//!
//! | part | for |
//! |---|---|
//! | `apply` | doing what another host's record says, and finishing what a worker of this one began |
//! | `by_hash` | finding a key by its hash, for other hosts know no more of it |
//! | `trust` | until when what is read may be taken as no older than the bound |
//! | `role` | who of all processes is the agent |
//! | `notes` | what an agent leaves for the one that comes after it, and counters |
//! | `lease` | asking the cluster before computing |
//!
//! Nothing here waits for the network, nothing speaks to it. In a segment of no cluster trust is
//! [`Trust::NotCoherent`], no role is given, and notes, counters and leases are neither kept nor given.

mod apply;
mod by_hash;
mod lease;
mod life;
mod notes;
mod role;
#[cfg(test)]
mod tests;
mod trust;

pub(crate) use life::number_of_life;

pub use apply::Applied;
pub use by_hash::{HashedEntry, Unseen};
pub use lease::{AskedLease, Lease, LeaseAnswer, LeaseStep, LeaseWish};
pub use notes::NOTE_WORDS;
pub use role::AgentRole;
pub use trust::Trust;
