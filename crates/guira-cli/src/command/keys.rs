//! `guira keys`: lists keys, one a line.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use crate::byte_string::{ByteString, show_bytes};
use crate::error::CliError;
use crate::exit::Exit;
use crate::target::{Scope, Target};

/// List keys, one a line, in no order
///
/// Exit status 1 if there is none.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Control characters, backslashes and what is no UTF-8 are shown as escapes. The \
segment may change meanwhile: a key that comes or goes may be listed or not."
)]
pub struct KeysArgs {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub scope: Scope,
    /// Only keys that begin with P
    #[arg(long, value_name = "P")]
    pub prefix: Option<OsString>,
    /// At most N keys
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print JSON: {"keys": [{"text": ..} or {"base64": ..}], "count": ..}
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &KeysArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let namespace = args.scope.name();
    if let Some(name) = &namespace {
        args.target.check_namespace(name)?;
    }
    let segment = args.target.open()?;
    let scoped = args.target.existing(segment, namespace.as_deref())?;
    let prefix = args
        .prefix
        .as_deref()
        .map_or(b"".as_slice(), |prefix| prefix.as_bytes());
    let limit = args
        .limit
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let keys = scoped
        .iter()
        .flat_map(guira_segment::Segment::entries)
        .map(|entry| entry.key)
        .filter(|key| key.starts_with(prefix))
        .take(limit);
    let count = if args.json {
        write_object(out, keys)
    } else {
        write_lines(out, keys)
    };
    Ok(match count.map_err(CliError::Output)? {
        0 => Exit::NotFound,
        _ => Exit::Done,
    })
}

fn write_lines(out: &mut dyn Write, keys: impl Iterator<Item = Vec<u8>>) -> io::Result<u64> {
    let mut count = 0;
    for key in keys {
        writeln!(out, "{}", show_bytes(&key))?;
        count += 1;
    }
    Ok(count)
}

/// Key by key: a segment may hold more keys than this process should.
fn write_object(out: &mut dyn Write, keys: impl Iterator<Item = Vec<u8>>) -> io::Result<u64> {
    let mut count = 0;
    write!(out, "{{\"keys\":[")?;
    for key in keys {
        if count > 0 {
            write!(out, ",")?;
        }
        serde_json::to_writer(&mut *out, &ByteString::new(&key))?;
        count += 1;
    }
    writeln!(out, "],\"count\":{count}}}")?;
    Ok(count)
}
