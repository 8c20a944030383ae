//! `guira doctor`: what this machine offers a segment and what it lacks, each with what to do.

mod bus;
mod files;
mod machine;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use guira_shm::file::file_system_of;
use serde::Serialize;
use serde_json::json;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::write_json;

/// Say what this machine offers and lacks, each with what to do
///
/// Exit status 4 if something is bad.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// The directory, or the segment, to look at
    #[arg(default_value = "/dev/shm")]
    pub path: PathBuf,
    /// Accept a segment that its group may write
    #[arg(long)]
    pub allow_group: bool,
    /// Print JSON: {"checks": [{"name", "status", "found", "advice"}], "status": ..}
    #[arg(long)]
    pub json: bool,
}

/// How good something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// As it should be.
    Ok,
    /// A segment works, but slower, smaller or with a risk.
    Warn,
    /// A segment does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    status: Status,
    found: String,
    /// What to do, where it is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    pub(crate) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Ok,
            found: found.into(),
            advice: None,
        }
    }

    pub(crate) fn warn(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Warn,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    pub(crate) fn bad(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            status: Status::Bad,
            ..Self::warn(name, found, advice)
        }
    }
}

pub(crate) fn run(args: &DoctorArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    // A path that leads nowhere is a wrong path, not a finding.
    file_system_of(&args.path).map_err(guira_segment::OpenError::from)?;
    let mut checks = files::checks(args);
    checks.extend(machine::checks());
    checks.extend(bus::checks());
    let worst = checks
        .iter()
        .map(|check| check.status)
        .max()
        .unwrap_or(Status::Ok);
    if args.json {
        write_json(
            out,
            &json!({ "path": args.path.to_string_lossy(), "checks": checks, "status": worst }),
        )?;
    } else {
        for check in &checks {
            write_check(out, check).map_err(CliError::Output)?;
        }
    }
    if worst == Status::Bad {
        let bad = checks.iter().filter(|check| check.status == Status::Bad).count();
        return Err(CliError::Failed(format!(
            "{}: {bad} of {} checks are bad; do what each says",
            args.path.display(),
            checks.len()
        )));
    }
    Ok(Exit::Done)
}

fn write_check(out: &mut dyn Write, check: &Check) -> std::io::Result<()> {
    let status = match check.status {
        Status::Ok => "ok",
        Status::Warn => "warn",
        Status::Bad => "BAD",
    };
    writeln!(out, "{status:4}  {:13}  {}", check.name, check.found)?;
    match &check.advice {
        Some(advice) => writeln!(out, "{:21}to do: {advice}", ""),
        None => Ok(()),
    }
}
