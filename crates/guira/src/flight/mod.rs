//! One computation of a key among all threads, tasks and processes of the host.
//!
//! The engine's flights say who computes (`guira_segment::Flight`); this module looks up, computes, stores,
//! and tells those who waited what became of it. A flight saves work and confers no safety: what may be
//! stored is decided by the fill token alone, so every doubt below is resolved by computing once more.
//!
//! # States of one call
//!
//! | state | what is there | goes to |
//! |---|---|---|
//! | looking | - | *answered* by a fresh value; *answered* by a stale one where the call takes it; else *asking* |
//! | asking | a token, perhaps a stale value | *computing* if it leads, if no cell is free, or if waiting could never end; else *waiting* |
//! | computing | the flight, or none | *answered*: the value is stored, or the error is told to who waits; the flight lands |
//! | waiting | the flight's number | *looking* when it landed; *computing* when its leader died or overran its patience, after another look; *answered* with the stale value at the soft wait, with `TimedOut` at the load timeout |
//!
//! A caller computes at most once, and never waits after it computed.
//!
//! # What a landing tells
//!
//! A value that was stored is found by the next look. What is not there is in a **landing record**: a
//! short-lived entry of the reserved namespace `guira.flights`, by key and flight number, written before the
//! flight ends, and only if somebody waits.
//!
//! * *A failure*: kind, type and text. It is taken by those who joined that very flight, and by nobody else:
//!   they know its number from the join, and a later asker never learns it. The engine does not let a miss
//!   join a flight that began before an invalidation of the key that the miss has seen, so nobody is told
//!   of a failure that the invalidation may have mended.
//! * *A value that could not be stored*, because an invalidation superseded it or the segment had no room. It
//!   is taken by those who joined that flight **and** whose first look was no later, on the invalidation
//!   clock, than its token. A join alone does not say that: a namespace or a tag may have been invalidated
//!   between the beginning of the flight and the miss, which the key's stamp does not show. Who is later
//!   looks again, and computes.
//! * *That there is a value which cannot be told*, for it has no encoding or there is no room for a record of it. Those
//!   who joined that flight compute at once, each without a flight: in a row they would wait for each other in vain.
//!
//! The record is gone after two seconds. A waiter that was stopped for longer finds none and asks anew. A
//! flight number comes again at the earliest after 65,536 flights of one process in one cell, which must
//! not be led within two seconds for a waiter to be told an older cause of the same key.
//!
//! # Whoever ends without a landing
//!
//! A cancelled or panicking leader gives its flight up as it unwinds: the waiters look again, and one of them
//! leads. A panic is told first, as a failure. A killed one is replaced by the engine as soon as the kernel
//! has freed its lock, a stopped one at the end of its patience, by exactly one waiter; when it goes on, what it
//! computed is stored only if nothing was stored meanwhile.
//!
//! # Computations that need each other
//!
//! A computation that asks for its own key, or two that ask for each other's, would wait until the patience
//! ends. So a computation that is about to wait says so, and looks whether what it waits for waits, over
//! however many others, for it: [`entangled`]. If so it computes inline, without a flight. Calls that are not
//! made from within a computation cannot close a circle and pay nothing for this.
//!
//! # Time
//!
//! * **patience** (the hard wait): how long a leader may take before it is replaced although it lives.
//! * **soft wait**: how long a caller that holds a stale value waits for a fresh one before it takes that.
//! * **load timeout**: how long a caller waits at all. It is told `TimedOut`, which is not a failure of the
//!   computation; that goes on.
//! * **back-off**: how long after a failed refresh nobody on the host tries again while the stale value lives.

mod asking;
mod awaiting;
mod below;
mod blocking;
mod cluster;
mod computation;
mod crowd;
pub(crate) mod entangled;
mod landing;
mod manner;
mod many;
mod options;
mod records;
mod tally;
mod waiters;

pub(crate) use asking::{Asking, Place, Turn};
pub(crate) use awaiting::{answer_awaiting, compute_awaiting};
pub(crate) use blocking::{answer_blocking, compute_blocking, fetch_blocking};
pub(crate) use computation::Basis;
pub use manner::Manner;
pub(crate) use manner::{FromBelow, Purpose, Values};
pub(crate) use many::answer_many;
pub use options::FlightOptions;
pub(crate) use records::{KeyId, Records};
pub(crate) use tally::Tally;
pub use tally::{FlightStats, Timing};

use std::sync::OnceLock;

use guira_segment::Segment;

use crate::coherence::Judge;

/// What the flights of one cache have in common.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    pub(crate) options: FlightOptions,
    pub(crate) tally: Tally,
    /// What becomes of hits that are beyond trust.
    pub(crate) judge: Judge,
    records: OnceLock<Option<Records>>,
}

impl Flights {
    pub(crate) fn with(options: FlightOptions, judge: Judge) -> Self {
        Self {
            options,
            judge,
            ..Self::default()
        }
    }

    /// The reserved namespace of `segment`; none if the segment has no row left for it. Then causes do not
    /// travel, and waiters compute.
    pub(crate) fn records(&self, segment: &Segment) -> Option<&Records> {
        match self.records.get() {
            Some(records) => records.as_ref(),
            None => {
                // Made before it is set, which takes no time: a child that is forked meanwhile waits for ever.
                let records = Records::of(segment);
                self.records.get_or_init(|| records).as_ref()
            }
        }
    }
}
