//! The fuzz targets of `tools/fuzz`, a workspace of its own: built with the compiler's coverage
//! instrumentation, which needs no nightly toolchain, and run by libFuzzer.
//!
//! What a run finds new goes to `target/fuzz/corpus`, so that the next one goes on from there; inputs that
//! harm go to `target/fuzz/found`. The seeds are `tests/inputs`, where harmful inputs are to be kept.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::cargo::{cargo, run as run_command};
use crate::error::XtaskError;

/// Fuzzes one target, or each of them in turn
#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// open, image, command, trace, wire or dump; without one, all
    target: Option<Target>,
    /// How long each
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Ends after so many executions instead
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    executions: Option<u64>,
    /// Of libFuzzer's choices, which takes 32 bits; by default another one each time
    #[arg(long)]
    seed: Option<u32>,
    /// Append a line of JSON to this file
    #[arg(long)]
    summary: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Target {
    Open,
    Image,
    Command,
    Trace,
    Wire,
    Dump,
}

const ALL: [Target; 6] = [
    Target::Open,
    Target::Image,
    Target::Command,
    Target::Trace,
    Target::Wire,
    Target::Dump,
];

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Target::Open => "open",
            Target::Image => "image",
            Target::Command => "command",
            Target::Trace => "trace",
            Target::Wire => "wire",
            Target::Dump => "dump",
        }
    }
}

/// What the compiler puts in for libFuzzer, as cargo-fuzz asks for it.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";
/// Build scripts and procedural macros are not to be instrumented: named, the target has flags of its own.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
const FOLDER: &str = "target/fuzz";
/// One input may take so long; it takes a millisecond.
const LONGEST_INPUT_SECONDS: u64 = 20;

/// Builds and runs what was asked for.
pub(crate) fn run(root: &Path, args: &FuzzArgs) -> Result<(), XtaskError> {
    let all = match &args.target {
        Some(target) => std::slice::from_ref(target),
        None => &ALL[..],
    };
    let mut build = cargo(
        root,
        &[
            "build",
            "--release",
            "--locked",
            "--manifest-path",
            "tools/fuzz/Cargo.toml",
            "--target",
            TRIPLE,
            "--target-dir",
            FOLDER,
        ],
    );
    for target in all {
        build.args(["--bin", target.name()]);
    }
    build.env("RUSTFLAGS", INSTRUMENTATION);
    run_command(build)?;
    for &target in all {
        fuzz(root, target, args)?;
    }
    Ok(())
}

fn fuzz(root: &Path, target: Target, args: &FuzzArgs) -> Result<(), XtaskError> {
    let name = target.name();
    let folder = root.join(FOLDER);
    let corpus = folder.join("corpus").join(name);
    let found = folder.join("found");
    for made in [&corpus, &found] {
        fs::create_dir_all(made).map_err(|source| XtaskError::Write {
            path: made.clone(),
            source,
        })?;
    }
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let log = folder.join(format!("{name}.log"));
    let mut command = Command::new(folder.join(TRIPLE).join("release").join(name));
    command
        .current_dir(root)
        .arg(&corpus)
        .arg(root.join("tests/inputs").join(name));
    match args.executions {
        Some(executions) => command.arg(format!("-runs={executions}")),
        None => command.arg(format!("-max_total_time={}", args.seconds)),
    };
    let prefix: OsString = {
        let mut prefix = OsString::from("-artifact_prefix=");
        prefix.push(&found);
        prefix.push(format!("/{name}-"));
        prefix
    };
    command
        .arg(format!("-seed={seed}"))
        .arg(format!("-timeout={LONGEST_INPUT_SECONDS}"))
        .arg("-rss_limit_mb=2048")
        .arg("-print_final_stats=1")
        .arg(prefix);
    let output = fs::File::create(&log).map_err(|source| XtaskError::Write {
        path: log.clone(),
        source,
    })?;
    let copy = output.try_clone().map_err(|source| XtaskError::Write {
        path: log.clone(),
        source,
    })?;
    command.stdout(output).stderr(copy);
    println!("fuzzing {name}, seed {seed}; its output is in {}", log.display());
    let began = Instant::now();
    let outcome = run_command(command);
    let seconds = began.elapsed().as_secs_f64();
    let executions = executions_in(&fs::read(&log).unwrap_or_default());
    let outcome = outcome.and(if executions > 0 {
        Ok(())
    } else {
        Err(XtaskError::NothingFuzzed { log: log.clone() })
    });
    let anomalies = u64::from(outcome.is_err());
    println!("{name}: {executions} executions in {seconds:.0} s, anomalies: {anomalies}");
    if let Some(summary) = &args.summary {
        let line = json!({
            "proof": format!("fuzz-{name}"),
            "seed": seed,
            "seconds": (seconds * 10.0).round() / 10.0,
            "counts": {"executions": executions, "anomalies": anomalies},
        });
        append(summary, &format!("{line}\n"))?;
    }
    outcome
}

/// What libFuzzer says at its end.
fn executions_in(log: &[u8]) -> u64 {
    String::from_utf8_lossy(log)
        .lines()
        .filter_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .filter_map(|count| count.trim().parse().ok())
        .next_back()
        .unwrap_or(0)
}

fn append(path: &Path, line: &str) -> Result<(), XtaskError> {
    use std::io::Write;
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|source| XtaskError::Write {
            path: path.to_owned(),
            source,
        })
}

fn fresh_seed() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| now.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_count_of_executions_is_read_and_none_is_zero() {
        let log =
            b"#7 NEW cov: 3\nstat::number_of_executed_units: 68371\nstat::average_exec_per_sec:     3255\n";
        assert_eq!(executions_in(log), 68_371);
        assert_eq!(executions_in(b"panicked at \xff"), 0);
    }
}
