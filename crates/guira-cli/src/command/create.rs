//! `guira create`: a new segment.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use guira_segment::Segment;
use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{show_count, write_json};
use crate::size::{parse_size, show_size};

/// Create a segment; what exists is never overwritten
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// Where; best on /dev/shm
    pub path: PathBuf,
    /// Bytes of the file, everything included, such as 64M or 2G; at least 8M
    #[arg(long, value_parser = parse_size)]
    pub size: u64,
    /// Entries the index is made for [default: what fits at 160 bytes each]
    #[arg(long, value_name = "N")]
    pub index_entries: Option<u64>,
    /// Permission bits in octal; with 0660 the group shares it, and opens it with --allow-group
    #[arg(long, default_value = "0600", value_parser = parse_mode)]
    pub mode: u32,
    /// The cluster whose hosts are to agree with this one; its keys hash as theirs do
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Print what was made as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &CreateArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let mut builder = Segment::builder().size(args.size).mode(args.mode);
    if let Some(entries) = args.index_entries {
        builder = builder.index_entries(entries);
    }
    if let Some(cluster) = &args.cluster {
        builder = builder.cluster(cluster);
    }
    let stats = builder.create(&args.path)?.stats();
    if args.json {
        write_json(
            out,
            &json!({
                "path": args.path.to_string_lossy(),
                "size_bytes": stats.size_bytes,
                "index_slots": stats.index_slots,
                "mode": format!("{:04o}", args.mode),
            }),
        )?;
    } else {
        writeln!(
            out,
            "{}: {}, index of {} slots",
            args.path.display(),
            show_size(stats.size_bytes),
            show_count(stats.index_slots)
        )
        .map_err(CliError::Output)?;
    }
    Ok(Exit::Done)
}

fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(format!(
            "{text:?} is no mode; write permission bits in octal, such as 0600"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!(parse_mode("0600"), Ok(0o600));
        assert_eq!(parse_mode("660"), Ok(0o660));
        for text in ["", "0800", "1777", "rw", "-1"] {
            assert!(parse_mode(text).is_err(), "{text:?}");
        }
    }
}
