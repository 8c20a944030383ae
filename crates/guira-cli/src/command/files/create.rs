//! `guira files create`: a new directory of files.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use guira_files::{Files, FilesError};
use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{show_count, write_json};
use crate::size::{parse_size, show_size};

/// Create a files cache in a directory that is new or empty
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// Where; best on a disk of its own
    pub dir: PathBuf,
    /// What it may take on the disk, all in all, such as 10G
    #[arg(long, value_parser = parse_size)]
    pub limit: u64,
    /// Most values that are files [default: one for each 32 KiB of the limit]
    #[arg(long, value_name = "N")]
    pub max_files: Option<u64>,
    /// Bytes of the index, in which keys and small values are [default: a 32nd of the limit, at least 8M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub index: Option<u64>,
    /// Print what was made as JSON
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &CreateArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    match Files::builder().open(&args.dir) {
        Ok(_) => {
            return Err(CliError::Failed(format!(
                "{}: there is a files cache already; use it, or take another directory",
                args.dir.display()
            )));
        }
        // Whatever is wrong there is said by what makes it.
        Err(FilesError::NotFound { .. } | FilesError::NotOurs { .. } | FilesError::Io { .. }) => {}
        Err(error) => return Err(CliError::FilesOpen(Box::new(error))),
    }
    let mut builder = Files::builder().limit_bytes(args.limit);
    if let Some(max_files) = args.max_files {
        builder = builder.max_files(max_files);
    }
    if let Some(index) = args.index {
        builder = builder.index_bytes(index);
    }
    let files = builder
        .open_or_create(&args.dir)
        .map_err(|error| CliError::FilesOpen(Box::new(error)))?;
    let stats = files.stats();
    let (room_bytes, index_bytes) = (files.depot().room_bytes(), files.index().stats().size_bytes);
    if args.json {
        let object = json!({
            "path": args.dir.to_string_lossy(),
            "limit_bytes": stats.limit_bytes,
            "room_bytes": room_bytes,
            "max_files": stats.max_files,
            "index_bytes": index_bytes,
        });
        write_json(out, &object)?;
    } else {
        writeln!(
            out,
            "{}: at most {}, {} of them for the values of at most {} files",
            args.dir.display(),
            show_size(stats.limit_bytes),
            show_size(room_bytes),
            show_count(stats.max_files)
        )
        .map_err(CliError::Output)?;
    }
    Ok(Exit::Done)
}
