//! A process dies, or stops, at each change that each operation makes to shared memory; the others
//! look, write, recover, and must see one of the two histories that are legal: the operation happened,
//! or it did not.
//!
//! | module | |
//! |---|---|
//! | `effect` | what an operation makes of a key |
//! | `worlds` | which histories of a key are possible after what was seen |
//! | `image`, `damage` | segments prepared once, copied for each run |
//! | `scene`, `catalogue` | operations and the situations they are done in |
//! | `victim` | the process that dies or stops |
//! | `survivors` | the others, and what they do |
//! | `run` | one run and its checks |
//! | `plan` | which runs are made |
//! | `crew` | the processes that make them |
//! | `source` | which points the source has, and why some are not reached |
//! | `report` | what came of it |
//!
//! Everything but the first two needs a build with points, which `cargo xtask kill` makes.

pub mod effect;
pub mod worlds;

#[cfg(guira_points)]
pub mod catalogue;
#[cfg(guira_points)]
pub mod crew;
#[cfg(guira_points)]
pub mod damage;
#[cfg(guira_points)]
pub mod image;
#[cfg(guira_points)]
pub mod plan;
#[cfg(guira_points)]
pub mod report;
#[cfg(guira_points)]
pub mod run;
#[cfg(guira_points)]
pub mod scene;
#[cfg(guira_points)]
pub mod source;
#[cfg(guira_points)]
pub mod survivors;
#[cfg(guira_points)]
pub mod victim;

#[cfg(guira_points)]
pub use error::KillError;

#[cfg(guira_points)]
mod error;
