//! `cargo xtask sanitize`: the tests under AddressSanitizer, ThreadSanitizer, LeakSanitizer and Miri.
//!
//! A sanitizer must first notice what is wrong on purpose (`canary` in guira-shm's region): a run in
//! which it would have seen nothing proves nothing. There are no suppressions.

mod toolchain;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::cargo::{run as run_command, shown};
use crate::error::XtaskError;
use crate::steps::Steps;
use toolchain::Toolchain;

/// What looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sanitizer {
    /// Memory that is not there: beyond its end, after its end
    Address,
    /// Accesses of two threads that nothing orders
    Thread,
    /// Memory that nobody can free any more
    Leak,
    /// All of it and more, by an interpreter: provenance, alignment, uninitialised bytes
    Miri,
}

/// How much is run.
#[derive(Clone, Debug, Args)]
pub(crate) struct SanitizeArguments {
    /// Only these; by default address, thread and leak
    sanitizers: Vec<Sanitizer>,
    /// The threads' tests again and again for so many seconds; Miri with other seeds
    #[arg(long)]
    seconds: Option<u64>,
    /// What CI runs: the tests of threads and of the engine, no processes
    #[arg(long)]
    short: bool,
}

impl Sanitizer {
    const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Thread => "thread",
            Self::Leak => "leak",
            Self::Miri => "miri",
        }
    }
}

/// A package's tests, and which of them.
struct Tests {
    arguments: &'static [&'static str],
    filters: &'static [&'static str],
}

const UNIT_TESTS: Tests = Tests {
    arguments: &["-p", "guira-shm", "-p", "guira-segment", "--lib"],
    filters: &[],
};
const OF_THREADS: Tests = Tests {
    arguments: &["-p", "guira-tests", "--test", "it"],
    filters: &["threads::", "small_worlds::"],
};
const OF_OPERATIONS: Tests = Tests {
    arguments: &["-p", "guira-tests", "--test", "it"],
    filters: &[
        "oracle::",
        "operations::",
        "clock::",
        "bad_requests::",
        "damage::",
    ],
};
const OF_PROCESSES: Tests = Tests {
    arguments: &["-p", "guira-tests", "--test", "it"],
    filters: &["flights::", "processes::", "restart::"],
};
/// What Miri can run: no files, no processes, no assembler.
const UNDER_MIRI: [Tests; 2] = [
    Tests {
        arguments: &["-p", "guira-shm", "--lib"],
        filters: &["region::"],
    },
    Tests {
        arguments: &["-p", "guira-tests", "--test", "it"],
        filters: &["small_worlds::"],
    },
];
const CANARY: Tests = Tests {
    arguments: &["-p", "guira-shm", "--lib"],
    filters: &["canary"],
};

/// Runs the sanitizers, each as a step.
pub(crate) fn run(root: &Path, arguments: &SanitizeArguments, steps: &mut Steps) {
    let default = [Sanitizer::Address, Sanitizer::Thread, Sanitizer::Leak];
    let sanitizers = if arguments.sanitizers.is_empty() {
        &default[..]
    } else {
        &arguments.sanitizers
    };
    for &sanitizer in sanitizers {
        steps.run(sanitizer.name(), || sanitize(root, sanitizer, arguments));
    }
}

fn sanitize(root: &Path, sanitizer: Sanitizer, arguments: &SanitizeArguments) -> Result<(), XtaskError> {
    let toolchain = Toolchain::find(sanitizer)?;
    let build = Build {
        root,
        sanitizer,
        toolchain,
        seed: 0,
    };
    build.heed_canary()?;
    let tests: &[Tests] = match (sanitizer, arguments.short) {
        (Sanitizer::Miri, _) => &UNDER_MIRI,
        (_, true) => &[UNIT_TESTS, OF_THREADS],
        (_, false) => &[UNIT_TESTS, OF_THREADS, OF_OPERATIONS, OF_PROCESSES],
    };
    for tests in tests {
        run_command(build.command(tests))?;
    }
    build.repeat(arguments.seconds.map(Duration::from_secs))
}

/// One instrumented build.
struct Build<'r> {
    root: &'r Path,
    sanitizer: Sanitizer,
    toolchain: Toolchain,
    /// Of Miri's scheduler.
    seed: u64,
}

