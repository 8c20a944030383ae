//! `guira files purge`: removes what nobody needs any more.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use guira_files::{FileEntry, Files};
use guira_segment::Metadata;
use serde_json::json;

use super::place::open_files;
use crate::duration::parse_lifetime;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{show_counted, write_json};

/// Remove files that are over, or that nothing names, at once
///
/// Writes do the same bit by bit, so nobody needs to call it.
#[derive(Clone, Debug, Args)]
pub struct PurgeArgs {
    /// The directory
    pub dir: PathBuf,
    /// Remove values, too, that have been stale for so long, such as 1h
    #[arg(long, value_name = "D", value_parser = parse_lifetime)]
    pub stale_for: Option<Duration>,
    /// Print JSON: {"stale", "expired", "orphaned", "unknown", "recovered", "foreign": [PATH, ..]}
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &PurgeArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let files = open_files(&args.dir)?;
    let stale = args
        .stale_for
        .map_or(0, |stale_for| remove_stale(&files, stale_for));
    let swept = files.sweep().map_err(|error| CliError::Files(Box::new(error)))?;
    if args.json {
        let foreign: Vec<_> = swept.foreign.iter().map(|path| path.to_string_lossy()).collect();
        let object = json!({
            "stale": stale,
            "expired": swept.expired,
            "orphaned": swept.orphaned,
            "unknown": swept.unknown,
            "recovered": swept.recovered,
            "foreign": foreign,
        });
        write_json(out, &object)?;
        return Ok(Exit::Done);
    }
    let mut shown = format!(
        "removed {}, {}",
        show_counted(swept.expired, "file that was over", "files that were over"),
        show_counted(
            swept.orphaned + swept.unknown,
            "that nothing named",
            "that nothing named"
        )
    );
    if args.stale_for.is_some() {
        shown += &format!(", {}", show_counted(stale, "stale value", "stale values"));
    }
    writeln!(out, "{shown}").map_err(CliError::Output)?;
    for path in &swept.foreign {
        writeln!(out, "{}: not of this cache, left alone", path.display()).map_err(CliError::Output)?;
    }
    Ok(Exit::Done)
}

/// In all namespaces; says how many.
fn remove_stale(files: &Files, stale_for: Duration) -> u64 {
    let is_due = |entry: &Metadata| entry.is_stale && entry.stale_for.unwrap_or(entry.age) >= stale_for;
    let due = files.all_entries().filter(|entry| is_due(&entry.entry.metadata));
    due.map(|FileEntry { entry, .. }| {
        let within = match &entry.namespace {
            None => Some(files.clone()),
            Some(name) => files.existing_namespace(name),
        };
        // It may have been refreshed since it was listed.
        let is_removed = within.is_some_and(|files| {
            files.metadata(&entry.key).is_some_and(|now| is_due(&now)) && files.remove(&entry.key)
        });
        u64::from(is_removed)
    })
    .sum()
}
