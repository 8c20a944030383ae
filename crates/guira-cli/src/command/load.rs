//! `guira load`: the entries of a dump, stored in a segment.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use guira::dump::{DumpReader, Load, LoadCause, LoadError, Loaded};
use guira_files::Depot;
use guira_segment::Segment;
use serde_json::json;

use super::dump::{Bar, Opened, Place, is_standard};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{show_counted, write_json};
use crate::size::{parse_size, show_size};

const DEFAULT_FILES_BYTES: u64 = 1 << 30;

/// Store the entries of a dump in a segment, or in a files cache
///
/// What keys have already is kept, and what is over by now is passed over. A dump that is cut or
/// damaged is loaded up to there, and exit status 4 says so.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "A dump knows nothing of what was invalidated since it was made, on this host or in its cluster: what \
is loaded counts as put now. Load into a new segment before it is used, invalidate afterwards what has changed \
meanwhile, or load all as stale. Lifetimes go by the wall clock: if it was set meanwhile, or that of the other machine \
differs, they are off by as much."
)]
pub struct LoadArgs {
    #[command(flatten)]
    pub place: Place,
    /// What `guira dump` wrote; - is standard input
    pub file: PathBuf,
    /// Create the segment first, and the directory of its files if one is named
    #[arg(long, requires = "size")]
    pub create: bool,
    /// Bytes of the new segment, such as 64M or 2G
    #[arg(long, requires = "create", value_parser = parse_size)]
    pub size: Option<u64>,
    /// What the new directory of files may take on the disk [default: 1G]
    #[arg(long, requires = "create", requires = "files", value_name = "SIZE", value_parser = parse_size)]
    pub files_limit: Option<u64>,
    /// What keys have already is kept, as it is by default
    #[arg(long, conflicts_with = "replace")]
    pub keep: bool,
    /// What keys have already is replaced
    #[arg(long)]
    pub replace: bool,
    /// Each value is stale at once: given until it is computed anew
    #[arg(long)]
    pub stale: bool,
    /// Print JSON: {"entries", "value_bytes", "kept", "expired", "superseded", "too_large", "void", "files", "evicted", "dump_bytes"}
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &LoadArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    // The dump first: nothing is created for what cannot be read.
    let loaded = if is_standard(&args.file) {
        load(args, io::stdin().lock(), None)?
    } else {
        let file = File::open(&args.file).map_err(CliError::io("read", &args.file))?;
        let length = file.metadata().ok().filter(std::fs::Metadata::is_file);
        load(args, file, length.map(|length| length.len()))?
    };
    if args.json {
        let object = json!({
            "entries": loaded.entries,
            "value_bytes": loaded.value_bytes,
            "kept": loaded.kept,
            "expired": loaded.expired,
            "superseded": loaded.superseded,
            "too_large": loaded.too_large,
            "void": loaded.void,
            "files": loaded.files,
            "evicted": loaded.evicted,
            "dump_bytes": loaded.dump_bytes,
        });
        write_json(out, &object)?;
    } else {
        let path = args.place.path.display();
        writeln!(out, "{path}: {}", show(&loaded)).map_err(CliError::Output)?;
    }
    Ok(Exit::Done)
}

fn load(args: &LoadArgs, from: impl Read, length_bytes: Option<u64>) -> Result<Loaded, CliError> {
    let reader = DumpReader::new(from)
        .map_err(|error| CliError::Failed(format!("{}: {error}", name_of(&args.file).display())))?;
    let Opened { segment, depot } = match args.size.filter(|_| args.create) {
        Some(size) => {
            let segment = Segment::builder().size(size).create(&args.place.path)?;
            let settings = Depot::builder().limit_bytes(args.files_limit.unwrap_or(DEFAULT_FILES_BYTES));
            args.place.with_files(segment, |directory, segment| {
                settings.open_or_create(directory, segment)
            })?
        }
        None => args.place.open()?,
    };
    let mut bar = Bar::new(args.json, length_bytes.is_some());
    let mut observe = |so_far: &Loaded| {
        let share = length_bytes.map(|length| so_far.dump_bytes as f64 / length.max(1) as f64);
        bar.show(share, so_far.entries, so_far.value_bytes);
    };
    let mut load = Load::new().replace(args.replace).as_stale(args.stale);
    if let Some((depot, above_bytes)) = &depot {
        load = load.files(depot, *above_bytes);
    }
    let loaded = load.run(reader, &segment, &mut observe);
    bar.clear();
    loaded.map_err(|error| error_of(args, &error))
}

fn name_of(file: &Path) -> &Path {
    if is_standard(file) {
        Path::new("standard input")
    } else {
        file
    }
}

fn error_of(args: &LoadArgs, error: &LoadError) -> CliError {
    let at_fault = match error.cause {
        LoadCause::Read(_) => name_of(&args.file),
        _ => &args.place.path,
    };
    CliError::Failed(format!("{}: {error}", at_fault.display()))
}

fn show(loaded: &Loaded) -> String {
    let mut shown = format!(
        "{} loaded, {} of values",
        show_counted(loaded.entries, "entry", "entries"),
        show_size(loaded.value_bytes)
    );
    for (count, one, many) in [
        (loaded.kept, "key kept what it had", "keys kept what they had"),
        (loaded.expired, "was over", "were over"),
        (
            loaded.superseded,
            "was invalidated meanwhile",
            "were invalidated meanwhile",
        ),
        (loaded.too_large, "is too large for it", "are too large for it"),
        (
            loaded.void,
            "has no value in the dump",
            "have no value in the dump",
        ),
        (loaded.evicted, "was dropped for room", "were dropped for room"),
    ] {
        if count > 0 {
            shown += &format!("; {}", show_counted(count, one, many));
        }
    }
    shown
}
