//! `guira bus status`: where a host stands with its cluster, and what its brokers know.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use guira::coherence::CoherenceStatus;
use guira_segment::Segment;
use serde_json::{Map, Value, json};

use super::ask::ask;
use super::brokers::Brokers;
use super::tables;
use crate::cluster_name::{NO_CLUSTER, known_name, show_cluster};
use crate::duration::parse_lifetime;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{write_facts, write_json};

/// Show where a host stands with its cluster, and what the brokers know
///
/// Of the segment: whether its hits are trusted and for how much longer, which process is the agent, how far
/// its journal was accepted, what was counted. Of each broker: its log, and every host with how far it is
/// behind. Exit status 1 if the segment is of no cluster, 4 if a broker does not answer.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Without --broker nobody is asked: everything is in the segment. It has its cluster as a number only, so \
its name is shown if it is that of --cluster. Behind is how many records \
a host has not applied; those of topics that it does not follow count as applied when it next reports."
)]
pub struct StatusArgs {
    /// The segment's file, for this host; without it brokers must be named
    pub path: Option<PathBuf>,
    /// Accept a segment that its group may write
    #[arg(long)]
    pub allow_group: bool,
    #[command(flatten)]
    pub brokers: Brokers,
    /// How long to wait for the brokers
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_lifetime)]
    pub timeout: Duration,
    /// Print JSON: {"segment": {..}, "brokers": [..]}
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &StatusArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    if args.path.is_none() && args.brokers.addresses.is_empty() {
        return Err(CliError::Usage(
            "nobody to ask; name the segment's file to see where this host stands, or each broker with --broker ADDR \
             (such as tcp://127.0.0.1:7227) to see what they know, or both"
                .to_owned(),
        ));
    }
    let segment = args.path.as_ref().map(|path| {
        Segment::builder()
            .allow_group(args.allow_group)
            .open(path)
            .map_err(CliError::from)
    });
    let segment = segment.transpose()?;
    let status = segment.as_ref().map(CoherenceStatus::of_segment);
    let answers = if args.brokers.addresses.is_empty() {
        Vec::new()
    } else {
        ask(&args.brokers, args.timeout)?
    };
    if args.json {
        let mut object = Map::new();
        if let Some(status) = &status {
            let name = segment
                .as_ref()
                .and_then(|segment| known_name(segment, &args.brokers.cluster));
            let of_segment = status.as_ref().map(|status| tables::segment_json(status, name));
            object.insert("segment".to_owned(), of_segment.unwrap_or(Value::Null));
        }
        if !answers.is_empty() {
            let brokers: Vec<Value> = args
                .brokers
                .addresses
                .iter()
                .zip(&answers)
                .map(|(address, answer)| match answer {
                    Ok(status) => tables::broker_json(address, status),
                    Err(why) => json!({"address": address.to_string(), "error": why}),
                })
                .collect();
            object.insert("brokers".to_owned(), brokers.into());
        }
        write_json(out, &object)?;
    } else {
        match (&segment, &status) {
            (Some(segment), Some(Some(status))) => {
                let cluster = show_cluster(segment, &args.brokers.cluster);
                write_facts(out, &tables::segment_facts(status, &cluster))?;
            }
            (Some(_), _) => writeln!(out, "{NO_CLUSTER}").map_err(CliError::Output)?,
            (None, _) => {}
        }
        for (index, (address, answer)) in args.brokers.addresses.iter().zip(&answers).enumerate() {
            let is_first = index == 0 && status.is_none();
            tables::write_broker(out, address, answer, is_first)?;
        }
    }
    let silent: Vec<String> = args
        .brokers
        .addresses
        .iter()
        .zip(&answers)
        .filter_map(|(address, answer)| Some(format!("{address}: {}", answer.as_ref().err()?)))
        .collect();
    if !silent.is_empty() {
        return Err(CliError::Failed(format!(
            "{} of {} brokers gave no answer: {}",
            silent.len(),
            answers.len(),
            silent.join("; ")
        )));
    }
    match status {
        Some(None) => Ok(Exit::NotFound),
        _ => Ok(Exit::Done),
    }
}
