//! The lint steps: formatting, clippy, and the tidy rules.

use std::path::Path;

use crate::cargo::{cargo, run as run_command};
use crate::error::XtaskError;
use crate::steps::Steps;
use crate::tidy;

/// Runs the lint steps.
pub(crate) fn run(root: &Path, steps: &mut Steps) {
    steps.run("fmt", || run_command(cargo(root, &["fmt", "--all", "--check"])));
    steps.run("clippy", || {
        run_command(cargo(
            root,
            &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        ))
    });
    steps.run("clippy with points", || crate::kill::lint(root));
    steps.run("clippy with models", || crate::model::lint(root));
    tidy_step(root, steps);
}

/// Runs the tidy rules and lists every violation.
pub(crate) fn tidy_step(root: &Path, steps: &mut Steps) {
    steps.run("tidy", || {
        let violations = tidy::violations(root)?;
        for violation in &violations {
            eprintln!("{violation}");
        }
        match violations.len() {
            0 => Ok(()),
            count => Err(XtaskError::Untidy { count }),
        }
    });
}
