//! What the integration tests share, and the experiments that are too long for a test.
#![forbid(unsafe_code)]

mod blocked;
pub mod board;
pub mod conductor;
pub mod corrupt;
pub mod experiment;
pub mod fuzzed;
pub mod histogram;
pub mod journal;
pub mod kill;
pub mod latency;
pub mod linearize;
pub mod lock_release;
mod median;
mod mutants;
pub mod namespaces;
pub mod network;
pub mod oracle;
mod orphans;
pub mod races;
pub mod random;
pub mod record;
pub mod scratch;
pub mod stale;
pub mod stopwatch;
pub mod storm;
pub mod summary;
pub mod verdict;
