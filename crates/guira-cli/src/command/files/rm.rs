//! `guira files rm`: removes one key.

use std::ffi::OsString;
use std::io::Write;

use clap::Args;
use serde_json::json;

use super::place::Directory;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::write_json;

/// Remove a key and its file
///
/// Exit status 1 if it had no value. A put that is under way may complete after it.
#[derive(Clone, Debug, Args)]
pub struct RmArgs {
    #[command(flatten)]
    pub directory: Directory,
    /// The key
    pub key: OsString,
    /// Print JSON: {"removed": true}
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &RmArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let key = args.directory.key(&args.key)?;
    let removed = args.directory.existing()?.is_some_and(|files| files.remove(key));
    if args.json {
        write_json(out, &json!({ "removed": removed }))?;
    }
    Ok(if removed { Exit::Done } else { Exit::NotFound })
}
