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
    #[error("cannot write {path}: {source}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{path}:{line} is not what is expected there: {source}", path = path.display())]
    Line {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
    #[error(
        "{path}:{line} is no run: {source}; mend or delete that line, then run the command again",
        path = path.display()
    )]
    Ledger {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
    #[error("{path} cannot keep runs: {source}; nothing was run", path = path.display())]
    NoLedger { path: PathBuf, source: io::Error },
    #[error("cannot append to {path}: {source}; append this line by hand:\n{line}", path = path.display())]
    NotKept {
        path: PathBuf,
        source: io::Error,
        line: String,
    },
    #[error(
        "{argument}: a mutant is a broken engine, and what is found of it is not the engine's to keep; without the ledger: cargo xtask {task} {argument} .."
    )]
    MutantOfProof { argument: String, task: String },
    #[error("`proof run` gives --summary itself; without the ledger, run the task by its own name")]
    SummaryOfProof,
    #[error(
        "{root} has no committed engine: the version of the engine that a run is kept for comes from git, so make runs in a clone of the repository",
        root = root.display()
    )]
    NoVersion { root: PathBuf },
    #[error("{proof} wrote no summary, so the ledger has nothing to keep; does it take --summary?")]
    NoSummary { proof: String },
    #[error("{path} has no markers of the proof table; put them back", path = path.display())]
    NoTable { path: PathBuf },
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
    #[error(
        "the {sanitizer} sanitizer needs the component {component}: run `rustup component add --toolchain {channel} {component}`"
    )]
    Component {
        sanitizer: &'static str,
        component: &'static str,
        channel: &'static str,
    },
    #[error("the {sanitizer} sanitizer did not notice what was wrong on purpose; its output is above")]
    Canary { sanitizer: &'static str },
    #[error("{count} model(s) failed or noticed no mutant, marked above")]
    Models { count: usize },
    #[error(
        "nothing to be run has {name:?} in its name; `cargo xtask model --list` names the models and the mutants of each"
    )]
    NoModel { name: String },
    #[error("{path} holds {found}: a release has no points and no mutants; take them out of ordinary builds", path = path.display())]
    Traces { path: PathBuf, found: String },
    #[error("{path} has points, but the look for them finds too little; mend the list of traces", path = path.display())]
    NoTraces { path: PathBuf },
    #[error("the fuzzer ended without a single execution; {log} tells more", log = log.display())]
    NothingFuzzed { log: PathBuf },
    #[error("valgrind counts the instructions and is not installed; on Debian: apt-get install valgrind")]
    NoValgrind,
    #[error("`cargo xtask bench --gate` takes nothing but `--write`")]
    GateArguments,
    #[error("`{command}` counted nothing; is `measured` still the function that calls the path?")]
    NothingCounted { command: String },
    #[error("{path} is no list of counts: {source}; `cargo xtask bench --gate --write` makes it anew", path = path.display())]
    Counts {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "longer than committed, new, or gone: {paths}; make them shorter, or say why not and keep the counts by `cargo xtask bench --gate --write`"
    )]
    Longer { paths: String },
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
