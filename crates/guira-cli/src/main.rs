//! The `guira` command; everything it does is in the library beside it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    guira_cli::main(std::env::args_os())
}
