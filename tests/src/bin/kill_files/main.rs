//! A process dies, and then one stops, at each change that each operation of the files cache, of a cache that spills and
//! of a stack of tiers makes to segments, the table or the directory. `cargo xtask kill files` builds it with points and
//! runs it; see `docs/files-proof.md`.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: its progress goes to stdout, what is wrong to stderr"
)]

#[cfg(guira_points)]
mod audit;
#[cfg(guira_points)]
mod belief;
#[cfg(guira_points)]
mod catalogue;
#[cfg(guira_points)]
mod coverage;
#[cfg(guira_points)]
mod crew;
#[cfg(guira_points)]
mod scripts;
#[cfg(guira_points)]
mod subject;
#[cfg(guira_points)]
mod trial;
#[cfg(guira_points)]
mod victim;
#[cfg(guira_points)]
mod world;

use std::process::ExitCode;

#[cfg(guira_points)]
fn main() -> ExitCode {
    crew::run()
}

#[cfg(not(guira_points))]
fn main() -> ExitCode {
    println!("this build has no points; run: cargo xtask kill files");
    eprintln!("nothing was shown");
    ExitCode::FAILURE
}
