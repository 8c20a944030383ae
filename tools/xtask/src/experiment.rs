//! The experiments, which run too long for a test: built, then run.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::cargo::{cargo, run as run_command, target_folder};
use crate::error::XtaskError;

/// Runs one experiment of the tests' `storm` binary.
pub(crate) fn run(root: &Path, name: &str, passed_on: &[OsString]) -> Result<(), XtaskError> {
    let mut command = cargo(
        root,
        &[
            "run",
            "--profile",
            "proof",
            "-p",
            "guira-tests",
            "--bin",
            "storm",
            "--",
            name,
        ],
    );
    command.args(passed_on);
    run_command(command)
}

/// Runs the oracle: with debug assertions and overflow checks, which are part of what it is to find.
pub(crate) fn oracle(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    checked(root, "oracle", passed_on)
}

/// Runs the corruption of images, likewise checked.
pub(crate) fn corrupt(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    checked(root, "corrupt", passed_on)
}

fn checked(root: &Path, binary: &str, passed_on: &[OsString]) -> Result<(), XtaskError> {
    let mut command = cargo(root, &["run", "-p", "guira-tests", "--bin", binary, "--"]);
    command.args(passed_on);
    run_command(command)
}

/// Runs histories and their checker. Mutants and delays inside the engine need a build with points.
pub(crate) fn linearize(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    let mut command = cargo(
        root,
        &[
            "run",
            "--profile",
            "proof",
            "-p",
            "guira-tests",
            "--bin",
            "linearize",
        ],
    );
    if passed_on.iter().any(|argument| needs_points(argument)) {
        let target = target_folder(root)?.join(crate::kill::FOLDER);
        command
            .env("RUSTFLAGS", crate::kill::FLAGS)
            .env("CARGO_TARGET_DIR", target);
    }
    command.arg("--").args(passed_on);
    run_command(command)
}

fn needs_points(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    argument.starts_with("--mutant") || argument.starts_with("--delay-one-in")
}
