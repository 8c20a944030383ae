//! The experiments, which run too long for a test: built, then run.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::cargo::{cargo, run as run_command, target_folder};
use crate::error::XtaskError;

/// Runs one experiment of the tests' `storm` binary.
pub(crate) fn run(root: &Path, name: &str, passed_on: &[OsString]) -> Result<(), XtaskError> {
    with_points(root, "storm", Some(name), passed_on)
}

/// Runs the storm of the files cache, an example of its crate: it is built without anything that stands above it. Its
/// directory is made in the target folder, unless another is named.
pub(crate) fn files_storm(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    let mut command = cargo(
        root,
        &[
            "run",
            "--profile",
            "proof",
            "-p",
            "guira-files",
            "--example",
            "files_storm",
            "--",
        ],
    );
    command.args(from_here(passed_on)?);
    let is_directory =
        |argument: &OsString| argument.to_string_lossy().split('=').next() == Some("--directory");
    if !passed_on.iter().any(is_directory) {
        command.arg("--directory").arg(target_folder(root)?);
    }
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

/// Runs hosts and brokers in network namespaces.
pub(crate) fn network(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    with_points(root, "network", None, passed_on)
}

fn checked(root: &Path, binary: &str, passed_on: &[OsString]) -> Result<(), XtaskError> {
    let mut command = cargo(root, &["run", "-p", "guira-tests", "--bin", binary, "--"]);
    command.args(from_here(passed_on)?);
    run_command(command)
}

/// Runs the simulation of hosts and brokers.
pub(crate) fn simulate(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    let mut command = cargo(root, &["run", "--profile", "proof", "-p", "guira-simulate", "--"]);
    command.args(from_here(passed_on)?);
    run_command(command)
}

/// Runs histories and their checker.
pub(crate) fn linearize(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    with_points(root, "linearize", None, passed_on)
}

/// Runs one of the tests' binaries. Mutants and delays inside the engine need a build with points.
fn with_points(
    root: &Path,
    binary: &str,
    name: Option<&str>,
    passed_on: &[OsString],
) -> Result<(), XtaskError> {
    let mut command = cargo(
        root,
        &["run", "--profile", "proof", "-p", "guira-tests", "--bin", binary],
    );
    if passed_on.iter().any(|argument| needs_points(argument)) {
        let target = target_folder(root)?.join(crate::kill::FOLDER);
        command
            .env("RUSTFLAGS", crate::kill::FLAGS)
            .env("CARGO_TARGET_DIR", target);
    }
    command.arg("--").args(name).args(from_here(passed_on)?);
    run_command(command)
}

/// Options of experiments and measurements that name a file or folder.
const PATHS: [&str; 11] = [
    "--summary",
    "--check",
    "--findings",
    "--keep-in",
    "--path",
    "--memory",
    "--disk",
    "--csv",
    "--svg",
    "--traces",
    "--directory",
];

/// What is passed on, with paths that hold wherever they are looked at: experiments run in the workspace's
/// root, their paths are relative to where the user stands.
pub(crate) fn from_here(passed_on: &[OsString]) -> Result<Vec<OsString>, XtaskError> {
    let absolute = |path: &OsStr| {
        std::path::absolute(path).map_err(|source| XtaskError::Read {
            path: path.into(),
            source,
        })
    };
    let mut words = Vec::new();
    let mut is_path = false;
    for word in passed_on {
        let text = word.to_string_lossy();
        let named = text.split_once('=').filter(|(name, _)| PATHS.contains(name));
        words.push(match named {
            _ if is_path => absolute(word)?.into(),
            Some((name, path)) => {
                let mut word = OsString::from(format!("{name}="));
                word.push(absolute(path.as_ref())?);
                word
            }
            None => word.clone(),
        });
        is_path = !is_path && PATHS.contains(&&*text);
    }
    Ok(words)
}

fn needs_points(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    argument.starts_with("--mutant") || argument.starts_with("--delay-one-in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_where_the_user_stands() {
        let words = [
            "--summary",
            "runs",
            "--keep-in=there",
            "--only",
            "--path",
            "/dev/shm",
            "x=y",
        ];
        let here = std::env::current_dir().unwrap();
        let told = from_here(&words.map(OsString::from)).unwrap();
        let mut there = OsString::from("--keep-in=");
        there.push(here.join("there"));
        let expected: [OsString; 7] = [
            "--summary".into(),
            here.join("runs").into(),
            there,
            "--only".into(),
            "--path".into(),
            "/dev/shm".into(),
            "x=y".into(),
        ];
        assert_eq!(told, expected);
    }
}
