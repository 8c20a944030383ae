//! `cargo xtask kill`: a process dies, or stops, at each change that each operation makes to shared
//! memory.
//!
//! Builds the tests' `kill` with `--cfg guira_points` in a target folder of its own, and gives it the
//! list of points that the source has ([`points`]). With `--check-absent` looks instead at the
//! command as it is released: nothing of points and mutants may be in it ([`absent`]).
//!
//! `cargo xtask kill files` does the same with the files cache, with caches that spill and with stacks of tiers, by the
//! tests' `kill-files`.

mod absent;
mod points;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cargo::{cargo, run as run_command};
use crate::error::XtaskError;

/// The folder of builds with points, below the target folder.
pub(crate) const FOLDER: &str = "points";
/// What makes a build one with points.
pub(crate) const FLAGS: &str = "--cfg guira_points";

/// Makes the runs, or checks the released command with `--check-absent`.
pub(crate) fn run(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    if passed_on.iter().any(|argument| argument == "--check-absent") {
        return absent::check(root);
    }
    let target = crate::cargo::target_folder(root)?.join(FOLDER);
    std::fs::create_dir_all(&target).map_err(unwritable(&target))?;
    let is_of_files = passed_on.first().is_some_and(|first| first == "files");
    let (list, program, passed_on) = if is_of_files {
        let program = ["-p", "guira-tests", "--bin", "kill-files"];
        (files_list(root, &target)?, program, &passed_on[1..])
    } else {
        let program = ["-p", "guira-tests", "--bin", "kill"];
        (engine_list(root, &target)?, program, passed_on)
    };
    let mut command = cargo(root, &["run", "--profile", "proof"]);
    command
        .args(program)
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &target)
        .arg("--")
        .arg("--source-points")
        .arg(&list)
        .args(crate::experiment::from_here(passed_on)?);
    let is_disk = |argument: &OsString| argument.to_string_lossy().split('=').next() == Some("--disk");
    if !passed_on.iter().any(is_disk) {
        command.arg("--disk").arg(&target);
    }
    run_command(command)
}

/// Writes down the points of the engine.
fn engine_list(root: &Path, target: &Path) -> Result<PathBuf, XtaskError> {
    let list = target.join("source-points.json");
    let found = points::of_workspace(root, points::ENGINE)?;
    println!("{} points in the source", found.len());
    let text = serde_json::to_string_pretty(&found).map_err(|source| XtaskError::Metadata { source })?;
    std::fs::write(&list, text).map_err(unwritable(&list))?;
    Ok(list)
}

/// Writes down the points of the files cache: lines, for its runs read no JSON.
fn files_list(root: &Path, target: &Path) -> Result<PathBuf, XtaskError> {
    let list = target.join("source-points-of-files");
    let found = points::of_workspace(root, points::FILES)?;
    println!("{} points in the source", found.len());
    std::fs::write(&list, points::told(&found)).map_err(unwritable(&list))?;
    Ok(list)
}

fn unwritable(path: &Path) -> impl Fn(std::io::Error) -> XtaskError {
    let path = path.to_owned();
    move |source| XtaskError::Write {
        path: path.clone(),
        source,
    }
}

/// Clippy for what only a build with points has.
pub(crate) fn lint(root: &Path) -> Result<(), XtaskError> {
    let target = crate::cargo::target_folder(root)?.join(FOLDER);
    let packages = [
        "-p",
        "guira-shm",
        "-p",
        "guira-segment",
        "-p",
        "guira-files",
        "-p",
        "guira-tests",
    ];
    let mut command = cargo(root, &["clippy"]);
    command
        .args(packages)
        .args(["--all-targets", "--", "-D", "warnings"])
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &target);
    run_command(command)
}
