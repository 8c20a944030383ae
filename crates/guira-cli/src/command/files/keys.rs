//! `guira files keys`: lists keys, one a line, with their sizes.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use guira_files::FileEntry;
use serde::Serialize;

use super::place::Directory;
use crate::byte_string::{ByteString, show_bytes};
use crate::error::CliError;
use crate::exit::Exit;

/// List keys, one a line, in no order
///
/// Exit status 1 if there is none.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Control characters, backslashes and what is no UTF-8 are shown as escapes.")]
pub struct KeysArgs {
    #[command(flatten)]
    pub directory: Directory,
    /// Only keys that begin with P
    #[arg(long, value_name = "P")]
    pub prefix: Option<OsString>,
    /// At most N keys
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print JSON: {"keys": [{"text": .. or "base64": .., "value_bytes", "is_file"}], "count"}
    #[arg(long)]
    pub json: bool,
}

/// A key for programs.
#[derive(Serialize)]
struct ListedKey {
    #[serde(flatten)]
    bytes: ByteString,
    value_bytes: u64,
    /// Whether it is a file of its own, and not in the index.
    is_file: bool,
}

pub(super) fn run(args: &KeysArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let files = args.directory.existing()?;
    let prefix = args
        .prefix
        .as_deref()
        .map_or(b"".as_slice(), |prefix| prefix.as_bytes());
    let limit = args
        .limit
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let entries = files
        .iter()
        .flat_map(guira_files::Files::entries)
        .filter(|entry| entry.entry.key.starts_with(prefix))
        .take(limit);
    let count = if args.json {
        write_object(out, entries)
    } else {
        write_lines(out, entries)
    };
    Ok(match count.map_err(CliError::Output)? {
        0 => Exit::NotFound,
        _ => Exit::Done,
    })
}

fn write_lines(out: &mut dyn Write, entries: impl Iterator<Item = FileEntry>) -> io::Result<u64> {
    let mut count = 0;
    for entry in entries {
        writeln!(out, "{}", show_bytes(&entry.entry.key))?;
        count += 1;
    }
    Ok(count)
}

/// Key by key: there may be millions.
fn write_object(out: &mut dyn Write, entries: impl Iterator<Item = FileEntry>) -> io::Result<u64> {
    let mut count = 0;
    write!(out, "{{\"keys\":[")?;
    for entry in entries {
        if count > 0 {
            write!(out, ",")?;
        }
        let listed = ListedKey {
            bytes: ByteString::new(&entry.entry.key),
            value_bytes: entry.value_bytes,
            is_file: entry.is_file,
        };
        serde_json::to_writer(&mut *out, &listed)?;
        count += 1;
    }
    writeln!(out, "],\"count\":{count}}}")?;
    Ok(count)
}
