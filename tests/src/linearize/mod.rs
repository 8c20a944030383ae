//! Linearizability: recorded histories of several processes, and a checker that decides each of them.
//!
//! Worker processes do random operations on a handful of keys; each operation is written on a tape before
//! and after ([`event`]). Some workers are killed or stopped in the middle. Then every key's operations are
//! searched for an order in which each takes effect at one moment between its begin and its end, and
//! answers what the sequential specification says (`spec`, `search`). No such order: a violation, which is
//! cut down to the operations that show it (`shrink`).
//!
//! An operation of a process that was killed may have taken effect, at any moment after its begin, or never.
//! Also after the death: what a writer has prepared, another may complete for it.
//!
//! # What is weaker than linearizable here, and why
//!
//! * **Keys apart.** Each key is judged by itself. Linearizability of objects that share nothing is that of
//!   each (Herlihy and Wing); an operation on many keys counts as one on each of them, not as one moment
//!   for all: nothing more is promised.
//! * **Eviction.** Where entries can be evicted, whatever finds no value may have found it evicted, and then
//!   it is gone. Only an operation that *answers* that there is no value can tell; a value that is read
//!   again after that is a violation. Histories during which the segment reclaimed nothing are judged
//!   without this rule: there every miss needs a reason.
//! * **Deadlines** lie between the two moments that bound the write, in ms of the clock that the engine
//!   uses. What is read narrows them. An operation that began before a deadline may count as before it
//!   even if another operation met the key expired meanwhile (a `touch` that looked in time revives).
//! * **Tokens.** A fill is refused whenever the engine likes: stamps are shared by keys, and the caller has
//!   the value anyway. It must be refused if the key was written or invalidated by an operation that
//!   *began after the taking of the token had ended*: one under way at that moment may have left its stamp
//!   before. A `lookup` takes its token and reads at two moments.
//! * **Refusals.** A put or replace that is superseded or fails has removed what was there, as documented;
//!   whether an invalidation was there to supersede it is not checked, since stamps are shared.
//! * **Removals.** A removal looks at one place after another, and again when something moved: while it is
//!   under way it may take away what others put meanwhile, also after it took away what was there before.
//!   So may a put or replace that is superseded or fails. Each counts as a removal at one moment, by which
//!   its answer is judged, and perhaps another or two while it runs, if somebody else wrote meanwhile.
//! * **Superseded.** What answers that it was superseded may have been there for a while: others may have
//!   completed it before it met the invalidation. When it has answered it is gone.
//! * **Overtaken.** A write is as old as its begin. If its tag or its namespace is invalidated while it runs,
//!   it may be gone from the moment at which it takes effect, whatever it answered. A `replace` or a
//!   `compare_and_swap` may still store although such an invalidation took away what it was to replace: the
//!   state word that both compare does not change when a tag is invalidated. A value that was swapped in is
//!   as old as what it replaced, and so may be older than a tag that was invalidated while *that* was
//!   written, or, if it was computed, while its token was taken.
//! * **Marked on the way.** What is being put, added or filled while the key is expired may be stale from the
//!   first moment: a computation that began before must not appear fresh, and which those are is not known.
//! * **Momentary misses.** If a key has an order only when a read may miss although the value is there and
//!   stays, or when a write may take away the old value a moment before the new one is there, then that is
//!   counted apart, and the run fails.
//!
//! The moments are readings of `CLOCK_BOOTTIME`, which all processes share; two operations that touch at
//! one reading overlap.

mod client;
mod crew;
pub mod event;
mod judge;
mod mix;
mod mutants;
mod operation;
mod report;
mod run;
mod search;
mod shrink;
mod spec;
mod state;
mod tape;
#[cfg(test)]
mod tests;
mod value;
mod words;
mod worker;
mod world;

pub use judge::{History, Judged, Violation};
pub use mutants::MUTANTS;
pub use report::{Found, LinearizeReport};
pub use run::{LinearizePlan, check_file, run};
pub use worker::work;
pub use world::{ROOMS, Room, World};
