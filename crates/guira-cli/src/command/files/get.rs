//! `guira files get`: a value, streamed.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use guira_files::{FileValue, Files};
use serde_json::json;

use super::place::Directory;
use crate::byte_string::{ByteString, show_bytes};
use crate::command::dump::Unfinished;
use crate::duration::show_duration;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Facts, write_facts, write_json};

/// Write a key's value to standard output, or to a file
///
/// Exit status 1 on a miss.
#[derive(Clone, Debug, Args)]
pub struct GetArgs {
    #[command(flatten)]
    pub directory: Directory,
    /// The key
    pub key: OsString,
    /// Write it to FILE, which appears when it is complete
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace FILE if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Print the entry's metadata instead: ttl, age, size, tags; counts as no read
    #[arg(long, conflicts_with = "output")]
    pub meta: bool,
    /// Print JSON: {"key", "found", "value_bytes"}, with --meta the metadata; for the value name a file
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &GetArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let key = args.directory.key(&args.key)?;
    if args.json && args.output.is_none() && !args.meta {
        return Err(CliError::Usage(
            "a value of a files cache may be longer than JSON should be; name a file by --output, or leave --json out"
                .to_owned(),
        ));
    }
    let found = match args.directory.existing()? {
        None => false,
        Some(files) if args.meta => write_metadata(args, &files, key, out)?,
        Some(files) => write_value(args, &files, key, out)?,
    };
    if found {
        return Ok(Exit::Done);
    }
    if args.json {
        write_json(out, &json!({ "key": ByteString::new(key), "found": false }))?;
    }
    Ok(Exit::NotFound)
}

fn write_value(args: &GetArgs, files: &Files, key: &[u8], out: &mut dyn Write) -> Result<bool, CliError> {
    let opened = files.open(key).map_err(|error| args.directory.failed(error))?;
    let Some(value) = opened else {
        return Ok(false);
    };
    let value_bytes = value.len();
    let Some(path) = &args.output else {
        copy(args, value, |bytes| {
            out.write_all(bytes).map_err(CliError::Output)
        })?;
        return Ok(true);
    };
    let mut unfinished = Unfinished::new(path, None, args.force)?;
    copy(args, value, |bytes| {
        let written = unfinished.file().write_all(bytes);
        written.map_err(CliError::io("write", path))
    })?;
    unfinished.keep()?;
    if args.json {
        let object = json!({ "key": ByteString::new(key), "found": true, "value_bytes": value_bytes });
        write_json(out, &object)?;
    }
    Ok(true)
}

/// What the value cannot give and what cannot be written are told apart.
fn copy(
    args: &GetArgs,
    mut value: FileValue,
    mut write: impl FnMut(&[u8]) -> Result<(), CliError>,
) -> Result<(), CliError> {
    const STEP_BYTES: usize = 256 << 10;
    let mut buffer = vec![0; STEP_BYTES];
    let (mut left_bytes, directory) = (value.len(), &args.directory.dir);
    while left_bytes > 0 {
        let read = value
            .read(&mut buffer)
            .and_then(|read| match read {
                0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                read => Ok(read),
            })
            .map_err(CliError::io("read a value of", Path::new(directory)))?;
        write(buffer.get(..read).unwrap_or_default())?;
        left_bytes = left_bytes.saturating_sub(read as u64);
    }
    Ok(())
}

fn write_metadata(args: &GetArgs, files: &Files, key: &[u8], out: &mut dyn Write) -> Result<bool, CliError> {
    let (Some(metadata), Some(value_bytes)) = (files.metadata(key), files.value_bytes(key)) else {
        return Ok(false);
    };
    let tags = files.index().tags(key).unwrap_or_default();
    if args.json {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let tags: Vec<ByteString> = tags.iter().map(|tag| ByteString::new(tag)).collect();
        let object = json!({
            "key": ByteString::new(key),
            "found": true,
            "value_bytes": value_bytes,
            "ttl_ms": metadata.ttl.map(ms),
            "soft_ttl_ms": metadata.soft_ttl.map(ms),
            "is_stale": metadata.is_stale,
            "age_ms": ms(metadata.age),
            "tags": tags,
        });
        write_json(out, &object)?;
        return Ok(true);
    }
    let until = |ttl: Option<Duration>| ttl.map_or("none".to_owned(), show_duration);
    let facts = Facts::new("")
        .row("ttl", until(metadata.ttl))
        .row("soft ttl", until(metadata.soft_ttl))
        .row("stale", metadata.is_stale)
        .row("age", show_duration(metadata.age))
        .row("size", format!("{value_bytes} bytes"))
        .row(
            "tags",
            if tags.is_empty() {
                "none".to_owned()
            } else {
                let shown: Vec<String> = tags.iter().map(|tag| show_bytes(tag)).collect();
                shown.join(", ")
            },
        );
    write_facts(out, &[facts])?;
    Ok(true)
}
