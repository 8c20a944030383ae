//! Nothing of points and mutants is in the command as it is released.
//!
//! Builds it as it is released and looks into the file: for the symbols of the modules that only
//! proof builds have, and for the texts that name points and mutants. The same looks at the build with
//! points find them, which shows that they can.

use std::path::Path;

use crate::cargo::{cargo, run as run_command, target_folder};
use crate::error::XtaskError;

/// Pieces of symbol names and of texts, as they stand in a file that has them.
const TRACES: [&str; 6] = [
    "guira_shm::point",
    "guira_shm5point",
    "guira_shm4sync6points",
    "copy_in, half done",
    "open by a hidden name",
    "unverified-scan",
];

/// Checks the released command, after it was built.
pub(crate) fn check(root: &Path) -> Result<(), XtaskError> {
    let target = target_folder(root)?;
    run_command(cargo(root, &["build", "--release", "-p", "guira-cli"]))?;
    let released = target.join("release/guira");
    let found = traces_in(&read(&released)?);
    if !found.is_empty() {
        return Err(XtaskError::Traces {
            path: released,
            found: found.join(", "),
        });
    }
    println!("{}: no trace of points or mutants", released.display());
    let with_points = target.join(super::FOLDER).join("proof/kill");
    if !with_points.exists() {
        println!("run `cargo xtask kill` first to see that the same look finds them there");
        return Ok(());
    }
    let found = traces_in(&read(&with_points)?);
    if found.len() < 3 {
        return Err(XtaskError::NoTraces { path: with_points });
    }
    println!("{}: {}", with_points.display(), found.join(", "));
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, XtaskError> {
    std::fs::read(path).map_err(|source| XtaskError::Read {
        path: path.to_owned(),
        source,
    })
}

fn traces_in(file: &[u8]) -> Vec<&'static str> {
    TRACES
        .into_iter()
        .filter(|trace| file.windows(trace.len()).any(|window| window == trace.as_bytes()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_found_wherever_it_stands() {
        assert_eq!(traces_in(b"\0\0copy_in, half done\0"), ["copy_in, half done"]);
        assert!(traces_in(b"copy_in").is_empty());
    }
}
