//! Integration tests, one binary: a module for each subject.
#![forbid(unsafe_code)]

/// Files that are missing, damaged, foreign, or where they must not be.
mod bad_files;
/// Requests that cannot be met.
mod bad_requests;
/// Superblocks of other versions, and forged ones.
mod bad_superblocks;
/// Child processes and how they are spoken to.
mod children;
/// The `guira` command as a script sees it.
mod cli;
/// Deadlines on a clock that the test moves.
mod clock;
/// Images with all kinds of damage, under load.
mod corrupt;
/// Several creators of one file.
mod creators;
/// Damage while the segment is in use.
mod damage;
/// That the oracle calls every public method of the engine.
mod every_method;
/// One computation among many processes.
mod flights;
/// Children that are forked at any moment.
mod forks;
/// Hits on the recorded trace that ships.
mod hit_ratio;
/// What fuzzers found.
mod inputs;
mod journal;
/// Values that take blocks of their own.
mod large_values;
/// Every operation, from one thread, on files and on private memory.
mod operations;
/// Random sequences against a plain map.
mod oracle;
/// Directories for segments.
mod places;
/// Many, killed, stopped, forgotten and separated processes.
mod processes;
/// Short races of invalidations with computations.
mod races;
/// Damage that shows when space is used again.
mod repair;
/// Detaching in order, reboots, salvage.
mod restart;
/// Threads in worlds of a few blocks, fit for sanitizers.
mod small_worlds;
/// Fills, puts and invalidations race: no read is stale.
mod stale;
/// Worker processes that are killed and stopped.
mod storm;
/// Threads of one process against each other.
mod threads;
/// Files that are cut while they are in use.
mod truncation;
/// Bounds on time.
mod watchdog;
