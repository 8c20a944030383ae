//! `guira invalidate`: makes values unreadable for good, by key, tag, namespace or all.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::Args;
use guira::Guira;
use guira::coherence::{CoherenceError, Reach};
use guira_segment::MAX_TAG_BYTES;
use serde_json::json;

use crate::cluster_name::NO_CLUSTER;
use crate::duration::parse_lifetime;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::write_json;
use crate::target::{Scope, Target};
use crate::typed_key;

/// Make values unreadable for good, by key, tag, namespace or all
///
/// Afterwards no read on this host gives a value that was put, or whose computation began, before.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "With --key, --ns and --fn say where the keys are; alone they clear the whole \
namespace. Arguments of a function are JSON, as `guira keys --fn NAME` lists them: 7, '\"plum\"', \
'[1,2]'; of a method or a function with a key of its own, what its key is made of. Tags reach all \
namespaces. Done too when nothing was there."
)]
pub struct InvalidateArgs {
    #[command(flatten)]
    pub target: Target,
    /// A key; may be repeated
    #[arg(long = "key", value_name = "K")]
    pub keys: Vec<OsString>,
    /// Every entry with this tag; may be repeated
    #[arg(long = "tag", value_name = "T")]
    pub tags: Vec<OsString>,
    #[command(flatten)]
    pub scope: Scope,
    /// With --fn: the arguments of the one call whose result is meant, each as JSON
    #[arg(value_name = "ARG", requires = "function", allow_negative_numbers = true, conflicts_with_all = ["keys", "tags"])]
    pub arguments: Vec<String>,
    /// Everything in the segment
    #[arg(long)]
    pub all: bool,
    /// In a cluster: wait so long at most until every host has applied it, or is known not to be trusted
    #[arg(long, value_name = "TIME", value_parser = parse_lifetime)]
    pub wait: Option<Duration>,
    /// Print JSON: how many of the keys had a value, and what else was invalidated
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &InvalidateArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let target = &args.target;
    let namespace = args.scope.name();
    if args.keys.is_empty() && args.tags.is_empty() && namespace.is_none() && !args.all {
        return Err(CliError::Usage(
            "nothing to invalidate; give --key K, --tag T, --ns N, --fn F or --all".to_owned(),
        ));
    }
    if args.keys.is_empty() && !args.tags.is_empty() && namespace.is_some() {
        return Err(CliError::Usage(
            "tags reach all namespaces; leave --ns and --fn out, or clear the namespace by a command of its own"
                .to_owned(),
        ));
    }
    let keys = args
        .keys
        .iter()
        .map(|key| Ok(target.key(key)?.to_vec()))
        .chain(typed_key::of_arguments(&args.arguments).transpose())
        .collect::<Result<Vec<_>, CliError>>()?;
    if args
        .tags
        .iter()
        .any(|tag| !(1..=MAX_TAG_BYTES).contains(&tag.len()))
    {
        return Err(CliError::Usage(format!("a tag has 1 to {MAX_TAG_BYTES} bytes")));
    }
    if let Some(name) = namespace {
        target.check_namespace(name)?;
    }

    let segment = target.open()?;
    let whole = segment.clone();
    for tag in &args.tags {
        segment.invalidate_tag(tag.as_bytes());
    }
    if args.all {
        segment.clear_all();
    }
    let mut found_keys = 0_u64;
    // A namespace that is not there holds nothing.
    if let Some(segment) = target.existing(segment, namespace)? {
        for key in &keys {
            found_keys += u64::from(segment.invalidate(key));
        }
        if keys.is_empty() && namespace.is_some() {
            segment.clear();
        }
    }
    if let Some(timeout) = args.wait {
        let announced = Guira::of_segment(whole).announced();
        announced
            .and_then(|announced| Ok(announced.wait(Reach::Applied, timeout)?))
            .map_err(|error| match error {
                guira::Error::Coherence(error) if matches!(*error, CoherenceError::NotCoherent) => {
                    CliError::Failed(format!(
                        "{}: done here, and nobody to wait for: {NO_CLUSTER}",
                        target.path.display()
                    ))
                }
                error => crate::error::of_guira(error),
            })?;
    }
    if args.json {
        let object = json!({
            "keys": keys.len(),
            "found_keys": found_keys,
            "tags": args.tags.len(),
            "namespace": namespace.filter(|_| keys.is_empty()),
            "all": args.all,
        });
        write_json(out, &object)?;
    }
    Ok(Exit::Done)
}
