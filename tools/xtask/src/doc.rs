//! The doc step: the documentation of the workspace builds without a warning.

use std::path::Path;

use crate::cargo::{cargo, run as run_command};
use crate::steps::Steps;

/// Builds the documentation with warnings denied, on top of the caller's own `RUSTDOCFLAGS`.
pub(crate) fn run(root: &Path, steps: &mut Steps) {
    steps.run("doc", || {
        let mut command = cargo(root, &["doc", "--workspace", "--no-deps"]);
        command.env("RUSTDOCFLAGS", deny_warnings(std::env::var("RUSTDOCFLAGS").ok()));
        run_command(command)
    });
}

fn deny_warnings(own_flags: Option<String>) -> String {
    let mut flags = own_flags.unwrap_or_default();
    if !flags.is_empty() {
        flags.push(' ');
    }
    flags.push_str("-D warnings");
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_flags_are_kept() {
        assert_eq!(deny_warnings(None), "-D warnings");
        assert_eq!(
            deny_warnings(Some("--cfg docsrs".into())),
            "--cfg docsrs -D warnings"
        );
    }
}
