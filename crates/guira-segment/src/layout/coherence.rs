//! What only a segment of a cluster has: words for its agent about each broker, lease slots, counters.
//!
//! The engine keeps the agent's words and counters for it and gives them no meaning.

/// layout: brokers that an agent can keep words about
pub(crate) const BROKERS: usize = 16;
/// layout: bytes of the words about one broker
pub(crate) const BROKER_BYTES: usize = 640;
/// layout: bytes of a lease slot
pub(crate) const LEASE_BYTES: usize = 64;
/// layout: counters of the coherence between hosts, 8 bytes each
pub(crate) const COHERENCE_COUNTERS: usize = 256;
/// layout: lease: record + 1 in 12, low incarnation 20, turn 24, step 8; its low half is the futex
pub(crate) const LEASE_STATE: usize = 0;
/// layout: lease: hash of the name of the key's namespace
pub(crate) const LEASE_NAMESPACE: usize = 8;
/// layout: lease: hash of the key
pub(crate) const LEASE_HASH: usize = 16;
/// layout: lease: invalidation clock of the worker's token
pub(crate) const LEASE_CLOCK: usize = 24;
/// layout: lease: when the slot is anybody's, boot-time milliseconds
pub(crate) const LEASE_DEADLINE_MS: usize = 32;
/// layout: lease: what the worker wishes, then what came with the agent's answer
pub(crate) const LEASE_PAYLOAD: usize = 40;
