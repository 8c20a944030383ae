//! `guira dump`: the entries of a segment, written to a file that `guira load` reads.

mod bar;
mod place;
mod unfinished;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use guira::dump::{Dump, DumpError, Dumped};
use guira_files::Depot;
use guira_segment::Segment;
use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{show_counted, write_json};
use crate::size::show_size;

pub(super) use bar::Bar;
pub(super) use place::{Opened, Place};
pub(super) use unfinished::Unfinished;

/// The file's name that stands for standard output, and for standard input.
const STANDARD: &str = "-";

/// Write the entries of a segment, or of a files cache, to a file, to move a cache or to keep it
///
/// With namespaces, keys, values, tags and deadlines; `guira load` reads it. The file appears when it is
/// complete, and only its owner can read it.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "It is no snapshot: each entry is as it was at one moment, and what comes or goes meanwhile is in the \
dump or not. Deadlines are kept as points in time of the wall clock. Values are written as they lie in the segment: \
who may read the file may read them, unless they are encrypted. Large values of caches that keep them in files are in \
it if --files names the directory; else they are misses where it is loaded."
)]
pub struct DumpArgs {
    #[command(flatten)]
    pub place: Place,
    /// The file; - is standard output
    pub file: PathBuf,
    /// Only this namespace [default: all]
    #[arg(long, value_name = "NAME")]
    pub ns: Option<String>,
    /// Compress it, with Zstandard
    #[arg(long)]
    pub compress: bool,
    /// Replace FILE if it is there
    #[arg(long)]
    pub force: bool,
    /// Print JSON: {"entries", "value_bytes", "dump_bytes", "damaged", "missing"}
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &DumpArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let to_standard_output = is_standard(&args.file);
    if to_standard_output && args.json {
        return Err(CliError::Usage(
            "the dump and the report would be mixed on standard output; name a file, or leave --json out"
                .to_owned(),
        ));
    }
    if let Some(name) = &args.ns {
        args.place.target().check_namespace(name)?;
    }
    let Opened { segment, depot } = args.place.open()?;
    let Some(segment) = args.place.target().existing(segment, args.ns.as_deref())? else {
        return Ok(Exit::NotFound);
    };
    let depot = depot.map(|(depot, _)| depot);
    if to_standard_output {
        write_dump(args, &segment, depot.as_ref(), out)?;
        // Here, for a reader that went away has no dump.
        out.flush()
            .map_err(CliError::io("write", Path::new("standard output")))?;
        return Ok(Exit::Done);
    }
    if let Some(depot) = &depot {
        refuse_within(&args.file, depot)?;
    }
    let mut unfinished = Unfinished::new(&args.file, Some(&segment.path()), args.force)?;
    let dumped = write_dump(args, &segment, depot.as_ref(), unfinished.file())?;
    unfinished.keep()?;
    if args.json {
        let object = json!({
            "entries": dumped.entries,
            "value_bytes": dumped.value_bytes,
            "dump_bytes": dumped.dump_bytes,
            "damaged": dumped.damaged,
            "missing": dumped.missing,
            "stubs": dumped.stubs,
        });
        write_json(out, &object)?;
    } else {
        writeln!(out, "{}: {}", args.file.display(), show(&dumped)).map_err(CliError::Output)?;
    }
    Ok(Exit::Done)
}

/// Whether a file's name stands for standard output, or input.
pub(super) fn is_standard(file: &Path) -> bool {
    file == Path::new(STANDARD)
}

/// What is in a cache's directory is the cache's.
fn refuse_within(file: &Path, depot: &Depot) -> Result<(), CliError> {
    let directory = file.parent().unwrap_or(Path::new("")).canonicalize();
    if directory.is_ok_and(|directory| directory.starts_with(depot.path())) {
        return Err(CliError::Usage(format!(
            "{}: this is in the directory of the files; name a file elsewhere",
            file.display()
        )));
    }
    Ok(())
}

fn write_dump(
    args: &DumpArgs,
    segment: &Segment,
    depot: Option<&Depot>,
    to: &mut dyn Write,
) -> Result<Dumped, CliError> {
    let mut bar = Bar::new(args.json, true);
    let mut observe = |so_far: &Dumped| bar.show(Some(so_far.walked), so_far.entries, so_far.value_bytes);
    let mut dump = Dump::new()
        .one_namespace(args.ns.is_some())
        .compressed(args.compress);
    if let Some(depot) = depot {
        dump = dump.stubs(depot);
    }
    let written = dump.write(segment, to, &mut observe);
    bar.clear();
    written.map_err(|error| error_of(args, error))
}

fn error_of(args: &DumpArgs, error: DumpError) -> CliError {
    let name = if is_standard(&args.file) {
        Path::new("standard output")
    } else {
        &args.file
    };
    match error {
        DumpError::Segment(source) => CliError::store(&args.place.path)(source),
        DumpError::Io(source) => CliError::io("write", name)(source),
        error => CliError::Failed(format!("{}: {error}", name.display())),
    }
}

fn show(dumped: &Dumped) -> String {
    let mut shown = format!(
        "{}, {} of values, a file of {}",
        show_counted(dumped.entries, "entry", "entries"),
        show_size(dumped.value_bytes),
        show_size(dumped.dump_bytes)
    );
    if dumped.damaged > 0 {
        shown += &format!(
            "; left out {}: `guira verify --repair` drops them",
            show_counted(dumped.damaged, "damaged entry", "damaged entries")
        );
    }
    if dumped.missing > 0 {
        let entries = show_counted(dumped.missing, "entry", "entries");
        shown += &format!("; left out {entries} whose files are gone or cannot be read");
    }
    if dumped.stubs > 0 {
        let values = show_counted(dumped.stubs, "value is in a file", "values are in files");
        shown += &format!("; {values} that the dump lacks: name their directory by --files");
    }
    shown
}
