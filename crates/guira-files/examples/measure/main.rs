//! What the files cache costs beside other caches, and what it costs to have many files or large ones.
//!
//! `cargo run --release -p guira-files --example measure -- SUBJECT [--dir DIR] [--rounds N] ..`
//!
//! | subject | what is measured |
//! |---|---|
//! | `compare` | puts and gets of 100 B and 100 KB, in rounds with chorde's files client and diskcache |
//! | `evict` | a put that evicts, among 100,000 files; the directories that are listed meanwhile |
//! | `open-million` | opening a directory of a million files in a new process |
//! | `share` | the memory of a 1 GiB value that eight processes map, and the time of a get |
//!
//! `--dir` says on which file system; all that is made there is removed at the end. `compare` takes `--python PROGRAM`,
//! whose packages are the peers (one that is missing is left out), `--csv FILE`, `--rounds`, and `--clock wall` for times by
//! the wall clock; `evict` and
//! `open-million` take `--files`, `share` takes `--value-bytes` and `--processes`. Figures are medians with the least
//! and the most.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a report for people")]
#![cfg_attr(test, expect(unused, reason = "an example"))]

mod bare;
mod child;
mod compare;
mod evict;
mod figures;
mod million;
mod ours;
mod peer;
mod request;
mod share;
mod stopwatch;

use std::error::Error;

use request::Request;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let request = Request::read(std::env::args().skip(1))?;
    match request.subject() {
        "compare" => compare::run(&request),
        "evict" => evict::run(&request),
        "open-million" => million::run(&request),
        "share" => share::run(&request),
        evict::PART => evict::part(&request),
        million::PART => million::part(&request),
        share::PART => share::part(&request),
        other => Err(format!("unknown subject {other:?}: give compare, evict, open-million or share").into()),
    }
}
