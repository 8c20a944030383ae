//! Four processes use one files cache for minutes, with ten times the data that it may hold; they are killed and stopped,
//! and a fifth one measures what the directory takes. `cargo xtask storm files` runs it; see `docs/files-proof.md`.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: its progress goes to stdout, what is wrong to stderr"
)]

mod conductor;
mod measure;
mod plan;
mod tally;
mod value;
mod worker;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    conductor::conduct(&plan::Arguments::parse())
}
