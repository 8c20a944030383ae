//! The test step: look at the machine first, run `cargo test`, and add up what it reported.

mod prerequisites;
mod summary;

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;

use crate::cargo::{cargo, shown};
use crate::error::XtaskError;
use summary::Summary;

/// Runs the tests of the workspace, or of the packages that `passed_on` selects.
pub(crate) fn run(root: &Path, passed_on: &[OsString]) -> Result<(), XtaskError> {
    let missing = prerequisites::missing();
    if !missing.is_empty() {
        return Err(XtaskError::Prerequisites { missing });
    }

    // All that fails is worth knowing, not what failed first.
    let mut command = cargo(root, &["test", "--no-fail-fast"]);
    if !selects_packages(passed_on) {
        command.arg("--workspace");
    }
    command.args(passed_on).stdout(Stdio::piped());
    let name = shown(&command);
    let mut child = command.spawn().map_err(|source| XtaskError::Start {
        command: name.clone(),
        source,
    })?;
    let stdout = child.stdout.take().expect("stdout was set to a pipe above");
    let lost = |source| XtaskError::Output {
        command: name.clone(),
        source,
    };
    let summary = forward(stdout, &mut io::stdout().lock()).map_err(lost)?;
    let status = child.wait().map_err(lost)?;

    println!("{summary}");
    if !status.success() {
        return Err(XtaskError::Command {
            command: name,
            status,
        });
    }
    if summary.binaries == 0 && !only_builds(passed_on) {
        return Err(XtaskError::NothingTested);
    }
    Ok(())
}

/// Copies what the tests print line by line, and adds up the results among it.
fn forward(from: impl Read, to: &mut impl Write) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut line = Vec::new();
    let mut reader = BufReader::new(from);
    while reader.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        summary.add_line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(summary)
}

/// Whether cargo's own arguments (those before `--`) name packages.
fn selects_packages(arguments: &[OsString]) -> bool {
    own_arguments(arguments).any(|argument| {
        argument == "--package"
            || argument.starts_with("--package=")
            || (argument.starts_with("-p") && !argument.starts_with("--"))
    })
}

/// Whether cargo is asked not to run tests, so that no result is no surprise.
fn only_builds(arguments: &[OsString]) -> bool {
    own_arguments(arguments).any(|argument| matches!(&*argument, "--no-run" | "--help" | "-h"))
        || arguments.iter().any(|argument| argument == "--list")
}

fn own_arguments(arguments: &[OsString]) -> impl Iterator<Item = String> {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .map(|argument| argument.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_package_argument_replaces_the_whole_workspace() {
        assert!(selects_packages(&words("-p guira-shm")));
        assert!(selects_packages(&words("-pguira-shm")));
        assert!(selects_packages(&words("--package=guira-shm")));
        assert!(!selects_packages(&words("--profile release")));
        assert!(!selects_packages(&words("some_filter -- -p")));
    }

    #[test]
    fn lines_pass_through_unchanged_and_are_counted() {
        let printed: &[u8] = b"running 1 test\n\xff\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\nno newline";
        let mut copied = Vec::new();
        let summary = forward(printed, &mut copied).unwrap();
        assert_eq!(copied, printed);
        assert_eq!((summary.binaries, summary.passed), (1, 1));
    }

    #[test]
    fn a_run_that_is_not_meant_to_test_may_report_nothing() {
        assert!(only_builds(&words("--no-run")));
        assert!(only_builds(&words("-- --list")));
        assert!(!only_builds(&words("-- --no-run")));
    }
}
