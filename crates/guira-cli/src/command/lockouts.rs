//! `guira lockouts`: who is locked out, and letting them in again.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use guira::Guira;
use guira::key::KeyItem;
use guira::lockout::LockoutEntry;
use serde_json::{Value, json};

use crate::duration::show_duration;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{show_counted, table, write_json};
use crate::target::Target;
use crate::typed_key;

/// List what lockouts and quotas have locked, with the time left
///
/// Exit status 1 if there is none.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Subjects are shown as JSON. A key whose process was killed just as it locked is listed \
with --all, by its count, until its next event."
)]
pub struct LockoutsArgs {
    #[command(flatten)]
    pub target: Target,
    /// Only of the lockout NAME
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only of the rule NAME
    #[arg(long, value_name = "NAME")]
    pub rule: Option<String>,
    /// Only this subject, as JSON: 7, '"plum"'
    #[arg(long, value_name = "JSON", value_parser = typed_key::parse)]
    pub subject: Option<KeyItem>,
    /// What is counted but not locked, too
    #[arg(long)]
    pub all: bool,
    /// Forget what is listed: locked out are let in, counters begin anew
    #[arg(long)]
    pub release: bool,
    /// Print JSON: {"lockouts": [{"lockout", "rule", "subject", "is_locked", "count", "time_left_ms"}], "released"}
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &LockoutsArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let guira = Guira::of_segment(args.target.open()?);
    let mut entries = guira.lockout_entries();
    entries.retain(|entry| is_meant(args, entry));
    // The longest locks first, then counters.
    entries.sort_by(|one, other| {
        let order = |entry: &LockoutEntry| (entry.count.is_some(), std::cmp::Reverse(entry.time_left));
        order(one).cmp(&order(other))
    });
    let released = if args.release {
        entries
            .iter()
            .filter(|entry| guira.release_lockout(entry))
            .count()
    } else {
        0
    };
    if args.json {
        let lockouts: Vec<Value> = entries.iter().map(object_of).collect();
        write_json(out, &json!({ "lockouts": lockouts, "released": released }))?;
    } else {
        write_table(out, &entries)?;
        if args.release && !entries.is_empty() {
            let shown = show_counted(released as u64, "key", "keys");
            writeln!(out, "released {shown}").map_err(CliError::Output)?;
        }
    }
    Ok(if entries.is_empty() {
        Exit::NotFound
    } else {
        Exit::Done
    })
}

fn is_meant(args: &LockoutsArgs, entry: &LockoutEntry) -> bool {
    (args.all || entry.is_locked())
        && args.name.as_ref().is_none_or(|name| *name == entry.lockout)
        && args.rule.as_ref().is_none_or(|rule| *rule == entry.rule)
        && args
            .subject
            .as_ref()
            .is_none_or(|subject| *subject == entry.subject)
}

fn object_of(entry: &LockoutEntry) -> Value {
    let subject = entry.subject.to_string();
    json!({
        "lockout": entry.lockout,
        "rule": entry.rule,
        "subject": serde_json::from_str::<Value>(&subject).unwrap_or(Value::String(subject)),
        "is_locked": entry.is_locked(),
        "count": entry.count,
        "time_left_ms": u64::try_from(entry.time_left.as_millis()).unwrap_or(u64::MAX),
    })
}

fn write_table(out: &mut dyn Write, entries: &[LockoutEntry]) -> Result<(), CliError> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut table = table(&["lockout", "rule", "subject", "state", "time left"], &[4]);
    for entry in entries {
        let state = match entry.count {
            None => "locked".to_owned(),
            Some(count) => show_counted(count.into(), "event", "events"),
        };
        table.add_row([
            &entry.lockout,
            &entry.rule,
            &entry.subject.to_string(),
            &state,
            &show_time_left(entry.time_left),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt()).map_err(CliError::Output)
}

fn show_time_left(time_left: Duration) -> String {
    if time_left == Duration::MAX {
        "no end".to_owned()
    } else {
        show_duration(time_left)
    }
}
