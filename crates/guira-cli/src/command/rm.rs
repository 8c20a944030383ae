//! `guira rm`: removes one key.

use std::ffi::OsString;
use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::write_json;
use crate::target::Target;

/// Remove a key
///
/// Exit status 1 if it had no value. A put that is under way may complete after it; after `invalidate` it
/// does not.
#[derive(Clone, Debug, Args)]
pub struct RmArgs {
    #[command(flatten)]
    pub target: Target,
    /// The key
    pub key: OsString,
    /// The namespace [default: the one without a name]
    #[arg(long, value_name = "NAME")]
    pub ns: Option<String>,
    /// Print JSON: {"removed": true}
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &RmArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let key = args.target.key(&args.key)?;
    if let Some(name) = &args.ns {
        args.target.check_namespace(name)?;
    }
    let segment = args.target.open()?;
    let removed = args
        .target
        .existing(segment, args.ns.as_deref())?
        .is_some_and(|segment| segment.remove(key));
    if args.json {
        write_json(out, &json!({ "removed": removed }))?;
    }
    Ok(if removed { Exit::Done } else { Exit::NotFound })
}
