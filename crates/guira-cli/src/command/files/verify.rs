//! `guira files verify`: reads every file and compares it with its checksum.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use guira_files::{Files, Found, Verified};
use serde_json::json;

use super::place::open_files;
use crate::command::dump::Bar;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{show_count, show_counted, write_json};
use crate::size::show_size;

/// Read every file and compare it with its checksum; what is damaged is removed
///
/// Checks the index, too, and tells what in the directory is none of the cache's. Exit status 3 if anything is
/// damaged.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The directory
    pub dir: PathBuf,
    /// Print JSON: {"intact", "damaged", "inline", "bytes", "index_faults", "foreign": [PATH, ..]}
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &VerifyArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let files = open_files(&args.dir)?;
    let index_faults = files.index().verify().faults.len();
    let verified = verify(args, &files)?;
    let foreign = foreign(&files)?;
    if args.json {
        let foreign: Vec<_> = foreign.iter().map(|path| path.to_string_lossy()).collect();
        let object = json!({
            "intact": verified.intact,
            "damaged": verified.damaged,
            "inline": verified.inline,
            "bytes": verified.bytes,
            "index_faults": index_faults,
            "foreign": foreign,
        });
        write_json(out, &object)?;
    } else {
        let write = |out: &mut dyn Write| {
            writeln!(
                out,
                "{} of {}: {} intact, {} damaged; {} in the index",
                show_counted(verified.intact + verified.damaged, "file", "files"),
                show_size(verified.bytes),
                show_count(verified.intact),
                show_count(verified.damaged),
                show_counted(verified.inline, "value", "values")
            )?;
            foreign
                .iter()
                .try_for_each(|path| writeln!(out, "{}: not of this cache, left alone", path.display()))
        };
        write(out).map_err(CliError::Output)?;
    }
    if index_faults > 0 {
        return Err(CliError::Faults {
            path: args.dir.clone(),
            count: index_faults,
            advice: "they are in its index: run `guira verify --repair` on the file of that name in it",
        });
    }
    if verified.damaged > 0 {
        return Err(CliError::Removed {
            path: args.dir.clone(),
            count: verified.damaged,
        });
    }
    Ok(Exit::Done)
}

fn verify(args: &VerifyArgs, files: &Files) -> Result<Verified, CliError> {
    let entries = files.index().stats().entries;
    let mut bar = Bar::new(args.json, true);
    let verified = files.verify(|so_far| {
        let done = so_far.intact + so_far.damaged + so_far.inline;
        bar.show(Some(done as f64 / entries.max(1) as f64), done, so_far.bytes);
    });
    bar.clear();
    verified.map_err(|error| CliError::Files(Box::new(error)))
}

/// What is in the directory and is not of the cache.
pub(super) fn foreign(files: &Files) -> Result<Vec<PathBuf>, CliError> {
    let names = files
        .depot()
        .names()
        .map_err(|error| CliError::Files(Box::new(error)))?;
    let foreign = names.into_iter().filter_map(|found| match found {
        Found::Foreign(path) => Some(path),
        Found::Value { .. } => None,
    });
    Ok(foreign.collect())
}
