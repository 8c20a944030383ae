//! `guira files put`: stores a value, of whatever size.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use guira_files::{Files, FilesError, TakeFile};
use guira_segment::{Expiry, Put, PutOptions};
use serde_json::json;

use super::place::Directory;
use crate::command::dump::is_standard;
use crate::duration::parse_lifetime;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::write_json;

/// What is not longer may be kept in the index, and no file be made of it.
const SMALL_BYTES: u64 = 64 << 10;

/// Store a value of any size; room for it is made by evicting others
#[derive(Clone, Debug, Args)]
pub struct PutArgs {
    #[command(flatten)]
    pub directory: Directory,
    /// The key, 1 to 4093 bytes
    pub key: OsString,
    /// The value [default: standard input]
    #[arg(conflicts_with = "file")]
    pub value: Option<OsString>,
    /// The file whose content is the value; - for standard input
    #[arg(long, value_name = "F")]
    pub file: Option<PathBuf>,
    /// How the content of F is taken [default: copy]
    #[arg(long, value_enum)]
    pub take: Option<Take>,
    /// How long it lives, such as 250ms or 5m [default: until it is evicted]
    #[arg(long, value_name = "D", value_parser = parse_lifetime)]
    pub ttl: Option<Duration>,
    /// A tag to invalidate it by; up to 16, each 1 to 255 bytes
    #[arg(long = "tag", value_name = "T")]
    pub tags: Vec<OsString>,
    /// Print what was stored as JSON
    #[arg(long)]
    pub json: bool,
}

/// How a file's content becomes a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Take {
    /// It is copied
    Copy,
    /// Its blocks are shared, where the file system can; else copied
    Share,
    /// The file itself is linked, where that can be, and must not be changed in place; else shared
    Link,
}

impl From<Take> for TakeFile {
    fn from(take: Take) -> Self {
        match take {
            Take::Copy => Self::Copy,
            Take::Share => Self::Share,
            Take::Link => Self::Link,
        }
    }
}

pub(super) fn run(args: &PutArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let key = args.directory.key(&args.key)?;
    // Not said by clap, which asks for no argument that another one excludes.
    if args.take.is_some() && args.file.is_none() {
        return Err(CliError::Usage(
            "--take is for files; name one by --file".to_owned(),
        ));
    }
    let files = args.directory.made()?;
    let tags: Vec<&[u8]> = args.tags.iter().map(|tag| tag.as_bytes()).collect();
    let options = PutOptions::from(args.ttl.map_or(Expiry::never(), Expiry::after)).tags(&tags);
    let put = match (&args.value, &args.file) {
        (Some(value), _) => files.put(key, value.as_bytes(), options),
        (None, Some(path)) if !is_standard(path) => {
            let file = File::open(path).map_err(CliError::io("read", path))?;
            put_file(&files, key, &file, args.take.unwrap_or(Take::Copy), options)
        }
        (None, _) => put_stream(&files, key, io::stdin().lock(), options),
    };
    match put.map_err(|error| of_source(args, error))? {
        Put::Stored => {}
        Put::Superseded => {
            return Err(CliError::Failed(format!(
                "{}: the value was not stored, for its key was invalidated meanwhile; put it again",
                args.directory.dir.display()
            )));
        }
    }
    if args.json {
        let value_bytes = files.value_bytes(key);
        write_json(out, &json!({ "stored": true, "value_bytes": value_bytes }))?;
    }
    Ok(Exit::Done)
}

fn put_file(
    files: &Files,
    key: &[u8],
    file: &File,
    take: Take,
    options: PutOptions<'_>,
) -> Result<Put, FilesError> {
    let is_small = |found: &std::fs::Metadata| found.len() <= SMALL_BYTES && take == Take::Copy;
    match file.metadata() {
        Ok(found) if found.is_file() && !is_small(&found) => files.put_file(key, file, take.into(), options),
        // A pipe or the like is read to its end.
        _ => put_stream(files, key, file, options),
    }
}

fn put_stream(
    files: &Files,
    key: &[u8],
    mut from: impl Read,
    options: PutOptions<'_>,
) -> Result<Put, FilesError> {
    let mut first = Vec::new();
    let read = (&mut from).take(SMALL_BYTES + 1).read_to_end(&mut first);
    read.map_err(|source| FilesError::Source { source })?;
    if first.len() as u64 <= SMALL_BYTES {
        return files.put(key, &first, options);
    }
    files.put_stream(key, Cursor::new(first).chain(from), options)
}

/// A source that fails is named.
fn of_source(args: &PutArgs, error: FilesError) -> CliError {
    match error {
        FilesError::Source { source } => {
            let path = args.file.as_deref().unwrap_or(Path::new("standard input"));
            CliError::io("read", path)(source)
        }
        error => args.directory.failed(error),
    }
}