impl Build<'_> {
    /// The sanitizer must notice what the canary does.
    fn heed_canary(&self) -> Result<(), XtaskError> {
        let mut command = self.command(&CANARY);
        if self.sanitizer == Sanitizer::Miri {
            // Not by the environment: cargo-miri keeps that of the build for later runs.
            let flags = format!("{} -Zmiri-env-set=GUIRA_CANARY=miri", self.miri_flags());
            command.env("MIRIFLAGS", flags);
        } else {
            command.env("GUIRA_CANARY", self.sanitizer.name());
        }
        let output = command.output().map_err(|source| XtaskError::Start {
            command: shown(&command),
            source,
        })?;
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        let complaint = match self.sanitizer {
            Sanitizer::Address => "heap-use-after-free",
            Sanitizer::Thread => "data race",
            Sanitizer::Leak => "detected memory leaks",
            Sanitizer::Miri => "Undefined Behavior",
        };
        if output.status.success() || !told.contains(complaint) {
            println!("{told}");
            return Err(XtaskError::Canary {
                sanitizer: self.sanitizer.name(),
            });
        }
        println!("the canary was noticed: {complaint}");
        Ok(())
    }

    /// The tests of threads until the time is over.
    fn repeat(mut self, time: Option<Duration>) -> Result<(), XtaskError> {
        let Some(time) = time else { return Ok(()) };
        let began = Instant::now();
        while began.elapsed() < time {
            self.seed += 1;
            let again = if self.sanitizer == Sanitizer::Miri {
                &UNDER_MIRI[1]
            } else {
                &OF_THREADS
            };
            run_command(self.command(again))?;
        }
        println!("{} rounds more", self.seed);
        Ok(())
    }

    fn command(&self, tests: &Tests) -> Command {
        let mut command = self.toolchain.cargo(self.root);
        match self.sanitizer {
            Sanitizer::Miri => {
                command.args(["miri", "test"]);
                command.env("MIRIFLAGS", self.miri_flags());
            }
            _ => {
                command.args(["test", "--target", self.toolchain.host()]);
                if self.sanitizer == Sanitizer::Thread {
                    command.arg("-Zbuild-std");
                }
                let name = self.sanitizer.name();
                command.env(
                    "RUSTFLAGS",
                    format!("-Zsanitizer={name} --cfg guira_plain_copies"),
                );
                command.envs(RUNTIME);
            }
        }
        command.arg("--target-dir").arg(self.target_folder());
        command.args(tests.arguments).arg("--").args(tests.filters);
        command
    }

    /// Weak memory is emulated for accesses of one size only; the models see to it.
    fn miri_flags(&self) -> String {
        format!(
            "-Zmiri-strict-provenance -Zmiri-disable-weak-memory-emulation -Zmiri-isolation-error=hide \
             -Zmiri-seed={}",
            self.seed
        )
    }

    /// A folder of its own: other flags would build everything anew, each time.
    fn target_folder(&self) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), |folder: OsString| folder.into());
        target.join(self.sanitizer.name())
    }
}

/// How the runtimes behave. A child of a test forks with threads, which ThreadSanitizer would end; a cut
/// file raises SIGBUS, which is the engine's to handle, and a test's to see; more memory than there is is
/// refused by an allocator, and asked for by a test.
const RUNTIME: [(&str, &str); 3] = [
    (
        "ASAN_OPTIONS",
        "detect_leaks=0:handle_sigbus=0:allocator_may_return_null=1",
    ),
    (
        "TSAN_OPTIONS",
        "halt_on_error=1:die_after_fork=0:history_size=4:handle_sigbus=0:allocator_may_return_null=1",
    ),
    (
        "LSAN_OPTIONS",
        "exitcode=23:handle_sigbus=0:allocator_may_return_null=1",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter that fits nothing runs nothing, and succeeds.
    #[test]
    fn every_filter_names_a_module_of_the_tests() {
        let root = crate::cargo::workspace_root().unwrap();
        let modules = std::fs::read_to_string(root.join("tests/it/main.rs")).unwrap();
        for tests in [&OF_THREADS, &OF_OPERATIONS, &OF_PROCESSES, &UNDER_MIRI[1]] {
            for filter in tests.filters {
                let module = filter.strip_suffix("::").unwrap();
                assert!(modules.contains(&format!("\nmod {module};\n")), "{module}");
            }
        }
    }
}
