//! `guira files stat`: the figures of a directory of files.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use guira_files::DepotStats;
use guira_segment::Stats;
use serde_json::{Value, json};

use super::place::open_files;
use crate::command::stat::stats_json;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Facts, show_count, show_share, write_facts, write_json};
use crate::size::show_size;

/// Show the figures of a files cache: use, limit, reads, evictions
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Counters count since the table was made, over all processes. In JSON \"index\" has the figures of \
the segment in which keys and small values are, as `guira stat` shows them."
)]
pub struct StatArgs {
    /// The directory
    pub dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &StatArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let files = open_files(&args.dir)?;
    let (stats, index) = (files.stats(), files.index().stats());
    let room_bytes = files.depot().room_bytes();
    if args.json {
        write_json(out, &object_of(&stats, room_bytes, &index))?;
    } else {
        write_facts(out, &groups(&stats, room_bytes, &index))?;
    }
    Ok(Exit::Done)
}

fn groups(stats: &DepotStats, room_bytes: u64, index: &Stats) -> [Facts; 4] {
    let used_share = stats.used_bytes as f64 / room_bytes.max(1) as f64;
    let used = format!(
        "{} ({} of the room)",
        show_size(stats.used_bytes),
        show_share(used_share)
    );
    let files = format!(
        "{} of at most {}",
        show_count(stats.files),
        show_count(stats.max_files)
    );
    [
        Facts::new("Size")
            .row("limit", show_size(stats.limit_bytes))
            .row("index, table, directories", show_size(stats.overhead_bytes))
            .row("room for values", show_size(room_bytes))
            .row("used", used)
            .row("files", files),
        Facts::new("Entries")
            .row("entries", show_count(index.entries))
            .row("in the index", format!("{} used", show_size(index.bytes_used)))
            .row("namespaces", show_count(index.namespaces)),
        Facts::new("Reads and writes")
            .row("hits", show_count(index.hits))
            .row("misses", show_count(index.misses))
            .row("files read", show_count(stats.read))
            .row("files verified", show_count(stats.verified))
            .row("files written", show_count(stats.written))
            .row("bytes written", show_size(stats.written_bytes)),
        Facts::new("Removed")
            .row("evicted", show_count(stats.evicted))
            .row("expired", show_count(stats.expired))
            .row("orphaned", show_count(stats.orphaned))
            .row("missing", show_count(stats.missing))
            .row("damaged", show_count(stats.corrupt))
            .row("dead processes recovered", show_count(stats.recovered)),
    ]
}

fn object_of(stats: &DepotStats, room_bytes: u64, index: &Stats) -> Value {
    json!({
        "limit_bytes": stats.limit_bytes,
        "overhead_bytes": stats.overhead_bytes,
        "room_bytes": room_bytes,
        "used_bytes": stats.used_bytes,
        "recorded_bytes": stats.recorded_bytes,
        "files": stats.files,
        "max_files": stats.max_files,
        "written": stats.written,
        "written_bytes": stats.written_bytes,
        "read": stats.read,
        "verified": stats.verified,
        "missing": stats.missing,
        "corrupt": stats.corrupt,
        "evicted": stats.evicted,
        "expired": stats.expired,
        "orphaned": stats.orphaned,
        "recovered": stats.recovered,
        "index": stats_json(index),
    })
}
