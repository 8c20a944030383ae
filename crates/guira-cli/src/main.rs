//! The `guira` command.
#![forbid(unsafe_code)]

fn main() {}
