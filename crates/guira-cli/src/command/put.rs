//! `guira put`: stores a value.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use guira_segment::{Expiry, Put, PutOptions};
use serde_json::json;

use crate::duration::parse_lifetime;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::write_json;
use crate::target::Target;

/// Store a value
#[derive(Clone, Debug, Args)]
pub struct PutArgs {
    #[command(flatten)]
    pub target: Target,
    /// The key, 1 to 4093 bytes
    pub key: OsString,
    /// The value [default: standard input]
    #[arg(conflicts_with = "file")]
    pub value: Option<OsString>,
    /// The file whose content is the value
    #[arg(long, value_name = "F")]
    pub file: Option<PathBuf>,
    /// How long it lives, such as 250ms or 5m [default: until it is evicted]
    #[arg(long, value_name = "D", value_parser = parse_lifetime)]
    pub ttl: Option<Duration>,
    /// The namespace, made if it is new [default: the one without a name]
    #[arg(long, value_name = "NAME")]
    pub ns: Option<String>,
    /// A tag to invalidate it by; up to 16, each 1 to 255 bytes
    #[arg(long = "tag", value_name = "T")]
    pub tags: Vec<OsString>,
    /// Print what was stored as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &PutArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let target = &args.target;
    let key = target.key(&args.key)?;
    if let Some(name) = &args.ns {
        target.check_namespace(name)?;
    }
    let segment = target.open()?;
    let value = value(args, segment.max_value_bytes())?;
    let segment = target.made(segment, args.ns.as_deref())?;
    let tags: Vec<&[u8]> = args.tags.iter().map(|tag| tag.as_bytes()).collect();
    let options = PutOptions::from(args.ttl.map_or(Expiry::never(), Expiry::after)).tags(&tags);
    if value.len() > segment.max_value_bytes() {
        // What was read stops one byte after the limit: its length is not the value's.
        segment.remove(key);
        return Err(CliError::Usage(format!(
            "{}: the value is longer; this segment holds values of at most {max_bytes} bytes, split it or create a larger one",
            target.path.display(),
            max_bytes = segment.max_value_bytes()
        )));
    }
    match segment
        .put_with(key, &value, &options)
        .map_err(CliError::store(&target.path))?
    {
        Put::Stored => {}
        Put::Superseded => {
            return Err(CliError::Failed(format!(
                "{}: the value was not stored, for its key was invalidated meanwhile; put it again",
                target.path.display()
            )));
        }
    }
    if args.json {
        write_json(out, &json!({ "stored": true, "value_bytes": value.len() }))?;
    }
    Ok(Exit::Done)
}

fn value(args: &PutArgs, max_bytes: usize) -> Result<Vec<u8>, CliError> {
    match (&args.value, &args.file) {
        (Some(value), _) => Ok(value.as_bytes().to_vec()),
        (None, Some(path)) => File::open(path)
            .and_then(|file| read_bounded(file, max_bytes))
            .map_err(CliError::io("read", path)),
        (None, None) => read_bounded(io::stdin().lock(), max_bytes)
            .map_err(CliError::io("read", Path::new("standard input"))),
    }
}

/// Reads one byte more than fits at most: enough for the engine to refuse the value, whose source
/// may be endless.
fn read_bounded(source: impl Read, max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut value = Vec::new();
    source.take(max_bytes as u64 + 1).read_to_end(&mut value)?;
    Ok(value)
}
