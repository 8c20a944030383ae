//! The experiments, which run too long for a test: built, then run.

use std::ffi::OsString;
use std::path::Path;

use crate::cargo::{cargo, run as run_command};
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
