//! The `guira` command as a script sees it: output, exit status, one line of error.

mod broker;
mod dumping;
mod files;
mod functions;
mod hosts;
mod inspecting;
mod keygen;
mod lockouts;
mod refusals;
mod running;
mod service;
mod values;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::places;

/// The command, built from this source.
fn guira_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        // Tests lie in <target>/<profile>/deps, the command in <target>/<profile>.
        let test = std::env::current_exe().expect("this test has a path");
        let profile_directory = test
            .parent()
            .and_then(Path::parent)
            .expect("a profile's directory");
        let target_directory = profile_directory.parent().expect("a target directory");
        let profile = match profile_directory.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--package", "guira-cli", "--bin", "guira"])
            .args(["--profile", profile, "--target-dir"])
            .arg(target_directory)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the command does not build");
        profile_directory.join("guira")
    })
}

fn command(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(guira_path());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// How a command ended.
struct Ended {
    status: i32,
    out: Vec<u8>,
    err: String,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, out, err } = self;
        write!(f, "status {status}, out \"{}\", err {err:?}", out.escape_ascii())
    }
}

impl Ended {
    fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the command runs");
        Self {
            status: output.status.code().expect("no signal ended it"),
            out: output.stdout,
            err: String::from_utf8(output.stderr).expect("messages are text"),
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("the output is text")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    #[track_caller]
    fn with_status(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Done, and nothing to complain of.
    #[track_caller]
    fn done(self) -> Self {
        assert_eq!((self.status, self.err.as_str()), (0, ""), "{self:?}");
        self
    }

    /// Nothing found, which is no error.
    #[track_caller]
    fn not_found(self) -> Self {
        assert_eq!((self.status, self.err.as_str()), (1, ""), "{self:?}");
        self
    }

    /// An error in one line that holds `part`.
    #[track_caller]
    fn refused(self, status: i32, part: &str) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(
            self.err.starts_with("guira: ") && self.err.contains(part),
            "no {part:?} in {self:?}"
        );
        self
    }
}

/// Where commands are run; their arguments are split at spaces, and `@` stands for the segment.
struct Workplace {
    directory: tempfile::TempDir,
}

impl Workplace {
    /// A directory of its own, without a segment.
    fn empty() -> Self {
        Self {
            directory: places::in_memory(),
        }
    }

    /// With a small segment.
    fn new() -> Self {
        let workplace = Self::empty();
        workplace.run("create @ --size 8M").with_status(0);
        workplace
    }

    fn segment(&self) -> PathBuf {
        places::file_in(&self.directory)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn arguments(&self, line: &str) -> Vec<OsString> {
        line.split(' ')
            .map(|word| {
                if word == "@" {
                    self.segment().into_os_string()
                } else {
                    word.into()
                }
            })
            .collect()
    }

    fn run(&self, line: &str) -> Ended {
        self.run_with(line, [""; 0])
    }

    /// With further arguments that are not split.
    fn run_with(&self, line: &str, more: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
        Ended::of(
            command(self.arguments(line))
                .args(more)
                .current_dir(self.directory.path()),
        )
    }
}

/// Runs a command with these bytes as its standard input.
fn ended_with_input(workplace: &Workplace, line: &str, input: &[u8]) -> Ended {
    let mut child = command(workplace.arguments(line))
        .current_dir(workplace.directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // Who refuses it does not read it.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("it ends");
    Ended {
        status: output.status.code().expect("no signal ended it"),
        out: output.stdout,
        err: String::from_utf8(output.stderr).expect("messages are text"),
    }
}

/// Waits for what comes with time.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
