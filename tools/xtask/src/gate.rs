//! `cargo xtask bench --gate`: instructions of the engine's paths against those that are committed.
//!
//! callgrind counts what a path executes, whatever else the machine does: a change that makes one longer is
//! seen without a quiet machine. Hashes are seeded at random, so a path may be two in a hundred longer
//! than what `benches/instructions.json` says; `--write` puts the new counts there. Compilers differ by
//! more: the counts of another one are shown and not judged.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::cargo::{cargo, output_of, run as run_command, shown, target_folder};
use crate::error::XtaskError;

/// The committed counts: instructions of one operation by the path's name.
const COUNTS: &str = "benches/instructions.json";
/// How much longer a path may be, in percent.
const TOLERANCE_PERCENT: u64 = 2;
/// The function that is counted, with all that it calls.
const COUNTED: &str = "*::measured*";

/// Instructions by path.
type Counts = BTreeMap<String, u64>;

/// What is committed.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Committed {
    /// What `rustc --version` says.
    compiler: String,
    instructions: Counts,
}

/// Counts every path; fails if one is longer than it was, unless `--write` follows `--gate`.
pub(crate) fn run(root: &Path, arguments: &[OsString]) -> Result<(), XtaskError> {
    let writes = match arguments {
        [_gate] => false,
        [_gate, write] if write == "--write" => true,
        _ => return Err(XtaskError::GateArguments),
    };
    has_valgrind()?;
    let build = ["build", "--release", "-p", "guira-segment", "--example", "paths"];
    run_command(cargo(root, &build))?;
    let binary = target_folder(root)?.join("release/examples/paths");
    let mut list = Command::new(&binary);
    list.arg("--list");
    let mut counts = Counts::new();
    for path in output_of(list)?.lines() {
        counts.insert(path.to_owned(), count(&binary, path)?);
    }
    let compiler = compiler(root)?;
    let file = root.join(COUNTS);
    if writes {
        let instructions = counts;
        return write(
            &file,
            &Committed {
                compiler,
                instructions,
            },
        );
    }
    let committed = read(&file)?;
    let judged = judge(&committed.instructions, &counts);
    if committed.compiler == compiler {
        return judged;
    }
    println!(
        "not judged: the committed counts are of {}, these of {compiler}",
        committed.compiler
    );
    Ok(())
}

fn compiler(root: &Path) -> Result<String, XtaskError> {
    let mut command = Command::new("rustc");
    command.arg("--version").current_dir(root);
    Ok(output_of(command)?.trim().to_owned())
}

fn has_valgrind() -> Result<(), XtaskError> {
    let version = Command::new("valgrind").arg("--version").output();
    match version {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(XtaskError::NoValgrind),
    }
}

/// Instructions of one operation of a path.
fn count(binary: &Path, path: &str) -> Result<u64, XtaskError> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(binary)
        .arg(path);
    let output = command.output().map_err(|source| XtaskError::Start {
        command: shown(&command),
        source,
    })?;
    if !output.status.success() {
        return Err(XtaskError::Command {
            command: shown(&command),
            status: output.status,
        });
    }
    let operations = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    let collected = collected_in(&String::from_utf8_lossy(&output.stderr));
    match (collected, operations) {
        (Some(instructions @ 1..), Some(operations @ 1..)) => Ok(per_operation(instructions, operations)),
        _ => Err(XtaskError::NothingCounted {
            command: shown(&command),
        }),
    }
}

/// What callgrind says it has collected.
fn collected_in(report: &str) -> Option<u64> {
    let line = report.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn per_operation(instructions: u64, operations: u64) -> u64 {
    (instructions + operations / 2) / operations
}

/// The table of both counts; an error if a path is too long, new, or gone.
fn judge(committed: &Counts, counted: &Counts) -> Result<(), XtaskError> {
    println!(
        "{:<14} {:>9} {:>9} {:>8}",
        "path", "committed", "counted", "change"
    );
    let mut failed = Vec::new();
    for (path, &now) in counted {
        let Some(&before) = committed.get(path) else {
            println!("{path:<14} {:>9} {now:>9} {:>8}", "-", "new");
            failed.push(path.clone());
            continue;
        };
        let change_percent = (now as f64 / before.max(1) as f64 - 1.0) * 100.0;
        println!("{path:<14} {before:>9} {now:>9} {change_percent:>+7.1}%");
        if now * 100 > before * (100 + TOLERANCE_PERCENT) {
            failed.push(path.clone());
        }
    }
    failed.extend(
        committed
            .keys()
            .filter(|path| !counted.contains_key(*path))
            .cloned(),
    );
    if failed.is_empty() {
        Ok(())
    } else {
        Err(XtaskError::Longer {
            paths: failed.join(", "),
        })
    }
}

fn read(file: &Path) -> Result<Committed, XtaskError> {
    let text = std::fs::read_to_string(file).map_err(|source| XtaskError::Read {
        path: file.to_owned(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|source| XtaskError::Counts {
        path: file.to_owned(),
        source,
    })
}

fn write(file: &Path, committed: &Committed) -> Result<(), XtaskError> {
    let text = serde_json::to_string_pretty(committed).map_err(|source| XtaskError::Metadata { source })?;
    std::fs::write(file, text + "\n").map_err(|source| XtaskError::Write {
        path: file.to_owned(),
        source,
    })?;
    for (path, count) in &committed.instructions {
        println!("{path:<14} {count:>9}");
    }
    println!("written to {}", file.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs
            .iter()
            .map(|&(path, count)| (path.to_owned(), count))
            .collect()
    }

    #[test]
    fn what_callgrind_collected_is_read() {
        let report = "==1== Events    : Ir\n==1== Collected : 1044000\n==1==\n";
        assert_eq!(collected_in(report), Some(1_044_000));
        assert_eq!(collected_in("==1== Events"), None);
        assert_eq!(per_operation(1_044_999, 2_000), 522);
    }

    #[test]
    fn a_longer_a_new_and_a_lost_path_fail_a_shorter_one_does_not() {
        let committed = counts(&[("hit", 500)]);
        assert!(judge(&committed, &counts(&[("hit", 510)])).is_ok());
        assert!(judge(&committed, &counts(&[("hit", 300)])).is_ok());
        assert!(judge(&committed, &counts(&[("hit", 511)])).is_err());
        assert!(judge(&committed, &counts(&[("hit", 500), ("miss", 1)])).is_err());
        assert!(judge(&committed, &counts(&[])).is_err());
    }
}
