//! What can go wrong in a check, apart from the check finding something.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a step did not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum XtaskError {
    #[error("cannot read {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot start `{command}`: {source}; is it installed and on PATH?")]
    Start { command: String, source: io::Error },
    #[error("lost the output of `{command}`: {source}")]
    Output { command: String, source: io::Error },
    #[error("`{command}` failed ({status})")]
    Command { command: String, status: ExitStatus },
    #[error("`cargo metadata` printed something unexpected: {source}")]
    Metadata { source: serde_json::Error },
    #[error("{count} tidy violation(s), listed above")]
    Untidy { count: usize },
    #[error("the tests cannot run here:\n{}", bullets(.missing))]
    Prerequisites { missing: Vec<String> },
    #[error("cargo succeeded but no test binary reported a result; check the arguments")]
    NothingTested,
}

fn bullets(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("  - {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
