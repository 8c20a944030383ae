//! `guira get`: a value, or what is known of its entry.

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use guira_segment::{Metadata, Segment};
use serde_json::{Value, json};

use crate::byte_string::{ByteString, show_bytes};
use crate::cluster_name::is_trusted;
use crate::duration::show_duration;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Facts, write_facts, write_json};
use crate::target::Target;

/// Write a key's value to standard output, as it is
///
/// Exit status 1 on a miss. Gives what is there, trusted or not.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "In JSON \"trusted\" says whether hits in this namespace are known to be no older than the cluster's \
bound: true; false, a hit may be older; null, the segment is of no cluster, so its own host's invalidations are all \
there are."
)]
pub struct GetArgs {
    #[command(flatten)]
    pub target: Target,
    /// The key
    pub key: OsString,
    /// The namespace [default: the one without a name]
    #[arg(long, value_name = "NAME")]
    pub ns: Option<String>,
    /// Print the entry's metadata instead: ttl, age, size, tags, block; counts as no read
    #[arg(long)]
    pub meta: bool,
    /// Print JSON: {"key", "found", "trusted", "value"}; on a miss "found" is false
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &GetArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let key = args.target.key(&args.key)?;
    if let Some(name) = &args.ns {
        args.target.check_namespace(name)?;
    }
    let segment = args.target.open()?;
    let mut trusted = is_trusted(&segment);
    let segment = args.target.existing(segment, args.ns.as_deref())?;
    if let Some(segment) = &segment {
        trusted = is_trusted(segment);
    }
    let found = match segment {
        None => false,
        Some(segment) if args.meta => write_metadata(args, &segment, key, trusted, out)?,
        Some(segment) => write_value(args, &segment, key, trusted, out)?,
    };
    if found {
        return Ok(Exit::Done);
    }
    if args.json {
        write_json(
            out,
            &json!({ "key": ByteString::new(key), "found": false, "trusted": trusted }),
        )?;
    }
    Ok(Exit::NotFound)
}

/// Whether what was read in between is trusted: trust may have run out, and what comes with new trust may have voided
/// what was read before.
fn still(trusted: Option<bool>, segment: &Segment) -> Option<bool> {
    trusted.map(|was| was && is_trusted(segment) == Some(true))
}

fn write_value(
    args: &GetArgs,
    segment: &Segment,
    key: &[u8],
    trusted: Option<bool>,
    out: &mut dyn Write,
) -> Result<bool, CliError> {
    // A copy: whoever reads the output may be slow, and a guard holds a block.
    let mut value = Vec::new();
    if !segment.get_into(key, &mut value) {
        return Ok(false);
    }
    let trusted = still(trusted, segment);
    if args.json {
        let object = json!({
            "key": ByteString::new(key),
            "found": true,
            "trusted": trusted,
            "value": ByteString::new(&value),
        });
        write_json(out, &object)?;
    } else {
        out.write_all(&value).map_err(CliError::Output)?;
    }
    Ok(true)
}

fn write_metadata(
    args: &GetArgs,
    segment: &Segment,
    key: &[u8],
    trusted: Option<bool>,
    out: &mut dyn Write,
) -> Result<bool, CliError> {
    let (Some(metadata), Some(tags)) = (segment.metadata(key), segment.tags(key)) else {
        return Ok(false);
    };
    let trusted = still(trusted, segment);
    if args.json {
        write_json(out, &metadata_json(key, &metadata, &tags, trusted))?;
        return Ok(true);
    }
    let until = |ttl: Option<Duration>| ttl.map_or("none".to_owned(), show_duration);
    let shown_tags: Vec<String> = tags.iter().map(|tag| show_bytes(tag)).collect();
    let facts = Facts::new("")
        .row("ttl", until(metadata.ttl))
        .row("soft ttl", until(metadata.soft_ttl))
        .row("stale", metadata.is_stale)
        .row("age", show_duration(metadata.age))
        .row("size", format!("{} bytes", metadata.value_bytes))
        .row("entry size", format!("{} bytes", metadata.entry_bytes))
        .row(
            "tags",
            if tags.is_empty() {
                "none".to_owned()
            } else {
                shown_tags.join(", ")
            },
        )
        .row("block", metadata.block);
    write_facts(out, &[facts])?;
    Ok(true)
}

/// An entry's metadata as `get --meta --json` shows it.
fn metadata_json(key: &[u8], metadata: &Metadata, tags: &[Vec<u8>], trusted: Option<bool>) -> Value {
    let tags: Vec<ByteString> = tags.iter().map(|tag| ByteString::new(tag)).collect();
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    json!({
        "key": ByteString::new(key),
        "found": true,
        "trusted": trusted,
        "ttl_ms": metadata.ttl.map(ms),
        "soft_ttl_ms": metadata.soft_ttl.map(ms),
        "is_stale": metadata.is_stale,
        "age_ms": ms(metadata.age),
        "size_bytes": metadata.value_bytes,
        "entry_bytes": metadata.entry_bytes,
        "tags": tags,
        "block": metadata.block,
    })
}
