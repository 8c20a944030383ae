//! How much a read asks for.

use super::session::SessionToken;

/// What a read by [`Cache::reading`](crate::Cache::reading) asks for. The weaker, the cheaper.
///
/// | | gives | waits |
/// |---|---|---|
/// | `Any` | what is there, trusted or not | never |
/// | `Bounded` | what a plain read gives: what is there while this host is trusted, else what the cache does with [suspect](crate::coherence::WhenSuspect) hits | never |
/// | `Session` | as `Bounded`, and never what the host that gave the token had invalidated by then | until this host has applied that: not at all, as a rule |
/// | `Strict` | nothing that was invalidated, and accepted, on any host before the read began | for an answer of the brokers: some tenths of a millisecond |
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Consistency {
    /// A hit is a hit, be it beyond trust.
    Any,
    /// As plain reads are: no trusted hit is older than the bound.
    #[default]
    Bounded,
    /// No older than what the host that gave the token had invalidated by then. If that is not applied here in time
    /// it is a miss.
    Session(SessionToken),
    /// No older than the read itself: the brokers are asked after it began. If no majority of them answers in time it
    /// is an error.
    Strict,
}
