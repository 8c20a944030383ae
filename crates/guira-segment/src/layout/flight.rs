//! A flight cell: one pending computation of a key.
//!
//! | owner word | meaning | who changes it |
//! |---|---|---|
//! | 0 | free | the first process that misses the key claims it |
//! | record, incarnation | that process computes | it releases; a waiter takes over when the owner is dead or the deadline passed; a misser with a newer stamp detaches it |
//!
//! A taker describes its flight (hash, deadline, token) after the owner word is its own, and says so
//! in the last word: until that equals the owner word, nothing else of the cell counts. A release, and
//! a claim of a cell that was not free, then add one to the sequence in the futex word and wake the
//! waiters.

/// layout: bytes of a flight cell
pub(crate) const FLIGHT_BYTES: usize = 64;
/// layout: flight: owner, as in a thread line, with 16 bits of the sequence between
pub(crate) const FLIGHT_OWNER: usize = 0;
/// layout: flight: 64-bit hash of the key
pub(crate) const FLIGHT_HASH: usize = 8;
/// layout: flight: futex word, sequence in the low 32 bits
pub(crate) const FLIGHT_FUTEX: usize = 16;
/// layout: flight: when the owner is taken over although alive, segment milliseconds
pub(crate) const FLIGHT_DEADLINE_MS: usize = 24;
/// layout: flight: invalidation clock of the owner's token
pub(crate) const FLIGHT_CLOCK: usize = 32;
/// layout: flight: key stamp of the owner's token
pub(crate) const FLIGHT_STAMP: usize = 40;
/// layout: flight: waiters, a hint that saves wake calls
pub(crate) const FLIGHT_WAITERS: usize = 48;
/// layout: flight: the owner word that hash, deadline and token are of
pub(crate) const FLIGHT_DESCRIBED: usize = 56;
