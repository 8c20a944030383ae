//! The measurements of `benches`, a workspace of its own: built for release, then run.

use std::ffi::OsString;
use std::path::Path;

use crate::cargo::{cargo, run as run_command};
use crate::error::XtaskError;
use crate::experiment::from_here;

/// Runs the measurements' binary with the given arguments.
pub(crate) fn run(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    let mut command = cargo(
        root,
        &["run", "--release", "--manifest-path", "benches/Cargo.toml", "--"],
    );
    command.args(from_here(passed_on)?);
    run_command(command)
}
