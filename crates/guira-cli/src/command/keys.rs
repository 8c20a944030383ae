//! `guira keys`: lists keys, one a line.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::byte_string::{ByteString, show_bytes};
use crate::error::CliError;
use crate::exit::Exit;
use crate::target::{Scope, Target};
use crate::typed_key;

/// List keys, one a line, in no order
///
/// Exit status 1 if there is none.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Control characters, backslashes and what is no UTF-8 are shown as escapes; typed \
keys as JSON, as `guira invalidate --fn NAME` takes them. The segment may change meanwhile: a key that \
comes or goes may be listed or not."
)]
pub struct KeysArgs {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub scope: Scope,
    /// Only keys that begin with P
    #[arg(long, value_name = "P")]
    pub prefix: Option<OsString>,
    /// The keys are those of a typed cache: show what they stand for; implied by --fn
    #[arg(long)]
    pub typed: bool,
    /// At most N keys
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Print JSON: {"keys": [{"text": ..} or {"base64": ..}], "count": ..}, typed keys with "key": ..
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &KeysArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let namespace = args.scope.name();
    if let Some(name) = namespace {
        args.target.check_namespace(name)?;
    }
    let segment = args.target.open()?;
    let scoped = args.target.existing(segment, namespace)?;
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
    let typed = args.typed || args.scope.function.is_some();
    let count = if args.json {
        write_object(out, keys, typed)
    } else {
        write_lines(out, keys, typed)
    };
    Ok(match count.map_err(CliError::Output)? {
        0 => Exit::NotFound,
        _ => Exit::Done,
    })
}

fn write_lines(out: &mut dyn Write, keys: impl Iterator<Item = Vec<u8>>, typed: bool) -> io::Result<u64> {
    let mut count = 0;
    for key in keys {
        match typed_key::show(&key).filter(|_| typed) {
            Some(shown) => writeln!(out, "{shown}")?,
            None => writeln!(out, "{}", show_bytes(&key))?,
        }
        count += 1;
    }
    Ok(count)
}

/// A key for programs.
#[derive(Serialize)]
struct ListedKey {
    #[serde(flatten)]
    bytes: ByteString,
    /// What it stands for, if it is a typed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Value>,
}

/// Key by key: a segment may hold more keys than this process should.
fn write_object(out: &mut dyn Write, keys: impl Iterator<Item = Vec<u8>>, typed: bool) -> io::Result<u64> {
    let mut count = 0;
    write!(out, "{{\"keys\":[")?;
    for key in keys {
        if count > 0 {
            write!(out, ",")?;
        }
        let listed = ListedKey {
            key: typed.then(|| typed_key::to_json(&key)).flatten(),
            bytes: ByteString::new(&key),
        };
        serde_json::to_writer(&mut *out, &listed)?;
        count += 1;
    }
    writeln!(out, "],\"count\":{count}}}")?;
    Ok(count)
}
